"""Every sampler option, from its YAML to suggestions."""

import json
import logging
from importlib.util import find_spec
from inspect import signature
from pathlib import Path

import optuna
import pytest
import yaml

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.sweeps.plan import samplers
from cnn_sweeps.sweeps.plan.objectives import Objectives
from cnn_sweeps.sweeps.plan.proposal import Proposal
from cnn_sweeps.sweeps.plan.samplers import (
    SamplerSpec,
    build_sampler,
    options,
    validate_sampler,
)
from cnn_sweeps.sweeps.space.space import Space, parse_space

CONF = Path(__file__).parents[3] / "conf" / "hydra" / "sweeper" / "sampler"
FILES = sorted(CONF.glob("*.yaml"))
MIXED = parse_space(
    [
        "trainer.optimizer.learning_rate=tag(log,interval(1e-4,1e-1))",
        "model.conv_blocks=range(0,4)",
        "model.dropout=range(0,0.6,0.1)",
        "model.filters=[16,32],64,null",
    ]
)
DISCRETE = parse_space(["model.filters=16,32", "model.conv_blocks=range(0,4)"])
CONDITIONAL = parse_space(
    {
        "model.conv_blocks": "range(0,4)",
        "model.filters": {"sweep": "choice(16,32,64)", "when": {"model.conv_blocks": ">0"}},
        "model.dropout": {"sweep": "interval(0.0,0.5)", "when": {"model.conv_blocks": [0, 3]}},
        "trainer.learning_rate": "tag(log,interval(1e-4,1e-1))",
    }
)
ONE = Objectives.parse({"val_accuracy": "maximize"})
TWO = Objectives.parse({"val_accuracy": "maximize", "train_seconds": "minimize"})
KEPT_QUIET = {"warn_independent_sampling": False}
"""Where our YAML differs from Optuna's default."""


def read(file: Path) -> dict[str, object]:
    """The mapping in a YAML file."""
    return dict(yaml.safe_load(file.read_text()))


def skip_without_package(name: str) -> None:
    """Skip when an optional package of the sampler is not here."""
    for package in samplers.SAMPLERS[name].packages:
        if find_spec(package) is None:
            pytest.skip(f"the sampler {name} needs the optional package {package}")


def suggestions(spec: SamplerSpec, objectives: Objectives = ONE) -> list[str]:
    """Five trials by ask and tell, as the overrides that they would run."""
    study = optuna.create_study(directions=objectives.directions, sampler=build_sampler(spec))
    told = []
    for number in range(5):
        trial = study.ask()
        values = {d.key: d.suggest(trial) for d in MIXED.dimensions}
        told.append(" ".join(MIXED.overrides(values)))
        study.tell(trial, [float(number)] * len(objectives.names))
    return told


def test_there_is_one_file_for_each_sampler() -> None:
    """The options of hydra/sweeper/sampler are the known names."""
    assert {file.stem for file in FILES} == set(samplers.SAMPLERS)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_sampler_suggests_what_the_space_holds(file: Path) -> None:
    """Each option runs five trials of a mixed space, quietly, and repeats them for its seed."""
    skip_without_package(file.stem)
    spec = SamplerSpec.parse(read(file), seed=3)
    first = suggestions(spec)
    assert first == suggestions(spec)
    assert len(set(first)) > 1


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_sampler_but_cmaes_takes_two_objectives(file: Path) -> None:
    """Each option that lets several objectives pass carries them out."""
    skip_without_package(file.stem)
    if file.stem == "cmaes":
        pytest.skip("refused, which another test checks")
    spec = SamplerSpec.parse(read(file), seed=3)
    validate_sampler(spec, DISCRETE, TWO)
    assert len(suggestions(spec, TWO)) == 5


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_holds_every_option_at_optunas_default(file: Path) -> None:
    """The YAML says what Optuna would do, for each parameter that YAML can write."""
    written = read(file)
    assert (written.pop("name"), written.pop("seed")) == (file.stem, None)
    parameters = signature(getattr(optuna.samplers, samplers.SAMPLERS[file.stem].optuna)).parameters
    defaults = {key: parameters[key].default for key in options(file.stem)}
    quiet = {key: value for key, value in KEPT_QUIET.items() if key in defaults}
    assert written == {**defaults, **quiet}


def test_a_proposal_has_random_numbers_of_its_own() -> None:
    """Other numbers for each slot, for each time it is asked again, and for each study."""
    asked = [Proposal(slot=slot, resampled=again) for slot in range(30) for again in range(3)]
    seeds = {proposal.seed(seed) for proposal in asked for seed in range(3)}
    assert len(seeds) == 3 * len(asked)
    assert Proposal(slot=7).seed(1) == Proposal(slot=7).seed(1)


