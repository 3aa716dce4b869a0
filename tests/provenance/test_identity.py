"""An experiment's hash covers what defines it, and nothing else."""

from pathlib import Path
from typing import Any

import pytest
from configs import config

from cnn_sweeps.config.loading import to_json
from cnn_sweeps.models.source import Source
from cnn_sweeps.provenance.identity import content, identify

DIGEST = "d" * 64
TWO_BLOCKS = {"name": "cnn", "filters": 64, "conv_blocks": 2}


def hash_of(**groups: Any) -> str:
    """The config hash of a small experiment."""
    return identify(config(**groups), DIGEST).config_hash


def test_golden_hashes() -> None:
    """Stored hashes must never change their meaning: raise SCHEMA_VERSION to change these."""
    identity = identify(config(), DIGEST)
    assert (
        identity.config_hash == "1233c66bcd1e626e0291c64ced5eccb6efbab4a76c81919698dc2a7d412a94bc"
    )
    assert (
        identity.trajectory_hash
        == "04a9157adcfcdb8603265bf090e7707e6fc56dfb561a12aae4fca03829f9341f"
    )
    assert identity.short == identity.config_hash[:12]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"model": TWO_BLOCKS}, id="model"),
        pytest.param({"trainer": {"epochs": 2}}, id="epochs"),
        pytest.param({"trainer": {"batch_size": 16}}, id="batch"),
        pytest.param({"trainer": {"optimizer": {"learning_rate": 0.01}}}, id="learning-rate"),
        pytest.param({"trainer": {"stop_at_loss": 0.5}}, id="stop"),
        pytest.param({"data": {"limit": 100}}, id="limit"),
        pytest.param({"data": {"split_seed": 1}}, id="split"),
        pytest.param({"seed": 1}, id="seed"),
        pytest.param({"augment": {"flip": "horizontal"}}, id="augment"),
        pytest.param({"trainer": {"label_smoothing": 0.1}}, id="smoothing"),
        pytest.param({"trainer": {"class_weight": "balanced"}}, id="class-weight"),
    ],
)
def test_what_defines_the_result_changes_the_hash(change: dict[str, Any]) -> None:
    """Every field that moves the result is in the hash."""
    assert hash_of(**change) != hash_of()


def test_a_metric_that_the_learning_rate_follows_is_part_of_the_trajectory() -> None:
    """With the files of a function of the user's own; one that is only looked at is not."""

    def trajectory(source: str, **schedule: Any) -> str:
        trainer = {"metrics": ["mine:f1:max"], "schedule": schedule}
        sources = {"mine:f1": Source(path="mine.py", content=source.encode())}
        return identify(config(trainer=trainer), DIGEST, metric_sources=sources).trajectory_hash

    followed = {"name": "reduce_on_plateau", "monitor": "val_f1"}
    assert trajectory("a", **followed) != trajectory("b", **followed)
    assert trajectory("a") == trajectory("b")
    assert trajectory("a", **{**followed, "monitor": "val_macro_f1"}) == trajectory(
        "b", **{**followed, "monitor": "val_macro_f1"}
    )


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"tracking": {"experiment": "other", "dir": "elsewhere"}}, id="tracking"),
        pytest.param({"trainer": {"threads": 2}}, id="threads"),
        pytest.param({"trainer": {"deterministic": False}}, id="determinism"),
        pytest.param({"trainer": {"progress": "bar"}}, id="display"),
        pytest.param({"trainer": {"early_stopping": {"monitor": "val_accuracy"}}}, id="unused"),
        pytest.param({"trainer": {"schedule": {"decay_epochs": None}}}, id="default-spelt-out"),
        pytest.param({"augment": {"flip": "none", "magnitude": 0.9}}, id="no-augmentation"),
        pytest.param(
            {"trainer": {"label_smoothing": 0.0, "class_weight": "none"}}, id="plain-loss"
        ),
    ],
)
def test_what_does_not_define_the_result_is_left_out(change: dict[str, Any]) -> None:
    """Paths, display and the environment are no part of the experiment."""
    assert hash_of(**change) == hash_of()


def test_two_spellings_of_the_same_filters_are_one_experiment() -> None:
    """One number for all blocks is the same as a list of equal numbers."""
    listed = {**TWO_BLOCKS, "filters": [64, 64]}
    assert hash_of(model=TWO_BLOCKS) == hash_of(model=listed)


