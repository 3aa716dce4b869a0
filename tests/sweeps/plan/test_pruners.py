"""Every pruner option, from its YAML to a trial that is given up; lists of values, no training."""

import json
import pickle
from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
import yaml
from optuna.trial import FrozenTrial, TrialState
from plans import epoch
from requests.exceptions import ConnectionError as NoConnection

from cnn_sweeps.errors import ConfigError, PrunedError
from cnn_sweeps.sweeps.plan import pruners
from cnn_sweeps.sweeps.plan.objectives import Objectives
from cnn_sweeps.sweeps.plan.pruners import (
    PrunerSpec,
    PruningCallback,
    build_pruner,
    epoch_metric,
    options,
    validate_pruner,
)
from cnn_sweeps.tracking import patience
from cnn_sweeps.tracking.patience import patient

CONF = Path(__file__).parents[3] / "conf" / "hydra" / "sweeper" / "pruner"
FILES = sorted(CONF.glob("*.yaml"))
GIVEN = {"threshold": {"lower": 0.35}}
"""What a user must type beside the name."""

GOOD = [0.5, 0.6, 0.65, 0.7, 0.72, 0.74, 0.76, 0.78]
BAD = [0.4, 0.3, 0.25, 0.2, 0.15, 0.12, 0.11, 0.1]
LAST = len(GOOD)
ONE = Objectives.parse({"val_accuracy": "maximize"})
TWO = Objectives.parse({"val_accuracy": "maximize", "train_seconds": "minimize"})


def read(file: Path) -> dict[str, object]:
    """The mapping in a YAML file."""
    return dict(yaml.safe_load(file.read_text()))


def shipped(file: Path) -> PrunerSpec:
    """The spec that an option gives to somebody who types what it needs."""
    return PrunerSpec.parse({**read(file), **GIVEN.get(file.stem, {})})


def study(spec: PrunerSpec, direction: str = "maximize") -> optuna.Study:
    """An empty study of trials of eight epochs, always of one name."""
    pruner = build_pruner(spec, max_epochs=LAST)
    return optuna.create_study(study_name="lists", direction=direction, pruner=pruner)


def carry_out(
    made: optuna.Study, spec: PrunerSpec, values: Sequence[float], *, epochs: int | None = LAST
) -> FrozenTrial:
    """One trial with these validation accuracies, told as a worker would tell it."""
    trial = made.ask()
    reporter = PruningCallback(trial, "val_accuracy", spec, epochs)
    try:
        for number, value in enumerate(values, start=1):
            reporter.on_epoch(epoch(number, accuracy=value))
    except PrunedError:
        return made.tell(trial, state=TrialState.PRUNED)
    return made.tell(trial, values[-1])


def with_history(spec: PrunerSpec) -> optuna.Study:
    """A study in which eight good trials have ended."""
    made = study(spec)
    for _ in range(8):
        assert carry_out(made, spec, GOOD).state is TrialState.COMPLETE
    return made


def test_there_is_one_file_for_each_pruner() -> None:
    """The options of hydra/sweeper/pruner are the known names."""
    assert {file.stem for file in FILES} == set(pruners.PRUNERS)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_pruner_but_none_gives_up_a_bad_trial_in_time(file: Path) -> None:
    """After eight good trials, a bad one ends in the first half of its epochs."""
    spec = shipped(file)
    bad = carry_out(with_history(spec), spec, BAD)
    pruned = bad.state is TrialState.PRUNED and bad.last_step <= LAST / 2
    assert pruned == (file.stem != "none")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_pruner_gives_up_a_better_trial(file: Path) -> None:
    """A trial above all others at every epoch goes on to its end."""
    spec = shipped(file)
    better = [value + 0.1 for value in GOOD]
    assert carry_out(with_history(spec), spec, better).state is TrialState.COMPLETE


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_holds_every_option_at_its_default(file: Path) -> None:
    """The YAML says what Optuna would do, or what this program does where Optuna does not say."""
    written = read(file)
    assert written.pop("name") == file.stem
    parameters = signature(getattr(optuna.pruners, pruners.PRUNERS[file.stem].optuna)).parameters
    own = pruners.PRUNERS[file.stem].defaults
    assert written == {
        key: own[key] if key in own else parameters[key].default for key in options(file.stem)
    }


@pytest.mark.parametrize("name", sorted(set(pruners.PRUNERS) - {"threshold"}))
def test_a_name_is_enough(name: str) -> None:
    """A pruner given by its name builds as its file does."""
    spec = PrunerSpec.parse(name)
    assert type(study(spec).pruner).__name__ == pruners.PRUNERS[name].optuna


@pytest.mark.parametrize("settings", [None, {}, "none", {"name": "none"}])
def test_nothing_given_means_none(settings: dict[str, object] | str | None) -> None:
    """Without a pruner no trial is given up."""
    assert PrunerSpec.parse(settings) == PrunerSpec(name="none")