def test_proposals_of_a_quasi_random_sampler_share_one_sequence() -> None:
    """A scrambled sequence is one sequence only when every proposal scrambles it alike."""
    skip_without_package("qmc")
    spec = SamplerSpec.parse({"name": "qmc", "scramble": True}, seed=5)
    built = [build_sampler(spec, MIXED, Proposal(slot=slot)) for slot in range(2)]
    assert [sampler._seed for sampler in built] == [5, 5]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("settings", "seed"),
    [({"name": "tpe"}, 7), ({"name": "tpe", "seed": None}, 7), ({"name": "tpe", "seed": 0}, 0)],
    ids=["absent", "null", "zero"],
)
def test_the_seed_is_the_experiments_unless_given(settings: dict[str, object], seed: int) -> None:
    """A seed of 0 counts as given."""
    assert SamplerSpec.parse(settings, seed=7).seed == seed


def test_nothing_given_means_auto_and_a_word_means_a_name() -> None:
    """An empty mapping is the default sampler, and a plain name is enough."""
    assert SamplerSpec.parse({}, seed=0).name == "auto"
    assert SamplerSpec.parse("random", seed=0) == SamplerSpec.parse({"name": "random"}, seed=0)


def test_a_spec_survives_storage() -> None:
    """JSON brings back an equal spec, which prints what was set."""
    spec = SamplerSpec.parse({"name": "tpe", "n_startup_trials": 5}, seed=1)
    assert SamplerSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    assert str(spec) == "tpe(n_startup_trials=5)"
    assert str(SamplerSpec.parse("grid", seed=0)) == "grid"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"name": "tp"}, r"no sampler `tp` \(did you mean `tpe`\?\).*auto, grid, tpe, random"),
        ({"name": None}, "no sampler `None`"),
        ({"name": "tpe", "n_startup": 3}, "did you mean `n_startup_trials`.*it has"),
        ({"name": "tpe", "gamma": 3}, "no parameter `gamma`"),
        ({"name": "tpe", "prior_weight": 1.0}, "no parameter `prior_weight`"),
        ({"name": "grid", "shuffle": True}, "it has none"),
        (
            {"name": "tpe", "n_startup_trials": "ten"},
            r"=ten is invalid; the sampler `tpe` takes int\.",
        ),
        ({"name": "tpe", "n_startup_trials": True}, "=True is invalid"),
        ({"name": "tpe", "n_startup_trials": -1}, "type 0 or more"),
        ({"name": "tpe", "n_ei_candidates": 0}, "type 1 or more"),
        ({"name": "tpe", "multivariate": 1}, r"takes bool \| null"),
        ({"name": "tpe", "seed": -1}, "is not a seed"),
        ({"name": "tpe", "seed": "x"}, "is not a seed"),
    ],
)
def test_settings_that_no_sampler_takes_are_refused(settings: dict[str, object], said: str) -> None:
    """An unknown name, parameter or type is one error that lists what there is."""
    with pytest.raises(ConfigError, match=said):
        SamplerSpec.parse(settings, seed=0)


@pytest.mark.parametrize(
    "settings",
    [
        {"name": "nsgaii", "population_size": 1},
        {"name": "nsgaii", "crossover_prob": 3.0},
        {"name": "qmc", "qmc_type": "grid"},
        {"name": "tpe", "group": True, "multivariate": False},
    ],
    ids=lambda settings: settings["name"],
)
def test_what_optuna_refuses_is_told_without_a_traceback(settings: dict[str, object]) -> None:
    """Values that only Optuna can judge give an error with the sampler and Optuna's reason."""
    spec = SamplerSpec.parse(settings, seed=0)
    with pytest.raises(ConfigError, match=f"The sampler `{spec.name}.* is invalid: "):
        build_sampler(spec)


