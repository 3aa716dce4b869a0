"""`import cnn_sweeps as cs`: values for Python, and the same as from the command line."""

import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra.core.global_hydra import GlobalHydra
from programs import typed
from stores import Finished

import cnn_sweeps as cs
from cnn_sweeps.config.schema import CnnModel
from cnn_sweeps.errors import ConfigError, UnknownHashError
from cnn_sweeps.runs.composition.validate import compose, compose_trajectories
from cnn_sweeps.sweeps.plan.base_config import BaseConfig
from cnn_sweeps.sweeps.space.space import parse_space

pytestmark = pytest.mark.usefixtures("in_tmp")

SMALL = (
    *("data=digits", "data.limit=200", "model.conv_blocks=1", "model.dense_units=8"),
    *("trainer.epochs=1", "trainer.progress=none", "tracking.figures=false"),
)
HEAVY = ("tensorflow", "keras", "mlflow", "optuna", "hydra", "matplotlib")


def python(code: str) -> str:
    """What a program prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_it_imports_nothing_heavy() -> None:
    """Not even Hydra is needed before the first call."""
    code = f"import sys, cnn_sweeps; print([n for n in {HEAVY!r} if n in sys.modules])"
    assert python(code) == "[]"


def test_composing_needs_neither_tensorflow_nor_mlflow() -> None:
    """A config is there at once."""
    code = (
        "import sys, cnn_sweeps as cs; cs.compose('data=digits');"
        f"print([n for n in {HEAVY[:4]!r} if n in sys.modules])"
    )
    assert python(code) == "[]"


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"model__filters": 4, "model__conv_blocks": 1}, id="keys"),
        pytest.param({"model": {"name": "cnn", "filters": 4, "conv_blocks": 1}}, id="mapping"),
    ],
)
def test_keywords_are_overrides(settings: dict[str, Any]) -> None:
    """Texts and keywords describe the same experiment."""
    typed = cs.compose("data=digits", "model.filters=4", "model.conv_blocks=1")
    assert cs.compose("data=digits", **settings) == typed
    assert isinstance(typed.model, CnnModel)


@pytest.mark.parametrize(
    ("settings", "typed"),
    [
        ({"trainer__class_weight": {"8": 2.0}}, "trainer.class_weight={8: 2.0}"),
        ({"trainer": {"class_weight": {8: 2}}}, "trainer.class_weight={8: 2.0}"),
        ({"trainer__stop_at": {"val_loss": 0.5}}, "trainer.stop_at={val_loss: 0.5}"),
        ({"tracking__tags": {"my team": "a=b"}}, "+tracking.tags={my team: 'a=b'}"),
        ({"tracking": {"tags": {"a.b": Path("x")}}}, "+tracking.tags={a.b: x}"),
        ({"trainer__class_weight": {"Käfer": 2}}, 'trainer.class_weight="{Käfer: 2}"'),
        (
            {"trainer__phases": [{"first": 2, "class_weight": {"it's": 2}}]},
            """trainer.phases="[{first: 2, class_weight: {it's: 2}}]\"""",
        ),
        (
            {"trainer__optimizer": {"params": {"beta_1": 0.5}}},
            "+trainer.optimizer.params.beta_1=0.5",
        ),
    ],
)
def test_a_mapping_may_be_a_value(settings: dict[str, Any], typed: str) -> None:
    """Its keys are the user's own, and no keys of the config."""
    assert cs.compose(data="digits", **settings) == cs.compose("data=digits", typed)