def test_a_trial_is_not_given_up_in_its_last_epoch() -> None:
    """An epoch that is paid for gives a whole result, not half a one."""
    spec = PrunerSpec.parse("median")
    made = with_history(spec)
    assert carry_out(made, spec, BAD[:1], epochs=1).state is TrialState.COMPLETE
    assert carry_out(made, spec, BAD[:1], epochs=2).state is TrialState.PRUNED


def test_the_reason_names_pruner_epoch_and_value() -> None:
    """Whoever reads the run sees who gave it up, when and at what value."""
    spec = PrunerSpec.parse({"name": "threshold", "lower": 0.3})
    reporter = PruningCallback(study(spec).ask(), "val_accuracy", spec)
    reporter.on_epoch(epoch(1, accuracy=0.4))
    with pytest.raises(PrunedError) as caught:
        reporter.on_epoch(epoch(2, accuracy=0.12345))
    assert caught.value.epoch == 2
    assert str(caught.value) == "pruned by threshold at epoch 2: val_accuracy 0.1235"


def test_the_error_survives_the_way_out_of_a_worker() -> None:
    """Epoch and reason are still there after pickling."""
    sent = pickle.loads(pickle.dumps(PrunedError(3, "why")))  # noqa: S301 -- pickled right here
    assert (sent.epoch, sent.reason, str(sent)) == (3, "why", "why")


def test_every_epoch_is_reported_under_its_number() -> None:
    """Without a pruner, too, the study holds the whole curve, and so the epochs spent."""
    spec = PrunerSpec()
    ended = carry_out(study(spec), spec, GOOD[:3])
    assert ended.intermediate_values == {1: 0.5, 2: 0.6, 3: 0.65}


def test_training_goes_on_while_the_study_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its epochs are reported, and judged, once the study is back."""
    now = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=lambda _: pytest.fail("it waits"))
    monkeypatch.setattr(patience, "time", clock)
    spec = PrunerSpec.parse({"name": "threshold", "lower": 0.3})
    made = study(spec)
    reporter = PruningCallback(made.ask(), "val_accuracy", spec)
    report = made._storage.set_trial_intermediate_value

    def away(*_: object) -> None:
        raise NoConnection("Connection refused")

    with patient(60):
        monkeypatch.setattr(made._storage, "set_trial_intermediate_value", away)
        reporter.on_epoch(epoch(1, accuracy=0.5))
        reporter.on_epoch(epoch(2, accuracy=0.2))
        monkeypatch.setattr(made._storage, "set_trial_intermediate_value", report)
        now[0] = 60.0
        with pytest.raises(PrunedError, match="epoch 3"):
            reporter.on_epoch(epoch(3, accuracy=0.1))
    assert made.trials[0].intermediate_values == {1: 0.5, 2: 0.2, 3: 0.1}


def test_a_loss_is_better_when_it_is_lower() -> None:
    """The study's direction says which of two values is bad."""
    spec = PrunerSpec.parse({"name": "median", "n_startup_trials": 1})
    made = study(spec, "minimize")
    carry_out(made, spec, BAD)
    assert carry_out(made, spec, GOOD).state is TrialState.PRUNED


def test_a_best_trial_that_stopped_early_is_no_cause_for_warnings() -> None:
    """Wilcoxon compares the epochs that both trials have, without a word about the others."""
    spec = PrunerSpec.parse("wilcoxon")
    made = study(spec)
    carry_out(made, spec, [0.9, 0.91])
    assert carry_out(made, spec, GOOD).state is TrialState.COMPLETE


def test_patience_alone_ends_what_no_longer_improves() -> None:
    """With nothing wrapped, a trial falls by its own curve and not by the others."""
    spec = PrunerSpec.parse({"name": "patient", "wrapped": None, "patience": 2})
    assert carry_out(study(spec), spec, BAD).last_step == 4


@pytest.mark.parametrize(
    ("settings", "looks"),
    [({"name": "hyperband"}, 8), ({"name": "hyperband", "max_resource": 27}, 27)],
    ids=["null", "given"],
)
def test_hyperband_ends_where_the_longest_trial_does(
    settings: dict[str, object], looks: int
) -> None:
    """Its brackets are those of trainer.epochs, unless another end is given."""
    assert study(PrunerSpec.parse(settings)).pruner._max_resource == looks