@pytest.mark.parametrize(
    ("name", "space", "objectives", "said"),
    [
        ("grid", MIXED, ONE, "infinitely many values"),
        ("cmaes", MIXED, TWO, "takes one objective, not 2"),
        ("cmaes", parse_space(["model=dnn,cnn", "a=range(0,4)"]), ONE, "has 1; type"),
    ],
    ids=["grid-continuous", "cmaes-two-objectives", "cmaes-no-ranges"],
)
def test_a_sampler_that_cannot_search_the_space_is_refused(
    name: str,
    space: Space,
    objectives: Objectives,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The sampler, the space and the objectives must go together."""
    monkeypatch.setattr(samplers, "find_spec", lambda package: package)
    with pytest.raises(ConfigError, match=said):
        validate_sampler(SamplerSpec.parse(name, seed=0), space, objectives)


@pytest.mark.parametrize(
    ("name", "space", "objectives"),
    [
        ("grid", DISCRETE, TWO),
        ("auto", MIXED, TWO),
        ("cmaes", MIXED, ONE),
        ("gp", MIXED, TWO),
        ("nsgaii", DISCRETE, ONE),
    ],
)
def test_a_sampler_that_can_search_the_space_passes(
    name: str, space: Space, objectives: Objectives, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes together is not refused."""
    monkeypatch.setattr(samplers, "find_spec", lambda package: package)
    validate_sampler(SamplerSpec.parse(name, seed=0), space, objectives)


@pytest.mark.parametrize("name", ["cmaes", "gp"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An optional package that is absent is asked for in plain words."""
    monkeypatch.setattr(samplers, "find_spec", lambda package: None)
    packages = " ".join(samplers.SAMPLERS[name].packages)
    with pytest.raises(ConfigError, match=f"type pip install {packages},"):
        validate_sampler(SamplerSpec.parse(name, seed=0), MIXED, ONE)


@pytest.mark.parametrize("objectives", [ONE, TWO], ids=["one", "two"])
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_sampler_gives_a_value_to_an_inactive_key(
    file: Path, objectives: Objectives, caplog: pytest.LogCaptureFixture
) -> None:
    """Each option that takes a conditional space searches it well past its start, silently."""
    skip_without_package(file.stem)
    spec = SamplerSpec.parse(read(file), seed=3)
    try:
        if file.stem != "grid":
            validate_sampler(spec, CONDITIONAL, objectives)
    except ConfigError:
        pytest.skip("refused, which another test checks")
    study = optuna.create_study(
        directions=objectives.directions, sampler=build_sampler(spec, CONDITIONAL)
    )
    blocks = set()
    for _ in range(60):
        trial = study.ask()
        point = CONDITIONAL.suggest(trial)
        blocks.add(point["model.conv_blocks"])
        assert set(trial.params) == set(CONDITIONAL.point(point))
        score = point["model.conv_blocks"] + point.get("model.filters", 100) / 100
        study.tell(trial, [float(score)] * len(objectives.names))
    assert len(blocks) > 1
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    ("space", "settings", "grouped"),
    [
        (CONDITIONAL, {}, True),
        (CONDITIONAL, {"multivariate": None, "group": False}, True),
        (CONDITIONAL, {"multivariate": False}, False),
        (CONDITIONAL, {"multivariate": True}, False),
        (CONDITIONAL, {"multivariate": True, "group": True}, True),
        (MIXED, {}, False),
    ],
    ids=["default", "as-shipped", "alone", "together", "grouped", "no-condition"],
)
@pytest.mark.parametrize("name", ["tpe", "auto"])
def test_tpe_groups_the_keys_of_a_conditional_space(
    name: str, space: Space, settings: dict[str, object], grouped: bool
) -> None:
    """Keys that count together are modelled together, unless the user has decided."""
    spec = SamplerSpec.parse({"name": name, **settings}, seed=0)
    assert build_sampler(spec, space)._group is grouped


def test_grouped_tpe_learns_a_key_with_a_condition() -> None:
    """Past its start TPE keeps to the filters that scored, which do not always count."""
    study = optuna.create_study(
        direction="maximize", sampler=build_sampler(SamplerSpec.parse("tpe", seed=0), CONDITIONAL)
    )
    for _ in range(60):
        trial = study.ask()
        point = CONDITIONAL.suggest(trial)
        study.tell(trial, float(point.get("model.filters", 0)))
    late = [trial.params.get("model.filters") for trial in study.trials[30:]]
    assert late.count(64) >= 15  # by chance 7 or 8


@pytest.mark.parametrize(
    ("name", "params", "said"),
    [
        (
            "cmaes",
            {"c": "1,2", "a": "range(0,9)", "b": "range(0,9)", "d": "interval(0.0,1.0)"},
            r"unconditional ranges, not `d=interval\(0.0,1.0\) \(when c=1\)`",
        ),
        (
            "qmc",
            {"c": "1,2", "d": "x,y"},
            r"unconditional keys, not `d=x,y \(when c=1\)`",
        ),
    ],
)
def test_a_sampler_that_needs_a_fixed_set_of_keys_is_refused(
    name: str, params: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Optuna would carry on at random, or warn at each trial; we say it before the first."""
    monkeypatch.setattr(samplers, "find_spec", lambda package: package)
    space = parse_space({**params, "d": {"sweep": params["d"], "when": {"c": 1}}})
    with pytest.raises(ConfigError, match=said):
        validate_sampler(SamplerSpec.parse(name, seed=0), space, ONE)


def test_cmaes_takes_a_condition_on_a_choice(caplog: pytest.LogCaptureFixture) -> None:
    """Choices are left to chance by CMA-ES in any case, so one with a condition is no harm."""
    skip_without_package("cmaes")
    ranges = {"a": "range(0,9)", "b": "interval(0.0,1.0)"}
    space = parse_space({**ranges, "c": {"sweep": "x,y", "when": {"a": ">3"}}})
    spec = SamplerSpec.parse("cmaes", seed=0)
    validate_sampler(spec, space, ONE)
    study = optuna.create_study(sampler=build_sampler(spec, space))
    for _ in range(30):
        trial = study.ask()
        point = space.suggest(trial)
        assert ("c" in trial.params) == (point["a"] > 3)
        study.tell(trial, float(point["a"]))
    assert any("generation" in key for trial in study.trials[15:] for key in trial.system_attrs)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
