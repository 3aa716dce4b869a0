"""The schema can grow: what was stored before keeps its hash, and is never called changed.

A copy of the package is made to grow as a later version will: with a field, a group, another
rules number. The same must hold of it as of this one.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import golden
import pytest
from configs import config, values
from plans import plan

from cnn_sweeps.config import rules
from cnn_sweeps.config.fields import find
from cnn_sweeps.config.loading import load, to_json
from cnn_sweeps.config.rules import Rules
from cnn_sweeps.config.stored import (
    load_stored,
    refuse_newer,
    with_defaults,
    with_neutral_values,
    without_neutral,
)
from cnn_sweeps.data import Dataset, as_read
from cnn_sweeps.errors import ConfigError, NewerVersionError, StoreError
from cnn_sweeps.provenance.identity import content
from cnn_sweeps.sweeps.plan.plan import Plan

ROOT = Path(__file__).resolve().parents[1]
STORE = Path(__file__).parent / "promises" / "store-2427821.zip"
PLAIN_RUN = "0764fb85bc9c"
FIRST = rules.DATA[:1]
SECOND = Rules(number=2, changed="something", kinds=frozenset({"image_folder"}))

FIELD = """    precision: Literal["float32","""
HEAD = """@dataclass(frozen=True, kw_only=True, config=STRICT)
"""
GROUP = f"{HEAD}class Config:\n"
MEMBER = """    trainer: TrainerConfig
    \"\"\"How it is trained.\"\"\"
"""
RULES = """DATA: Final = (
"""


def grown(folder: Path, *, default: str = "none", mark: str = "neutral='none'") -> Path:
    """A copy of the package with a field, a group and another rules number.

    Args:
        folder: where to make it.
        default: of field and group in new experiments.
        mark: what says their neutral value; nothing for a field that was just written down.
    """
    for part in ("cnn_sweeps", "hydra_plugins", "conf"):
        shutil.copytree(ROOT / part, folder / part)  # with byte code, which stays good
    field = f"added(default={default!r}, {mark})" if mark else repr(default)
    group = f"added(default=Teacher(name={default!r}), neutral=Teacher())"
    schema = folder / "cnn_sweeps" / "config" / "schema.py"
    text = schema.read_text("utf-8")
    for old, new in (
        (FIELD, f"    augmentation: Literal['none', 'light'] = {field}\n{FIELD}"),
        (
            GROUP,
            f"{HEAD}class Teacher:\n    name: Literal['none', 'light'] = 'none'\n\n\n{GROUP}",
        ),
        (MEMBER, f"{MEMBER}    teacher: Teacher = {group}\n"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    schema.write_text(text, "utf-8")
    numbers = folder / "cnn_sweeps" / "config" / "rules.py"
    first, _, rest = numbers.read_text("utf-8").partition(RULES)
    assert rest
    known, number = rules.newest_number(rules.DATA), rules.newest_number(rules.DATA) + 1
    newer = f"    Rules(number={number}, changed='other', kinds=frozenset({{'npz'}})),\n"
    ours, end, after = rest.partition(')\n"""')
    numbers.write_text(f"{first}{RULES}{ours}{newer}{end}{after}", "utf-8")
    for yaml in (folder / "conf" / "data").glob("*.yaml"):
        text = yaml.read_text("utf-8")
        assert f"rules: {known} " in text
        yaml.write_text(text.replace(f"rules: {known} ", f"rules: {number} "), "utf-8")
    return folder


def python(
    package: Path, *arguments: str, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program with a copy of the package."""
    path = os.pathsep.join([str(package), str(ROOT / "tests")])
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        cwd=cwd or package,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as a later version might be; what is new is off unless it is asked for."""
    return grown(tmp_path_factory.mktemp("later"))


@pytest.fixture
def old_store(tmp_path: Path) -> Path:
    """A folder with the store that commit 2427821 wrote."""
    with zipfile.ZipFile(STORE) as archive:
        archive.extractall(tmp_path)
    return tmp_path


@pytest.mark.parametrize("case", golden.CASES, ids=lambda case: " ".join(case["command"]) or "-")
def test_golden_names(case: dict[str, Any]) -> None:
    """Hashes of experiments, keys of trials and names of sweeps are those of commit 2427821.

    Where a newer rules number can make a difference, with the number that they had.
    """
    command = case["command"]
    names = {key: value for key, value in case.items() if key != "command"}
    assert golden.names(golden.composed([*command, golden.FIRST_RULES])) == names
    assert (golden.names(golden.composed(command)) == names) is OWN.isdisjoint(command)


OWN = frozenset({"data=image_folder", "data=idx", "data=npz"})
"""The kinds of data for which a newer rules number makes a difference."""


def test_golden_names_stand_when_the_schema_grows(later: Path) -> None:
    """A new field, group and rules number move no name, but where the rules now differ."""
    done = python(later, "-m", "golden")
    moved = [line for line in done.stderr.splitlines() if not line.startswith(tuple(OWN))]
    assert done.returncode == 1, done.stderr
    assert not moved
    assert {line.split()[0] for line in done.stderr.splitlines()} == OWN


@pytest.mark.slow
def test_without_a_neutral_mark_all_names_move(tmp_path: Path) -> None:
    """The mark is what holds them: the tests here can fail."""
    some = "import golden; golden.CASES[3:] = []; print(*golden.broken(), sep='\\n')"
    done = python(grown(tmp_path, mark=""), "-c", some)
    assert len(done.stdout.splitlines()) == 3 * 5, done.stderr


READ = f"""
import sys
from cnn_sweeps.runs.composition.validate import compose_tracking
from cnn_sweeps.runs.recorded import lookup
from cnn_sweeps.runs.recorded.record import verify
store = lookup.open_store(compose_tracking([]))
record = lookup.record_of(store, lookup.one_run(store, "{PLAIN_RUN}"))
verify(record)
print(record.config.trainer.augmentation, record.config.teacher.name, record.config.data.rules)
"""
CONTINUE = """
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.sweeps.study.study import SweepStudy
study = SweepStudy.load(StudyAddress(storage="mlruns/studies/old.journal", name="old"))
for trial in study.trials():
    config = study.plan.config(study.carried_values(trial))
    same = trial.user_attrs["meaning"] == study.plan.experiment_key(config)
    print(same, config.trainer.augmentation)
"""


@pytest.mark.slow
def test_what_was_stored_reads_as_neutral_whatever_the_default(
    tmp_path: Path, old_store: Path
) -> None:
    """A record and the base config of a study say nothing of a field that came later."""
    package = grown(tmp_path / "package", default="light")
    done = python(package, "-c", READ + CONTINUE, cwd=old_store)
    read, *base = done.stdout.splitlines()
    assert read == "none none 1", done.stderr
    assert set(base) == {"True none"}, done.stderr


@pytest.mark.slow
def test_an_old_run_is_reproduced_when_the_schema_has_grown(later: Path, old_store: Path) -> None:
    """Not accused, not refused: trained again, and judged by its bits."""
    done = python(later, "-m", "cnn_sweeps", "reproduce", PLAIN_RUN, cwd=old_store)
    assert done.returncode == 0, done.stderr
    assert "bit-identical" in done.stdout or "equal within tolerance" in done.stdout


@pytest.mark.slow
def test_an_old_study_is_continued_when_the_schema_has_grown(later: Path, old_store: Path) -> None:
    """The same command is the same sweep: nothing is left to be done."""
    command = (
        "data=digits data.limit=300 model.dense_units=8 model.filters=2,4 model.conv_blocks=1 "
        "trainer.epochs=1,2 hydra.sweeper.study_name=old"
    )
    done = python(later, "-m", "cnn_sweeps", "-m", *command.split(), cwd=old_store)
    assert done.returncode == 0, done.stderr
    assert "4 trials, 4 done before" in done.stdout


def test_a_neutral_value_is_the_value_of_every_record_before() -> None:
    """What is missing is filled in, in whatever part of a config; what is there stays."""
    first = config(data={"rules": 1})
    stored = to_json(first)
    del stored["data"]["rules"]
    assert with_neutral_values(stored)["data"] == {**stored["data"], "rules": 1}
    assert load_stored(stored) == first


def test_what_is_going_to_be_stored_says_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Today's default is written down, so that it is not read as neutral later."""
    stored = values()
    assert "rules" not in stored["data"]
    assert with_defaults(stored)["data"]["rules"] == rules.newest_number(rules.DATA)


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        pytest.param({"trainer": {"augmentation": "light"}}, "trainer.augmentation", id="field"),
        pytest.param({"teacher": {"name": "light"}}, "teacher", id="group"),
        pytest.param({"trainer": {"schedule": {"steps": 3}}}, "trainer.schedule.steps", id="deep"),
        pytest.param({"model": {"name": "vit"}}, "model.name=vit", id="model"),
        pytest.param(
            {"trainer": {"optimizer": {"name": "muon"}}}, "trainer.optimizer.name=muon", id="option"
        ),
        pytest.param({"data": {"rules": 99}}, "data.rules=99", id="rules"),
    ],
)
def test_what_a_newer_version_stored_is_told_apart(changed: dict[str, Any], key: str) -> None:
    """Neither changed nor damaged: it names what is not known, in records and in studies."""
    stored = {**values(), **(changed if "teacher" in changed else {})}
    stored |= {group: {**stored[group], **given} for group, given in changed.items()}
    with pytest.raises(NewerVersionError, match=f"newer version of cnn_sweeps: {key} is not known"):
        load_stored(stored)
    plain = plan().to_json()
    plain["template"]["bases"] = {"[]": stored}
    with pytest.raises(StoreError, match=f"newer version of cnn_sweeps: {key} is not known"):
        Plan.from_json(plain)


@pytest.mark.parametrize(
    "opened",
    [
        pytest.param({"model": {"padding": "???"}}, id="to-be-swept"),
        pytest.param({"data": {"name": "${oc.env:DATA_SET}"}}, id="interpolated-kind"),
        pytest.param({"data": {"name": "???"}}, id="kind-to-be-swept"),
        pytest.param({"model": {"activation": "${oc.env:ACT,relu}"}}, id="interpolated"),
    ],
)
def test_a_base_config_may_leave_values_open(opened: dict[str, Any]) -> None:
    """What an interpolation or a trial fills in is nothing that a newer version has stored."""
    base = values()
    base |= {group: {**base[group], **given} for group, given in opened.items()}
    plain = plan().to_json()
    plain["template"]["bases"] = {"[]": base}
    (read,) = Plan.from_json(plain).base_config.bases.values()
    assert read["data"]["rules"] == 1


def test_an_export_can_be_read_by_the_version_that_trained_it() -> None:
    """An added field at its neutral value is left out; it reads back as neutral."""
    first = config(data={"rules": 1})
    plain = without_neutral(first)
    assert "rules" not in plain["data"]
    assert load_stored(plain) == first


def test_a_wrong_value_is_not_a_newer_version() -> None:
    """What no version takes was changed or damaged."""
    stored = values(trainer={"epochs": "many"})
    refuse_newer(stored, "it")
    with pytest.raises(ConfigError) as caught:
        load_stored(stored)
    assert not isinstance(caught.value, NewerVersionError)


@pytest.mark.parametrize(
    ("kind", "number", "expected"),
    [("digits", 1, 1), ("digits", 2, 1), ("image_folder", 1, 1), ("image_folder", 2, 2)],
)
def test_a_rules_number_counts_where_it_can_make_a_difference(
    kind: str, number: int, expected: int
) -> None:
    """Data for which a number changes nothing keep the number, and the hash, that they had."""
    assert rules.least_number((*FIRST, SECOND), number, kind) == expected


def with_rules(number: int) -> Any:
    """The data settings of a config with this rules number, whether it is known or not."""
    made = config(data={"name": "image_folder", "path": "x"})
    object.__setattr__(made.data, "rules", number)
    return made


def test_a_rules_number_that_counts_is_part_of_the_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number 1 is not hashed; a higher one is."""
    monkeypatch.setattr(rules, "DATA", (*FIRST, SECOND))
    assert "rules" not in content(with_rules(1), "d")["data"]
    assert content(with_rules(2), "d")["data"]["rules"] == 2


def test_an_experiment_has_the_rules_that_made_a_difference(
    dataset_of: Callable[[int], Dataset],
) -> None:
    """What was read as it would have been under an older number is that older experiment."""
    assert as_read(with_rules(2).data, dataset_of(1)).rules == 1


@pytest.fixture
def dataset_of() -> Callable[[int], Dataset]:
    """A data set that says which rules made a difference for it."""
    from cnn_sweeps.data import load as load_data

    made = load_data(config().data)
    return lambda number: replace(made, rules=number)


def test_only_known_rules_can_be_asked_for() -> None:
    """A number that does not exist yet is refused with those that do."""
    newest = rules.newest_number(rules.DATA)
    with pytest.raises(ConfigError, match=f"from 1 up to {newest}"):
        load(values(data={"name": "digits", "rules": newest + 1}))
    assert find(("data", "rules"), values()).key == "data.rules"


def test_the_numbers_have_no_gap() -> None:
    """A number is a version of the one before."""
    assert [each.number for each in rules.DATA] == list(range(1, len(rules.DATA) + 1))
