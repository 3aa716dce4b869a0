"""What is swept: what somebody asked for, and the default only where nobody did."""

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.runs.composition.validate import config_dir
from cnn_sweeps.sweeps import from_hydra
from cnn_sweeps.sweeps.from_hydra import composed_call, dry_run_of, request_of
from cnn_sweeps.sweeps.request import SweepRequest
from cnn_sweeps.sweeps.swept import DEFAULT_SEARCH, Typed, what_is_swept

DIGITS = ("data=digits", "data.limit=300")
OWN = 'hydra.sweeper.params={model.dropout: "interval(0.0,0.5)"}'


def request(*typed: str) -> SweepRequest:
    """What would be swept by these overrides behind `-m`."""
    with composed_call([*DIGITS, *typed]) as (call, arguments):
        return request_of(call, arguments)


def keys(request: SweepRequest) -> list[str]:
    """The swept keys."""
    return [dimension.key for dimension in request.plan.space.dimensions]


@pytest.fixture
def mine(tmp_path: Path) -> str:
    """An override that finds an experiment file of the user's own, with its own space."""
    file = tmp_path / "experiment" / "mine.yaml"
    file.parent.mkdir()
    file.write_text(
        "# @package _global_\nmodel:\n  filters: 48\n"
        "hydra:\n  sweeper:\n    n_trials: 2\n"
        '    params:\n      model.dropout: "interval(0.0,0.5)"\n'
    )
    return f"hydra.searchpath=[file://{tmp_path}]"


def test_the_default_is_the_one_of_the_config() -> None:
    """The name in the code is the name in the shipped config."""
    defaults = yaml.safe_load((Path(config_dir()) / "config.yaml").read_text())["defaults"]
    assert {"search": DEFAULT_SEARCH} in defaults


def test_params_of_a_file_are_the_whole_space(mine: str) -> None:
    """The default adds nothing to them, and overrides none of the file's values; it is said."""
    asked = request(mine, "+experiment=mine")
    assert keys(asked) == ["model.dropout"]
    assert asked.budget.n_trials == 2
    assert asked.config.model.filters == 48  # type: ignore[union-attr]
    assert any("search=exercise" in note for note in asked.notes)
    assert any("search=exercise" in text for _, text in dry_run_of(asked).facts)


def test_params_of_a_file_are_swept_beside_what_is_typed(mine: str) -> None:
    """Both were asked for; what the command line does not show is said."""
    asked = request(mine, "+experiment=mine", "model.filters=8,16")
    assert keys(asked) == ["model.dropout", "model.filters"]
    assert any("sweeps model.dropout" in note for note in asked.notes)


def test_settings_in_the_file_of_a_swept_option_are_refused(mine: str, tmp_path: Path) -> None:
    """Each option is a value of the sweep, and cannot say how the sweep is done."""
    plain = tmp_path / "experiment" / "plain.yaml"
    plain.write_text("# @package _global_\nmodel:\n  filters: 24\n")
    with pytest.raises(ConfigError, match=r"hydra\.sweeper\.\S+ is set by .*experiment=mine"):
        request(mine, "+experiment=plain,mine")
    other = tmp_path / "experiment" / "other.yaml"
    other.write_text("# @package _global_\nmodel:\n  filters: 32\n")
    assert keys(request(mine, "+experiment=plain,other")) == ["+experiment"]


@pytest.mark.parametrize(
    ("typed", "swept"),
    [
        pytest.param([OWN], ["model.dropout"], id="params"),
        pytest.param([OWN, "model=dnn"], ["model.dropout"], id="params and another network"),
        pytest.param(["model.filters=8,16"], ["model.filters"], id="typed"),
        pytest.param(["search=null", "model.filters=8,16"], ["model.filters"], id="null"),
        pytest.param(
            ["search=exercise", OWN],
            ["model.conv_blocks", "model.filters", "trainer.epochs", "model.dropout"],
            id="named",
        ),
    ],
)
def test_what_was_asked_for_is_swept(typed: list[str], swept: list[str]) -> None:
    """The default counts where it is named, and beside nothing else."""
    assert keys(request(*typed)) == swept