def test_a_spec_survives_storage() -> None:
    """JSON brings back an equal spec, which prints what was set."""
    spec = PrunerSpec.parse({"name": "median", "n_warmup_steps": 2})
    assert PrunerSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    assert str(spec) == "median(n_warmup_steps=2)"
    assert str(PrunerSpec()) == "none"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"name": "medain"}, r"no pruner `medain` \(did you mean `median`\?\).*none, median, perc"),
        ({"name": None}, "no pruner `None`"),
        ({"name": "median", "warmup_steps": 3}, r"did you mean `n_warmup_steps`.*n_min_trials\."),
        ({"name": "median", "percentile": 3}, "no parameter `percentile`"),
        ({"name": "patient", "wrapped_pruner": "median"}, "no parameter `wrapped_pruner`"),
        ({"name": "none", "patience": 3}, "it has none"),
        ({"name": "median", "n_warmup_steps": "two"}, r"=two is invalid.*takes int\."),
        ({"name": "median", "n_warmup_steps": True}, "=True is invalid"),
        ({"name": "median", "n_warmup_steps": 1.5}, "=1.5 is invalid"),
        ({"name": "threshold", "lower": "low"}, r"takes float \| null"),
        ({"name": "hyperband", "reduction_factor": 1}, "type 2 or more"),
        ({"name": "hyperband", "min_resource": 0}, "type 1 or more"),
        ({"name": "patient", "wrapped": "patient"}, "type null or one of median, percentile"),
    ],
)
def test_settings_that_no_pruner_takes_are_refused(settings: dict[str, object], said: str) -> None:
    """An unknown name, parameter or type is one error that lists what there is."""
    with pytest.raises(ConfigError, match=said):
        PrunerSpec.parse(settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"name": "percentile", "percentile": 101},
        {"name": "median", "interval_steps": 0},
        {"name": "threshold"},
        {"name": "threshold", "lower": 2, "upper": 1},
        {"name": "hyperband", "max_resource": "all"},
        {"name": "wilcoxon", "p_threshold": 2.0},
    ],
    ids=lambda settings: settings["name"],
)
def test_what_optuna_refuses_is_told_without_a_traceback(settings: dict[str, object]) -> None:
    """Values that only Optuna can judge give an error with the pruner and Optuna's reason."""
    spec = PrunerSpec.parse(settings)
    with pytest.raises(ConfigError, match=f"The pruner `{spec.name}.* is invalid: "):
        build_pruner(spec, max_epochs=LAST)


@pytest.mark.parametrize(
    "settings",
    [
        {"name": "median", "n_warmup_steps": 9},
        {"name": "patient", "patience": 9},
        {"name": "successive_halving", "min_resource": 9},
        {"name": "hyperband", "min_resource": 5, "max_resource": 4},
    ],
    ids=lambda settings: settings["name"],
)
def test_a_pruner_that_could_never_prune_is_refused(settings: dict[str, object]) -> None:
    """To wait for longer than trials last is a mistake, not a wish."""
    with pytest.raises(ConfigError, match=r"there are \d epochs, so no trial would be pruned"):
        build_pruner(PrunerSpec.parse(settings), max_epochs=LAST)


@pytest.mark.parametrize(
    ("settings", "objectives", "said"),
    [
        ("median", TWO, "takes one objective, not 2 .*one value only"),
        (
            "median",
            Objectives.parse({"train_seconds": "minimize"}),
            "cannot use `train_seconds`.*loss, accuracy, val_loss, val_accuracy",
        ),
        ("threshold", ONE, "type hydra.sweeper.pruner.lower=0.3 to prune a val_accuracy below"),
    ],
    ids=["two objectives", "no metric of an epoch", "no threshold"],
)
def test_a_pruner_with_nothing_to_go_by_is_refused(
    settings: str, objectives: Objectives, said: str
) -> None:
    """The pruner and the objectives must go together."""
    with pytest.raises(ConfigError, match=said):
        validate_pruner(PrunerSpec.parse(settings), objectives)


@pytest.mark.parametrize(
    ("settings", "objectives"),
    [
        ("none", TWO),
        ("none", Objectives.parse({"train_seconds": "minimize"})),
        ("hyperband", Objectives.parse({"val_loss": "minimize"})),
        ({"name": "threshold", "upper": 3}, Objectives.parse({"loss": "minimize"})),
    ],
    ids=["none-two", "none-seconds", "hyperband-loss", "threshold-upper"],
)
def test_a_pruner_with_something_to_go_by_passes(
    settings: dict[str, object] | str, objectives: Objectives
) -> None:
    """What goes together is not refused."""
    validate_pruner(PrunerSpec.parse(settings), objectives)


@pytest.mark.parametrize(
    ("objectives", "metric"),
    [
        (ONE, "val_accuracy"),
        (TWO, None),
        (Objectives.parse({"total_params": "minimize"}), None),
    ],
    ids=["one", "two", "not of an epoch"],
)
def test_trials_report_the_one_objective_that_epochs_have(
    objectives: Objectives, metric: str | None
) -> None:
    """A study takes reports on a single objective only."""
    assert epoch_metric(objectives) == metric
