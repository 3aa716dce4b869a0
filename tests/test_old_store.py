"""A store that an earlier version has written works for ever: every command, hash and number.

`promises/store-2427821.zip` was written by commit 2427821: `mlruns` with a single run, a sweep, an
exercise and a run of a network of the user's, whose file `my_nets.py` lies beside it. It is
opened in another folder than it was written in. What is expected is read from a second copy,
which no command has touched.
"""

import csv
import json
import platform
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from programs import begun, typed
from signals import heard
from stores import close

from cnn_sweeps.cli import main
from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.provenance.identity import Identity, identify
from cnn_sweeps.runs.recorded import lookup
from cnn_sweeps.runs.recorded.record import Record, verify
from cnn_sweeps.tracking import Store

pytestmark = pytest.mark.usefixtures("hydra_restore_singletons")

PACKED = Path(__file__).parent / "promises" / "store-2427821.zip"
PLAIN, TRIAL, SHORTER, CUSTOM = "0764fb85bc9c", "b27bfab41bc3", "c468a4516484", "ed21857de838"
"""A single run, two trials (one is that run with an epoch less), and a network of the user's."""
SPEAKS = {
    PLAIN: "83f619f98f214f28840dc9ec73073d48",
    TRIAL: "14534408171344a3a684b0e2afffa330",
    SHORTER: "ae6a9383e3b840318185015e949ee79f",
    CUSTOM: "c8915f40d8834fad9df0a1a9e3ffa7e0",
}
"""The run that stands for each hash: its newest that was not a copy of another."""
OLD, EXERCISE = "old", "4_only_first_conv-6f366a73"
SWEEPS = {
    OLD: "5ffc6dfcceb344a7a69b5e98b17a9037",
    EXERCISE: "1e9ea53491f042d88bdc07a221093c69",
}
"""The run of each study."""
HASHES = ("config_hash", "trajectory_hash", "data_digest")
ABOUT_THE_STORE = {"folder", "stale folders", "database", "runs", "studies", "trajectories"}
"""What `doctor` looks at that is no matter of the machine."""
COMPUTING = ("tensorflow", "keras", "numpy")
NUMERICS = ("cpu", "cpu_flags", "devices", "deterministic", "onednn", "variables", "precision")
"""Fields of an environment that may move bits as they are."""

Told = Callable[..., str]
Rows = list[dict[str, str]]


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What the database has of one run."""

    tags: dict[str, str]
    metrics: dict[str, float]


def unpack(folder: Path) -> Path:
    """A copy of the store in a folder."""
    with ZipFile(PACKED) as packed:
        packed.extractall(folder)
    return folder


def leave(folder: Path) -> None:
    """Close the database, where a command has opened it in this process."""
    if "mlflow.store.tracking.sqlalchemy_store" in sys.modules:  # else this would import it
        close(f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}")


def rows(folder: Path, query: str) -> list[Any]:
    """What the database answers, without MLflow."""
    with closing(sqlite3.connect(folder / "mlruns" / "mlflow.db")) as connection:
        return connection.execute(query).fetchall()


def runs(folder: Path) -> dict[str, Stored]:
    """Every run of a store by its id, that of a sweep included."""
    found = {
        run: Stored(tags={}, metrics={}) for (run,) in rows(folder, "SELECT run_uuid FROM runs")
    }
    for run, key, value in rows(folder, "SELECT run_uuid, key, value FROM tags"):
        found[run].tags[key] = value
    for run, key, value in rows(folder, "SELECT run_uuid, key, value FROM latest_metrics"):
        found[run].metrics[key] = value
    return found


def singles(values: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers as the float32 that they are: the sweep's own summary is written again, shorter."""

    def single(value: Any) -> Any:
        fraction = re.fullmatch(r"-?\d+\.\d+", str(value))
        return float(np.float32(value)) if fraction else value

    return {name: single(value) for name, value in values.items()}


def experiments(folder: Path) -> dict[str, Stored]:
    """The runs of a store that have trained or copied something."""
    return {run: stored for run, stored in runs(folder).items() if "config_hash" in stored.tags}