def test_fields_of_blocks_mean_nothing_without_blocks() -> None:
    """Without a convolution, filters and kernels are no part of the experiment."""
    none = {"name": "cnn", "conv_blocks": 0, "filters": 16}
    others = {"filters": 64, "kernel_size": 5, "global_pooling": "max"}
    assert hash_of(model=none) == hash_of(model={**none, **others})


def test_neutral_values_are_no_part_of_the_hash() -> None:
    """Global pooling counts where there is some, and only then."""
    flat, average, largest = (
        hash_of(model={**TWO_BLOCKS, "global_pooling": each}) for each in ("none", "average", "max")
    )
    assert flat == hash_of(model=TWO_BLOCKS)
    assert len({flat, average, largest}) == 3


@pytest.mark.parametrize(("field", "value"), [("ema", 0.9), ("clip_norm", 1), ("loss", "m:f")])
def test_neutral_values_of_the_trainer_are_no_part_of_the_hash(field: str, value: Any) -> None:
    """What every earlier experiment had moves neither hash; any other value moves both."""
    before, neutral, other = (
        identify(config(trainer=trainer), DIGEST) for trainer in ({}, {field: None}, {field: value})
    )
    assert neutral == before
    assert other.config_hash != before.config_hash
    assert other.trajectory_hash != before.trajectory_hash


def test_data_is_named_by_its_content() -> None:
    """The digest counts; the way to the images does not."""
    here = config(data={"name": "npz", "path": "here.npz"})
    there = config(data={"name": "npz", "path": "there.npz"})
    assert identify(here, DIGEST) == identify(there, DIGEST)
    assert identify(here, DIGEST).config_hash != identify(here, "e" * 64).config_hash


def test_trajectory_leaves_out_when_to_stop() -> None:
    """Runs that differ only in when they stop are prefixes of one trajectory."""
    short = identify(config(), DIGEST)
    long = identify(config(trainer={"epochs": 9, "stop_at_accuracy": 0.9}), DIGEST)
    other = identify(config(seed=1), DIGEST)
    assert short.trajectory_hash == long.trajectory_hash != other.trajectory_hash


def test_a_schedule_over_all_epochs_makes_the_epochs_part_of_the_trajectory() -> None:
    """A cosine to the last epoch takes another path when there are more epochs."""
    cosine = {"schedule": {"name": "cosine"}}
    two = identify(config(trainer={**cosine, "epochs": 2}), DIGEST)
    four = identify(config(trainer={**cosine, "epochs": 4}), DIGEST)
    assert two.trajectory_hash != four.trajectory_hash


def test_custom_code_is_part_of_the_experiment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Editing the file of a user's own function makes another experiment."""
    monkeypatch.syspath_prepend(str(tmp_path))
    file = tmp_path / "own_net_for_identity.py"
    model = {"name": "custom", "function": "own_net_for_identity:build"}
    file.write_text("x = 1\n")
    before = hash_of(model=model)
    file.write_text("x = 2\n")
    assert hash_of(model=model) != before
    file.unlink()
    assert content(config(model=model), DIGEST)["model"]["source_sha256"] is None


def test_the_modules_that_custom_code_imports_are_part_of_the_experiment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Editing one of them makes another experiment; where there are none, no old hash moves."""
    monkeypatch.syspath_prepend(str(tmp_path))
    model = {"name": "custom", "function": "own_net_with_imports:build"}
    (tmp_path / "own_net_with_imports.py").write_text("import json\nimport numpy\n")
    alone = hash_of(model=model)
    source = Source.find(model["function"])
    assert "imports_sha256" not in content(config(model=model), DIGEST, source=source)["model"]
    (tmp_path / "own_net_with_imports.py").write_text("from own_blocks_of_net import ACT\n")
    hashes = {alone}
    for text in ("ACT = 'relu'\n", "ACT = 'tanh'\n"):
        (tmp_path / "own_blocks_of_net.py").write_text(text)
        hashes.add(hash_of(model=model))
    assert len(hashes) == 3


def test_hash_survives_storage() -> None:
    """The stored plain values give the same hash again."""
    from cnn_sweeps.config.loading import load

    made = config(model=TWO_BLOCKS)
    assert identify(load(to_json(made)), DIGEST) == identify(made, DIGEST)