def test_the_experiment_of_the_shell_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for MLflow itself; what is typed wins, and a sweep keeps what it was begun with."""
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "my course")
    assert cs.compose("data=digits").tracking.experiment == "my course"
    assert cs.compose(tracking__experiment="mine").tracking.experiment == "mine"
    space = parse_space({"model.filters": "4,8"})
    base = BaseConfig.compose(compose, ["data=digits"], space, set())
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "another shell")
    assert base.config(space, {"model.filters": 4}).tracking.experiment == "my course"
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME")
    assert cs.compose("data=digits").tracking.experiment == "cnn_sweeps"


def test_a_stored_sweep_goes_on_meaning_what_it_meant() -> None:
    """What is refused when it is typed is not where a study has it."""
    phases = "trainer.phases=[{epochs: 1}, {optimizer: {params: {beta_1: 0.8}}}]"
    fixed = ["data=digits", "trainer.epochs=2", "trainer.clip_norm=1.0", phases]
    space = parse_space({"model.filters": "4,8"})
    base = BaseConfig.compose(compose, fixed, space, set())
    with pytest.raises(ConfigError, match="as a whole would switch"):
        base.config(space, {"model.filters": 4})
    assert BaseConfig.from_json(base.to_json()).config(space, {"model.filters": 4})


def test_lists_paths_and_text_are_values() -> None:
    """What Python has is written as Hydra reads it."""
    composed = cs.compose(
        data="digits",
        model__filters=[4, 8],
        tracking={"dir": Path("a folder"), "experiment": "it's mine"},
    )
    assert composed.model == cs.compose("data=digits", "model.filters=[4,8]").model
    assert (composed.tracking.dir, composed.tracking.experiment) == (Path("a folder"), "it's mine")


@pytest.mark.parametrize(
    ("typed", "settings", "said"),
    [
        pytest.param(["data=digitz"], {}, "Did you mean data=digits?", id="option"),
        pytest.param([], {"model__filter": 3}, "Did you mean model.filters?", id="key"),
        pytest.param(["model.filters=16,32"], {}, "more than one value", id="several"),
        pytest.param([], {"trainer__epochs": "many"}, "an integer from 1", id="value"),
        pytest.param(["nonsense"], {}, "is not KEY=VALUE", id="text"),
        pytest.param(["+exercise=1_filters"], {}, "-m", id="exercise"),
    ],
)
def test_what_is_not_possible_is_one_plain_error(
    typed: list[str], settings: dict[str, Any], said: str
) -> None:
    """Hydra's own errors do not get through, and no state of Hydra is left behind."""
    with pytest.raises(ConfigError) as caught:
        cs.compose(*typed, **settings)
    assert said in str(caught.value)
    assert not GlobalHydra.instance().is_initialized()