def artifact(folder: Path, run: str, name: str) -> Path:
    """A file of a run."""
    return folder / "mlruns" / "artifacts" / run / "artifacts" / name


def environment(folder: Path, run: str) -> dict[str, Any]:
    """Where a run was trained."""
    return dict(json.loads(artifact(folder, run, "environment.json").read_text("utf-8")))


def ranking(folder: Path, study: str) -> Rows:
    """The table of a study as it lies with the sweep's run."""
    with artifact(folder, SWEEPS[study], "ranking.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def command_of(folder: Path, study: str) -> list[str]:
    """What was typed to begin a study, without the program's name: its journal knows."""
    journal = (folder / "mlruns" / "studies" / f"{study}.journal").read_text("utf-8")
    attributes = [json.loads(line).get("user_attr", {}) for line in journal.splitlines()]
    (line,) = [found["cnn_sweeps:command"] for found in attributes if "cnn_sweeps:command" in found]
    return shlex.split(line)[1:]


def contents(folder: Path, *parts: str) -> dict[str, bytes]:
    """Every file below these folders of a store, by its path."""
    files = (path for part in parts for path in (folder / "mlruns" / part).rglob("*"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files if path.is_file()}


def histories(folder: Path) -> dict[str, bytes]:
    """The epochs that are kept, trajectory by trajectory."""
    kept = contents(folder, "trajectories")
    return {path: content for path, content in kept.items() if path.endswith("history.json")}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store as it was written; no command opens it."""
    return unpack(tmp_path_factory.mktemp("written"))


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy for the commands that only read."""
    folder = unpack(tmp_path_factory.mktemp("opened"))
    yield folder
    leave(folder)


@pytest.fixture
def read(opened: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the copy that is read."""
    monkeypatch.setattr(sys, "path", [*sys.path])  # for the time of a test, my_nets is found
    monkeypatch.chdir(opened)
    return opened


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with a copy of the test's own."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    yield unpack(tmp_path)
    leave(tmp_path)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Told:
    """What the program prints in this process, where it has nothing to complain about."""

    def call(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["cnn-sweeps", *words])
        monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
        with pytest.raises(SystemExit) as ended:
            main.main()
        printed = capsys.readouterr()
        assert (ended.value.code, printed.err) == (0, ""), printed.err
        return printed.out

    return call


@pytest.mark.parametrize("short", [PLAIN, TRIAL, CUSTOM], ids=["run", "trial", "custom"])
def test_show_tells_what_was_stored(read: Path, written: Path, told: Told, short: str) -> None:
    """Hashes, the digest of the weights, every metric, and each run of the experiment."""
    shown, every = told("show", short), experiments(written)
    stored = every[SPEAKS[short]]
    expected = [stored.tags[name] for name in (*HASHES, "weights_sha256", "git_commit")]
    alike = [run for run, each in every.items() if each.tags["config_hash"].startswith(short)]
    assert [text for text in (*expected, *alike) if text not in shown] == []
    section = shown.partition("\nmetrics\n")[2].partition("\n\n")[0]
    metrics = dict(line.split() for line in section.splitlines())
    assert metrics == {name: f"{value:.6g}" for name, value in stored.metrics.items()}


def test_compare_ranks_every_experiment(read: Path, written: Path, told: Told) -> None:
    """With the metrics of its run, bit for bit."""
    ranked, every = json.loads(told("compare", "--json")), experiments(written)
    assert {row["config_hash"] for row in ranked} == {
        each.tags["config_hash"] for each in every.values()
    }
    assert len(ranked) == 12
    assert [row["metrics"] for row in ranked] == [every[row["run_id"]].metrics for row in ranked]
    values = [row["metrics"]["val_accuracy"] for row in ranked]
    assert values == sorted(values, reverse=True)
    assert ranked[0]["config_hash"].startswith(CUSTOM)


@pytest.mark.parametrize(
    ("other", "key", "values"),
    [
        pytest.param(SHORTER, "trainer.epochs", ["2", "1"], id="epochs"),
        pytest.param(TRIAL, "model.filters", ["4", "2"], id="filters"),
    ],
)
def test_diff_names_the_key(
    read: Path, written: Path, told: Told, other: str, key: str, values: list[str]
) -> None:
    """It alone, beside how a worker of a sweep computes and shows; a field that is new is none."""
    difference = json.loads(told("diff", PLAIN, other, "--json"))
    config = difference["config"]
    assert {*config} - {"trainer.threads", "trainer.progress"} == {key}
    assert config[key] == values
    pair = [runs(written)[SPEAKS[short]].tags for short in (PLAIN, other)]
    differing = {name for name in HASHES if pair[0][name] != pair[1][name]}
    assert difference["identity"] == {name: [tags[name] for tags in pair] for name in differing}


@pytest.mark.parametrize("study", SWEEPS)
def test_report_has_the_trials_as_they_were(
    read: Path, written: Path, told: Told, study: str
) -> None:
    """In the order that they were ranked in, with their values, hashes and runs."""
    reported = json.loads(told("report", study, "--format", "json"))
    expected = ranking(written, study)
    trials = reported["trials"]
    names = ("number", "config_hash", "run_id", "state")
    assert [[str(trial[name]) for name in names] for trial in trials] == [
        [row[name] for name in ("trial", *names[1:])] for row in expected
    ]
    for trial, row in zip(trials, expected, strict=True):
        stored = {name: float(row[name]) for name in trial["metrics"]}
        assert trial["metrics"] == stored
        assert trial["values"] == {"val_accuracy": stored["val_accuracy"]}


def test_report_of_the_exercise_has_its_answer(read: Path, written: Path, told: Told) -> None:
    """The accuracies of each cell, seed by seed."""
    reported = json.loads(told("report", EXERCISE, "--format", "json"))["answer"]
    stored = json.loads(artifact(written, SWEEPS[EXERCISE], "answer.json").read_text("utf-8"))
    names = ("cell", "val_accuracy", "test_accuracy", "config_hashes")
    cells = [
        [{name: cell[name] for name in names} for cell in a["cells"]] for a in (reported, stored)
    ]
    assert len(cells[0]) == 4
    assert cells[0] == cells[1]


def test_report_is_a_page(own: Path, written: Path, told: Told) -> None:
    """With every trial on it."""
    page = Path(told("report", OLD).strip())
    assert page.parent == own
    text = page.read_text("utf-8")
    assert [row for row in ranking(written, OLD) if row["config_hash"][:12] not in text] == []


def test_the_kept_epochs_are_listed(read: Path, written: Path, told: Told) -> None:
    """All that are on disk, under the trajectory hashes of the runs."""
    listed = json.loads(told("cache", "--json"))["entries"]
    found = {(each["trajectory_hash"], each["environment"]): each["epochs"] for each in listed}
    assert {f"mlruns/trajectories/{'/'.join(key)}/history.json" for key in found} == {
        *histories(written)
    }
    assert sum(found.values()) == 14
    known = {each.tags["trajectory_hash"] for each in experiments(written).values()}
    assert {trajectory for trajectory, _ in found} == known


def test_the_kept_epochs_are_whole(read: Path, told: Told) -> None:
    """Every file fits the checksum that was written then."""
    checked = json.loads(told("cache", "verify", "--json"))
    assert (checked["checked"], checked["faults"]) == (11, [])


def test_doctor_finds_the_store_sound(read: Path, told: Told) -> None:
    """Database, studies and trajectories; whatever the machine lacks."""
    findings = json.loads(told("doctor", "--json"))
    about = [
        (each["check"], each["level"]) for each in findings if each["check"] in ABOUT_THE_STORE
    ]
    assert sorted(about) == [(check, "ok") for check in sorted(ABOUT_THE_STORE)]


@pytest.mark.parametrize("short", [PLAIN, TRIAL, CUSTOM], ids=["run", "trial", "custom"])
def test_export_writes_what_was_stored(
    read: Path, written: Path, told: Told, tmp_path: Path, short: str
) -> None:
    """Hashes, metrics and environment, and the file of the network where there is one."""
    told("export", short, str(tmp_path / "out"))
    stored = runs(written)[SPEAKS[short]]
    record = json.loads((tmp_path / "out" / "record.json").read_text("utf-8"))
    for name in (*HASHES, "weights_sha256"):
        assert record[name] == stored.tags[name]
    assert record["metrics"] == stored.metrics
    recorded = environment(written, SPEAKS[short])
    assert {name: record["environment"][name] for name in recorded} == recorded
    sources = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("source/*")}
    nets = {"my_nets.py": (written / "my_nets.py").read_bytes()}
    assert sources == (nets if short == CUSTOM else {})


@pytest.fixture(scope="module")
def promoted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy in which the model of a trial was promoted."""
    folder = unpack(tmp_path_factory.mktemp("promoted"))
    typed(folder, "promote", TRIAL, "digits", "--alias", "champion").well()
    yield folder
    leave(folder)


@pytest.mark.slow
def test_promote_registers_the_stored_model(promoted: Path, written: Path) -> None:
    """In the folder that the store is in now."""
    query = "SELECT name, version, run_id, source FROM model_versions"
    ((name, number, run, source),) = rows(promoted, query)
    assert (name, number, run) == ("digits", 1, SPEAKS[TRIAL])
    assert source.startswith(promoted.as_uri())
    assert Path(source.removeprefix("file://"), "MLmodel").is_file()
    tags = dict(rows(promoted, "SELECT key, value FROM model_version_tags"))
    assert tags["config_hash"] == runs(written)[run].tags["config_hash"]
    found = rows(promoted, "SELECT alias, version FROM registered_model_aliases")
    assert found == [("champion", 1)]


@pytest.mark.parametrize(("study", "trials"), [(OLD, 4), (EXERCISE, 8)], ids=SWEEPS)
def test_a_dry_run_knows_every_trial(
    read: Path, written: Path, told: Told, study: str, trials: int
) -> None:
    """The same command leads to the same study, also where its name is made of what is swept."""
    multirun, *words = command_of(written, study)
    shown = told(multirun, "--dry-run", *words)
    assert re.search(rf"\b{trials}, from {trials} trials$", shown, re.MULTILINE)
    assert re.search(r"\b0 trials, 0 epochs$", shown, re.MULTILINE)


@pytest.fixture(scope="module")
def records(opened: Path, written: Path) -> dict[str, Record]:
    """What the program reads of every run that is an experiment, by run id."""
    store = Store.open(Tracking(dir=opened / "mlruns"))
    return {run: lookup.record_of(store, store.get(run)) for run in experiments(written)}


def test_every_hash_is_given_again(records: dict[str, Record], written: Path) -> None:
    """By the stored config, the digest of the data and the user's file: no hash ever changes."""
    stored = {
        run: Identity(**{name: each.tags[name] for name in HASHES})
        for run, each in experiments(written).items()
    }
    given = {
        run: identify(record.config, record.identity.data_digest, source=record.source)
        for run, record in records.items()
    }
    assert len(stored) == 14
    assert given == stored


@pytest.mark.usefixtures("read")
def test_no_record_is_called_changed(records: dict[str, Record]) -> None:
    """Each is accepted to be done again."""
    for record in records.values():
        verify(record)


def test_the_images_have_the_digest_that_they_had(records: dict[str, Record]) -> None:
    """Whoever reads and divides them today."""
    from cnn_sweeps.data import load

    record = records[SPEAKS[PLAIN]]
    images = load(record.config.data)
    assert images.digest == record.identity.data_digest
    assert (len(images.x_train), len(images.x_val), len(images.x_test)) == (270, 30, 359)


@pytest.mark.slow
def test_reading_changes_nothing(own: Path, written: Path, told: Told) -> None:
    """No tag, no metric and no file of what was stored."""
    for words in (
        ["show", PLAIN],
        ["compare"],
        ["diff", PLAIN, SHORTER],
        ["export", CUSTOM, "out"],
        ["report", EXERCISE, "--format", "md"],
        ["cache"],
        ["cache", "verify"],
        ["doctor"],
    ):
        told(*words)
    assert runs(own) == runs(written)
    parts = ("artifacts", "studies", "trajectories")
    assert contents(own, *parts) == contents(written, *parts)


def apart(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two environments differ in something that may move bits, told by their files."""
    facts = [
        [each["python"].split(".")[:2], each["platform"].partition("-with-")[2]]
        + [each["packages"][name] for name in COMPUTING]
        + [each[name] for name in NUMERICS]
        + [each["threads"] or each["intra_op_threads"] or each["cpu_count"]]
        for each in (one, other)
    ]
    return facts[0] != facts[1]


def check_verdict(folder: Path, written: Path, short: str, said: str) -> None:
    """A reproduction has the bits of the old run, or is close where the environment is another."""
    old, now = runs(written)[SPEAKS[short]], runs(folder)
    ((run, again),) = [
        (run, each) for run, each in now.items() if each.tags.get("reproduces") == SPEAKS[short]
    ]
    for name in HASHES:
        assert again.tags[name] == old.tags[name]
    assert again.tags["epochs_trained"] == "2"
    scores = ("loss", "accuracy", "val_loss", "val_accuracy", "test_loss", "test_accuracy")
    values = [[each.metrics[name] for name in scores] for each in (old, again)]
    if apart(environment(written, SPEAKS[short]), environment(folder, run)):
        assert re.search("^(bit-identical|equal within tolerance)", said, re.MULTILINE)
        assert values[1] == pytest.approx(values[0], abs=0.05)
    else:
        assert re.search("^bit-identical$", said, re.MULTILINE)
        assert values[1] == values[0]
        assert again.tags["weights_sha256"] == old.tags["weights_sha256"]


@pytest.mark.slow
def test_a_run_is_done_again(own: Path, written: Path) -> None:
    """There is a verdict about bits."""
    check_verdict(own, written, PLAIN, begun(own, "reproduce", PLAIN).well())


@pytest.mark.slow
def test_an_exported_run_is_done_again_elsewhere(
    read: Path, written: Path, told: Told, tmp_path: Path
) -> None:
    """Without the store, and with the file of the network that was stored."""
    told("export", CUSTOM, str(tmp_path / "out"))
    said = begun(tmp_path, "reproduce", "--from", "out", "--trust").well()
    check_verdict(tmp_path, written, CUSTOM, said)


@pytest.mark.slow
@pytest.mark.parametrize("study", SWEEPS)
def test_the_same_sweep_again_trains_nothing(own: Path, written: Path, study: str) -> None:
    """It finds its study complete: the same runs, the same epochs, the same table."""
    shown = typed(own, *command_of(written, study)).well()
    before, after = runs(written), runs(own)
    assert {run: singles(each.metrics) for run, each in after.items()} == {
        run: singles(each.metrics) for run, each in before.items()
    }
    assert histories(own) == histories(written)
    table, expected = ranking(own, study), ranking(written, study)
    shared = [{name: row[name] for name in expected[0]} for row in table]
    assert [*map(singles, shared)] == [*map(singles, expected)]
    assert expected[0]["config_hash"][:12] in shown


@pytest.fixture
def same_versions(written: Path) -> None:
    """Skip where other software than then would have to answer for its bits."""
    recorded = environment(written, SPEAKS[PLAIN])
    then = [recorded["python"], *(recorded["packages"][name] for name in COMPUTING)]
    here = [platform.python_version(), *map(version, COMPUTING)]
    for versions in (then, here):
        versions[0] = ".".join(versions[0].split(".")[:2])
    if then != here:
        names = ("Python", *COMPUTING)
        pairs = [f"{n} {a} (here {b})" for n, a, b in zip(names, then, here, strict=True) if a != b]
        pytest.skip(f"the store was trained with {', '.join(pairs)}")


@pytest.mark.slow
@pytest.mark.usefixtures("same_versions")
def test_a_wider_sweep_trains_only_what_is_new(
    own: Path, written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the store has finished is answered from its runs, with their values."""
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS")  # it was written without
    words = command_of(written, OLD)
    words[words.index("model.filters=2,4")] = "model.filters=2,4,6"
    words[words.index(f"hydra.sweeper.study_name={OLD}")] = "hydra.sweeper.study_name=wider"
    typed(own, *words).well()
    before = experiments(written)
    trials = [
        each
        for run, each in experiments(own).items()
        if run not in before and each.tags.get("study_name") == "wider"
    ]
    known = {each.tags["config_hash"] for each in before.values()}
    answered = [each for each in trials if each.tags["config_hash"] in known]
    assert {each.tags["config_hash"] for each in answered} == {
        row["config_hash"] for row in ranking(written, OLD)
    }
    for trial in answered:
        source = before[trial.tags["reused_from"]]
        assert trial.tags["epochs_trained"] == "0"
        for name in (*HASHES, "weights_sha256"):
            assert trial.tags[name] == source.tags[name]
        scores = {k: v for k, v in trial.metrics.items() if not k.startswith("test_")}
        asked = {k: v for k, v in source.metrics.items() if not k.startswith("test_")}
        assert singles(scores) == singles(asked)
    new = [each for each in trials if each.tags["config_hash"] not in known]
    assert [each.tags["network"] for each in new] == ["cnn 6x1"] * 2
    assert sum(int(each.tags["epochs_trained"]) for each in new) == 2


@pytest.mark.slow
def test_figures_are_drawn(own: Path) -> None:
    """Of a trial that the search had left without, by its stored model."""
    folder = artifact(own, SPEAKS[SHORTER], "figures")
    assert not folder.exists()
    typed(own, "figures", SHORTER).well()  # TensorFlow may run here with other threads
    drawn = {path.stem: path.read_bytes() for path in folder.glob("*.png")}
    assert {"confusion_matrix", "filters", "layers", "mistakes"} <= {*drawn}
    assert all(content.startswith(b"\x89PNG") for content in drawn.values())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*type hint is inferred as AnyType:UserWarning")
def test_a_promoted_model_scores_as_it_did(
    promoted: Path, records: dict[str, Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loaded by its name it is right as often on the test split."""
    import mlflow

    from cnn_sweeps.data import load

    record = records[SPEAKS[TRIAL]]
    images = load(record.config.data)
    # As mlflow.set_tracking_uri does, which would set it for the tests that follow as well.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{promoted}/mlruns/mlflow.db")
    scores = mlflow.pyfunc.load_model("models:/digits@champion").predict(images.x_test)
    right = np.mean(np.argmax(scores, axis=1) == images.y_test)
    assert right == pytest.approx(record.metrics["test_accuracy"], abs=0.01)


@pytest.mark.slow
def test_the_pages_show_the_runs(own: Path, written: Path) -> None:
    """MLflow's server takes the database, answers with what was stored, and is ended again."""
    with heard(signal.SIGINT):
        started = subprocess.Popen(
            [sys.executable, "-m", "cnn_sweeps", "ui"],
            cwd=own,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    with started as running:
        assert running.stdout
        assert running.stderr
        address = running.stdout.readline().partition("#")[0]
        try:
            with urllib.request.urlopen(address, timeout=60) as page:  # noqa: S310 our own server
                assert page.status == 200
            asked = f"{address}api/2.0/mlflow/runs/get?run_id={SPEAKS[CUSTOM]}"
            with urllib.request.urlopen(asked, timeout=60) as answer:  # noqa: S310 as above
                data = json.load(answer)["run"]["data"]
        finally:
            running.send_signal(signal.SIGINT)
        errors, code = running.stderr.read(), running.wait()
    assert (code, errors) == (0, "")
    stored = runs(written)[SPEAKS[CUSTOM]]
    assert {each["key"]: each["value"] for each in data["metrics"]} == stored.metrics
    assert {each["key"]: each["value"] for each in data["tags"]} == stored.tags