def test_params_of_a_primary_config_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A config that builds on the shipped one and has its own params sweeps these alone."""
    (tmp_path / "own.yaml").write_text(
        f"defaults:\n  - config\n  - _self_\nhydra:\n  searchpath: ['file://{config_dir()}']\n"
        "  sweeper:\n    params:\n      trainer.batch_size: choice(32,64)\n"
    )
    monkeypatch.setattr(from_hydra, "config_dir", lambda: str(tmp_path))
    monkeypatch.setattr(from_hydra, "CONFIG_NAME", "own")
    assert keys(request()) == ["trainer.batch_size"]


def test_a_value_that_was_typed_takes_its_key_out_and_it_is_said() -> None:
    """Somebody who names a space sees which of its keys are not swept."""
    asked = request("search=depth", "model.padding=same")
    assert keys(asked) == ["model.conv_blocks"]
    assert any("model.padding=same" in note for note in asked.notes)


def test_nothing_to_sweep_is_refused() -> None:
    """Whoever takes the default away and types nothing is told what to type."""
    with pytest.raises(ConfigError, match="nothing to sweep"):
        request("search=null")


def test_a_default_that_does_not_fit_is_named() -> None:
    """The refusal of a key that nobody typed says where it comes from."""
    with pytest.raises(ConfigError, match="search=exercise is swept, the default"):
        request("model=custom", "model.function=os:getcwd")


@pytest.mark.parametrize("network", ["dnn", "resnet"])
def test_the_default_is_that_of_the_network(network: str) -> None:
    """The keys of the convolutions are imposed on no other network; a value takes its key out."""
    assert set(keys(request(f"model={network}"))) <= {
        f"model.{field.name}" for field in fields(type(request(f"model={network}").config.model))
    } | {"trainer.epochs"}
    assert "trainer.epochs" not in keys(request(f"model={network}", "trainer.epochs=1"))


@pytest.mark.parametrize("typed", [["search=head"], []])
def test_heads_are_swept_on_cached_features(typed: list[str]) -> None:
    """By name, or as the default of a pretrained network; the backbone is frozen for all."""
    backbone = "model.backbone={name: resnet, depth: 6, stages: 2, width: 2}"
    asked = request("model=pretrained", "model.weights=null", backbone, *typed)
    assert {"model.head.dense_units", "trainer.optimizer.learning_rate"} <= {*keys(asked)}
    trainer = asked.plan.first.trainer
    assert (trainer.freeze, trainer.features) == ("backbone", "cached")


def test_networks_are_swept_with_keys_of_their_own() -> None:
    """The ready-made space of plain and residual networks: 3 + 2 x 2 cells."""
    asked = request("search=networks")
    assert asked.plan.space.size == 7
    assert keys(request("model=cnn,resnet", "trainer.epochs=1,2")) == ["model", "trainer.epochs"]
    with pytest.raises(ConfigError, match=r"when: \{model: resnet\}"):
        request("model=cnn,resnet", "model.depth=8,14")


def test_a_space_that_is_swept_is_refused() -> None:
    """One sweep has one space."""
    with composed_call(DIGITS) as (call, _):
        typed = Typed.parse(["search=depth,speed"], call.context.config_loader)
        with pytest.raises(ConfigError, match="search cannot be swept"):
            what_is_swept(call, typed, exercise=False)


@pytest.mark.parametrize("setting", ["direction=minimize", "max_failure_rate=0.5", "patience=5"])
def test_settings_of_other_applications_are_refused(setting: str) -> None:
    """What an application has is not accepted here and ignored."""
    with pytest.raises(ConfigError, match="of your own: here, type"):
        request("model.filters=8,16", f"hydra.sweeper.{setting}")