def test_keys_of_the_users_own_and_parts_with_a_name_are_values() -> None:
    """Parameters of an optimizer, tags, and a mapping below a group."""
    made = cs.compose(
        data="digits",
        trainer__optimizer={"name": "sgd", "params": {"momentum": 0.9}},
        tracking__tags={"team": "a"},
    )
    assert made.trainer.optimizer.params == {"momentum": 0.9}
    assert (made.trainer.optimizer.name, made.tracking.tags) == ("sgd", {"team": "a"})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([None, 0.5], (None, 0.5), id="null"),
        pytest.param([[4, 8], 16], ("[4,8]", 16), id="lists"),
        pytest.param("interval(0.0,0.5)", (), id="expression"),
    ],
)
def test_params_of_a_sweep_are_its_values(
    values: Any, expected: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is swept may be null, a list, or an expression as it is typed."""
    asked: list[Any] = []
    monkeypatch.setattr(cs.api, "carry_out", lambda request, _: asked.append(request.plan))
    key = {"[4,8]": "model.filters"}.get(str(expected[:1] and expected[0]), "trainer.stop_at_loss")
    key = key if expected else "model.dropout"
    cs.sweep("data=digits", params={key: values}, n_trials=2)
    (dimension,) = asked[0].space.dimensions
    assert (dimension.key, dimension.choices) == (key, expected)


@pytest.mark.parametrize("typed", ["hydra.sweeper.dry_run=true", "hydra/launcher=joblib"])
def test_what_belongs_to_the_command_line_is_refused(typed: str) -> None:
    """No setting is accepted and ignored."""
    with pytest.raises(ConfigError, match="belong to cnn-sweeps -m"):
        cs.sweep("data=digits", "model.filters=2,4", typed)


def test_a_config_takes_no_overrides() -> None:
    """A config is frozen: what would change it is not ignored."""
    with pytest.raises(ConfigError, match="a config is frozen"):
        cs.run(cs.compose("data=digits"), "model.filters=4")


@pytest.mark.parametrize(
    ("call", "given"),
    [
        pytest.param(lambda: cs.compose({"model.filters": 4}), "(dict)", id="compose"),  # type: ignore[arg-type]
        pytest.param(lambda: cs.run(None), "None (NoneType)", id="run"),  # type: ignore[arg-type]
        pytest.param(lambda: cs.sweep(["model.filters=4"]), "(list)", id="sweep"),  # type: ignore[arg-type]
        pytest.param(lambda: cs.load(1234), "1234 (int)", id="load"),  # type: ignore[arg-type]
        pytest.param(lambda: cs.compare(1.5), "1.5 (float)", id="compare"),  # type: ignore[arg-type]
        pytest.param(lambda: cs.fork(1234), "1234 (int)", id="fork"),  # type: ignore[arg-type]
        pytest.param(lambda: cs.what_if("abcd", 3), "3 (int)", id="what_if"),  # type: ignore[arg-type]
        pytest.param(lambda: cs.evaluate(7, metrics=["brier"]), "7 (int)", id="evaluate"),  # type: ignore[arg-type]
    ],
)
def test_what_is_not_text_is_refused(call: Callable[[], Any], given: str) -> None:
    """With what can be typed instead, and before anything is looked for."""
    with pytest.raises(ConfigError, match=re.escape(given) + " is not text.\n  Type overrides as"):
        call()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        pytest.param(lambda: cs.compare(top="3"), "top=3 is invalid", id="top"),  # type: ignore[arg-type]
        pytest.param(lambda: cs.compare(metric=None), "metric=None", id="metric"),  # type: ignore[arg-type]
        pytest.param(lambda: cs.compare(where=3), "where=3", id="where"),  # type: ignore[arg-type]
        pytest.param(lambda: cs.compare(experiment=4), "experiment=4", id="experiment"),  # type: ignore[arg-type]
        pytest.param(
            lambda: cs.evaluate("abcd", metrics=[3]),  # type: ignore[list-item]
            "3 (int) is not text",
            id="metrics",
        ),
        pytest.param(lambda: cs.run("data=digits", callbacks=print), "callbacks=", id="callbacks"),  # type: ignore[arg-type]
        pytest.param(
            lambda: cs.run("data=digits", callbacks=[print]),  # type: ignore[list-item]
            "a method on_epoch(epoch)",
            id="callback",
        ),
        pytest.param(lambda: cs.sweep(params=["model.filters=1,2"]), "params=", id="list"),
        pytest.param(lambda: cs.sweep(params={}), "params={} sweeps nothing", id="nothing"),
        pytest.param(
            lambda: cs.sweep(params={"model.filters": [2]}), "sweeps nothing", id="one-value"
        ),
        pytest.param(lambda: cs.sweep(sampler={"name": "tpe"}), "sampler=", id="sampler"),
    ],
)
def test_what_is_of_another_kind_is_refused(call: Callable[[], Any], said: str) -> None:
    """Naming the argument, and before anything is trained."""
    with pytest.raises(ConfigError, match=re.escape(said)):
        call()
    assert not Path("mlruns").exists()


def test_numbers_and_arrays_of_numpy_are_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a loop of a notebook gives them."""
    made = cs.compose(data="digits", seed=np.int64(3), model__dropout=np.float64(0.1))
    assert (made.seed, made.model.dropout) == (3, 0.1)
    asked: list[Any] = []
    monkeypatch.setattr(cs.api, "carry_out", lambda request, _: asked.append(request.plan))
    params = {"model.filters": np.array([2, 4]), "seed": range(2), "trainer.epochs": [np.int64(1)]}
    cs.sweep("data=digits", params=params)
    assert {d.key: d.choices for d in asked[0].space.dimensions} == {
        "model.filters": (2, 4),
        "seed": (0, 1),
    }


@pytest.mark.parametrize(("name", "meant"), [("n_trial", "n_trials"), ("study", "study_name")])
def test_a_misspelt_setting_of_a_sweep_is_named(name: str, meant: str) -> None:
    """Not only the keys of an experiment can be meant."""
    with pytest.raises(ConfigError, match=f"{name}: .* Did you mean {meant}?"):
        cs.sweep("data=digits", **{name: 3})


def test_fields_of_groups_are_no_settings_of_a_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much the last part of their name looks like one."""
    asked: list[Any] = []
    monkeypatch.setattr(cs.api, "carry_out", lambda request, _: asked.append(request.plan))
    Path("own_wide_net.py").write_text("def build(input_shape, num_classes, width): ...\n")
    monkeypatch.syspath_prepend(Path.cwd())
    own = {"model": "custom", "model__function": "own_wide_net:build"}
    cs.sweep("data=digits", params={"seed": [1, 2]}, **own, model__params={"width": 3})
    assert asked[0].first.model.params == {"width": 3}


def test_a_sweep_that_is_not_possible_starts_nothing() -> None:
    """Settings are refused as on the command line."""
    with pytest.raises(ConfigError, match="n_trials"):
        cs.sweep("data=digits", n_trials=-1)
    assert not GlobalHydra.instance().is_initialized()
    assert not Path("mlruns").exists()


def test_reproduce_wants_one_name() -> None:
    """A hash, a run id or a folder."""
    with pytest.raises(ConfigError, match="one of name, run_id and folder"):
        cs.reproduce("abcd", run_id="e" * 32)


@pytest.mark.parametrize("tolerance", [-0.1, math.nan, math.inf])
def test_a_tolerance_that_allows_everything_is_refused(
    finished: Finished, tolerance: float
) -> None:
    """As on the command line, and before anything is trained."""
    with pytest.raises(ConfigError, match="tolerance=.* is invalid: it takes a number from 0"):
        cs.reproduce(
            finished.result.identity.short, f"tracking.dir={finished.home}", tolerance=tolerance
        )


@pytest.mark.parametrize("split", ["train", "tests", ""])
def test_a_split_that_there_is_not_is_refused(finished: Finished, split: str) -> None:
    """The images of another one are not scored under its name."""
    run = cs.load(finished.result.identity.short, f"tracking.dir={finished.home}")
    with pytest.raises(ConfigError, match=f"split='{split}' is invalid"):
        run.evaluate(split=split)


def test_a_fork_that_changes_nothing_is_refused(finished: Finished) -> None:
    """It would be its parent once more."""
    with pytest.raises(ConfigError, match="nothing is changed, so that this is cnn "):
        cs.fork(finished.result.identity.short, f"tracking.dir={finished.home}")


def test_no_row_is_no_ranking(finished: Finished) -> None:
    """However many runs there are."""
    with pytest.raises(ConfigError, match="top=0 is invalid"):
        cs.compare(f"tracking.dir={finished.home}", top=0)


def test_keywords_of_a_question_may_say_where(finished: Finished) -> None:
    """As those of a run do."""
    short = finished.result.identity.short
    found = cs.what_if(short, tracking__dir=finished.home, trainer__epochs=[1, 2])
    assert found == cs.what_if(short, f"tracking.dir={finished.home}", "trainer.epochs=1,2")


def test_where_nothing_was_logged_nothing_is_made() -> None:
    """A look into a folder leaves no store behind."""
    with pytest.raises(UnknownHashError, match="no run was ever logged"):
        cs.compare()
    assert not Path("mlruns").exists()


PROGRAM = f"""
import json
import cnn_sweeps as cs

result = cs.run(*{SMALL!r}, "model.filters=4", "tracking.dir=python")
outcome = cs.sweep(
    *{SMALL!r}, params={{"model.filters": [2, 4]}}, tracking__dir="python", n_jobs=1,
    trainer__threads=1, study_name="same",
)
record = cs.load(result.identity.short, "tracking.dir=python")
again = cs.reproduce(result.identity.short, "tracking.dir=python")
board = cs.compare("tracking.dir=python")
print(json.dumps({{
    "hash": result.identity.config_hash,
    "weights": result.weights_sha256,
    "loaded": record.weights_sha256,
    "verdict": again.verdict.kind,
    "trials": [[row.params, row.values] for row in outcome.ranking.rows],
    "report": outcome.report,
    "best": board.runs[0].config_hash,
}}))
"""


@pytest.mark.slow(minutes=2)
def test_python_and_the_command_line_give_the_same(in_tmp: Path, migrated_database: Path) -> None:
    """Hashes, bits, records and rankings; and from a script without a main guard."""
    (in_tmp / "program.py").write_text(PROGRAM)
    for folder in ("python", "typed"):  # migrating a database takes seconds
        (in_tmp / folder).mkdir()
        shutil.copy(migrated_database, in_tmp / folder / "mlflow.db")
    done = subprocess.run(
        [sys.executable, "program.py"], capture_output=True, text=True, check=True
    )
    ours = json.loads(done.stdout)  # nothing else was printed
    typed(in_tmp, *SMALL, "model.filters=4", "tracking.dir=typed").well()
    typed(
        in_tmp,
        *("-m", *SMALL, "model.filters=2,4", "tracking.dir=typed", "trainer.threads=1"),
        *("hydra.sweeper.n_jobs=0", "hydra.sweeper.study_name=same"),
    ).well()
    theirs = cs.load(ours["hash"], "tracking.dir=typed")
    assert ours["weights"] == ours["loaded"] == theirs.weights_sha256
    assert ours["verdict"] == "bit-identical"
    assert Path(ours["report"]).is_file()
    said = typed(in_tmp, "report", "same", "tracking.dir=typed", "--format=json").well()
    trials = json.loads(said)["trials"]
    assert ours["trials"] == [[trial["params"], trial["values"]] for trial in trials]
    assert ours["best"] == cs.compare("tracking.dir=typed").runs[0].config_hash
    assert sorted(path.name for path in in_tmp.iterdir()) == ["program.py", "python", "typed"]


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        pytest.param(
            [],
            'metrics names no metric. Type, for example, metrics=["macro_f1", "roc_auc"]',
            id="none",
        ),
        pytest.param(
            "macro_f1,rocauc",
            'metrics=["rocauc"] is not a metric (did you mean roc_auc?)',
            id="text",
        ),
    ],
)
def test_refusals_name_the_argument(metrics: Any, message: str) -> None:
    """As it is called in Python, and not the option of the command line."""
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}"):
        cs.evaluate("abcd", metrics=metrics)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: cs.compare("tracking.experiment=mine"), 'Type experiment="NAME"'),
        (lambda: cs.load("abcd", "tracking.figures=false"), "only tracking.uri, tracking.dir"),
        (lambda: cs.reproduce("abcd", "tracking.experiment=mine"), "tracking.experiment has no"),
        (lambda: compose_trajectories(["+tracking.tags.a=b"]), "tracking.tags has no effect"),
    ],
    ids=["compare", "load", "reproduce", "cache"],
)
def test_a_setting_of_tracking_that_would_do_nothing_is_refused(
    ask: Callable[[], object], said: str
) -> None:
    """A command that reads takes where the runs are."""
    with pytest.raises(ConfigError, match=said):
        ask()
