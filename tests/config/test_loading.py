"""Plain values become a `Config`, or are refused in plain words."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from configs import config, values

from cnn_sweeps.config import Config
from cnn_sweeps.config.fields import describe, find, unknown_key
from cnn_sweeps.config.loading import load, to_json
from cnn_sweeps.config.schema import CnnModel, FolderData
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.provenance.identity import identify


def test_values_are_typed_and_frozen() -> None:
    """Lists become tuples, whole numbers fill fractional fields, and nothing can be changed."""
    made = config(model={"name": "cnn", "filters": [4, 8], "conv_blocks": 2})
    assert isinstance(made.model, CnnModel)
    assert made.model.filters == (4, 8)
    assert (
        config(trainer={"optimizer": {"learning_rate": 1}}).trainer.optimizer.learning_rate == 1.0
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.seed = 1  # type: ignore[misc]


def test_name_selects_the_kind_of_data() -> None:
    """The `name` of a group selects its dataclass."""
    made = config(data={"name": "image_folder", "path": "pictures", "image_size": [8, 9]})
    assert isinstance(made.data, FolderData)
    assert made.data.image_size == (8, 9)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        pytest.param(
            {"model": {"name": "cnn", "filters": 0}},
            r"model\.filters=0 is invalid: model\.filters takes an integer from 1 "
            r"or a list, each an integer from 1\. Type, for example, model\.filters=64",
            id="filters-0",
        ),
        pytest.param(
            {"model": {"name": "cnn", "filtrs": 3}},
            r"model\.filtrs: there is no such key\. Did you mean model\.filters\?",
            id="unknown-key",
        ),
        pytest.param(
            {"model": {"name": "rnn"}},
            r"model\.name=rnn is invalid: model\.name takes dnn, cnn, resnet, custom",
            id="unknown-kind",
        ),
        pytest.param(
            {"data": {"validation_fraction": 1.5}},
            r"data\.validation_fraction=1\.5 is invalid: .* a number from 0 below 1\. "
            r"Type, for example, data\.validation_fraction=0\.1",
            id="fraction-above-1",
        ),
        pytest.param(
            {"trainer": {"stop_at_loss": -0.1}},
            r"trainer\.stop_at_loss=-0\.1 is invalid: .* a number from 0 or null",
            id="negative-loss",
        ),
        pytest.param(
            {"trainer": {"epochs": 2.5}},
            r"trainer\.epochs=2\.5 is invalid: .* an integer from 1",
            id="fractional-epochs",
        ),
        pytest.param(
            {"trainer": {"deterministic": "maybe"}},
            r"trainer\.deterministic=maybe is invalid: .* true or false",
            id="text-for-bool",
        ),
        pytest.param(
            {"model": {"name": "cnn", "padding": "round"}},
            r"model\.padding=round is invalid: .* valid or same",
            id="unknown-choice",
        ),
        pytest.param(
            {"trainer": {"optimizer": {"learning_rate": 0}}},
            r"trainer\.optimizer\.learning_rate=0 is invalid: .* above 0",
            id="nested",
        ),
        pytest.param(
            {"data": {"name": "npz", "path": "???"}},
            r"data\.path is required\. Type data\.path=VALUE",
            id="mandatory",
        ),
        pytest.param(
            {"data": {"name": "npz"}}, r"data\.path is required: it takes a path", id="left-out"
        ),
        pytest.param(
            {"trainer": {"batch_size": 10**20}}, r"an integer from 1 up to 1000000", id="huge"
        ),
        pytest.param(
            {"trainer": {"ema": 1}}, "trainer.ema takes a number above 0 below 1", id="ema"
        ),
        pytest.param({"trainer": {"threads": 10**9}}, r"from 0 up to 1024", id="huge-threads"),
        pytest.param({"seed": -1}, r"seed=-1 is invalid: .* from 0 below", id="seed"),
    ],
)
def test_refusals_say_what_was_given_and_what_is_possible(
    groups: dict[str, Any], message: str
) -> None:
    """Each refusal names the key as it is typed, the value, the range and an example."""
    with pytest.raises(ConfigError, match=message):
        load(values(**groups))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (("trainer", "lr"), "trainer.optimizer.learning_rate"),
        (("trainer.optimizer", "lr"), "trainer.optimizer.learning_rate"),
        (("", "lr"), "trainer.optimizer.learning_rate"),
        (("trainer", "weight_decay"), "trainer.optimizer.weight_decay"),
        (("trainer.optimizer", "global_clipnorm"), "trainer.clip_norm"),
        (("trainer.optimizer", "use_ema"), "trainer.ema"),
        (("trainer.optimizer", "momentum"), r"\+trainer.optimizer.params.momentum"),
        (("model", "batch_size"), "trainer.batch_size"),
        (("trainer", "seed"), "seed"),
        (("data", "val_split"), "data.validation_fraction"),
    ],
    ids=str,
)
def test_an_unknown_key_points_to_the_one_that_is_meant(typed: tuple[str, str], meant: str) -> None:
    """Other programs' names, and keys that stand in another group, lead to the key."""
    known = ["epochs", "learning_rate", "name", "validation_fraction"]
    assert re.search(rf"Did you mean {meant}\?\n", unknown_key(*typed, known))


@pytest.mark.parametrize(
    ("network", "typed", "meant"),
    [
        ("cnn", "depth", "conv_blocks"),
        ("resnet", "blocks", "depth"),
        ("resnet", "filters", "width"),
        ("cnn", "width", "filters"),
    ],
)
def test_a_key_points_to_one_that_this_network_has(network: str, typed: str, meant: str) -> None:
    """What one network calls so has another name in another one."""
    with pytest.raises(ConfigError, match=rf"Did you mean model\.{meant}\?"):
        load(values(model={"name": network, typed: 3}))


def test_a_key_of_another_option_is_not_offered_again() -> None:
    """`data.image_size` is no key of the digits: it is not what was meant instead of itself."""
    assert "Did you mean" not in unknown_key("data", "image_size", ["limit", "name"])


@pytest.mark.parametrize(
    ("trainer", "message"),
    [
        ({"optimizer": "sgd"}, r"is a group of .*\. Type trainer\.optimizer\.name=sgd"),
        ({"schedule": "cosine"}, r"is a group of .*\. Type trainer\.schedule\.name=cosine"),
        ({"early_stopping": 5}, r"early_stopping is a group of min_delta, monitor, patience"),
    ],
    ids=["optimizer", "schedule", "no-name"],
)
def test_one_value_for_a_group_is_refused_with_its_keys(
    trainer: dict[str, Any], message: str
) -> None:
    """`trainer.optimizer=sgd` is told which key takes that."""
    with pytest.raises(ConfigError, match=message):
        load(values(trainer=trainer))


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "lion"])
@pytest.mark.parametrize("value", [1, 0.01])
def test_weight_decay_is_one_value_with_one_hash(name: str, value: float) -> None:
    """Typed as a key of its own or among the params, it is one experiment."""
    key, param = (
        config(trainer={"optimizer": {"name": name, **typed}})
        for typed in ({"weight_decay": value}, {"params": {"weight_decay": value}})
    )
    assert key == param
    assert key.trainer.optimizer.params == {"weight_decay": value}
    assert identify(key, "0" * 64) == identify(param, "0" * 64)
    assert load(to_json(key)) == key


@pytest.mark.parametrize("inner", [0.1, None])
def test_two_weight_decays_are_refused(inner: float | None) -> None:
    """Neither wins silently."""
    both = {"weight_decay": 0.2, "params": {"weight_decay": inner}}
    with pytest.raises(ConfigError, match="one setting with two values; type one"):
        load(values(trainer={"optimizer": both}))


@pytest.mark.parametrize("value", [1, 0.5])
def test_clipping_by_norm_is_one_value_with_one_hash(value: float) -> None:
    """Typed as a key of the trainer or among the params of the optimizer, it is one experiment."""
    others = {"name": "sgd", "params": {"momentum": 0.9}}
    params = {"momentum": 0.9, "global_clipnorm": value}
    key = config(trainer={"clip_norm": value, "optimizer": others})
    param = config(trainer={"optimizer": {"name": "sgd", "params": params}})
    assert key == param
    assert (key.trainer.clip_norm, key.trainer.optimizer.params) == (value, params)
    assert identify(key, "0" * 64) == identify(param, "0" * 64)
    assert identify(key, "0" * 64) != identify(config(trainer={"optimizer": others}), "0" * 64)
    assert load(to_json(key)) == key
    with pytest.raises(ConfigError, match="one setting with two values; type one"):
        load(values(trainer={"clip_norm": 2 * value, "optimizer": {"params": params}}))


def test_several_refusals_come_together() -> None:
    """Wrong values are named together."""
    with pytest.raises(ConfigError) as caught:
        load(values(trainer={"epochs": 0, "batch_size": 0}, seed=-1))
    assert len(str(caught.value).splitlines()) == 3


def test_a_refusal_has_four_lines_at_most() -> None:
    """What there is no room for is told once the first errors are mended."""
    with pytest.raises(ConfigError) as caught:
        load(values(model={"name": "dnn", "filters": 1, "padding": "same", "pooling": "max"}))
    assert len(str(caught.value).splitlines()) == 4


def test_a_key_is_refused_once() -> None:
    """A value that fits none of a field's types is not told for each of them."""
    with pytest.raises(ConfigError) as caught:
        load(values(model={"name": "cnn", "filters": [8, True]}))
    assert str(caught.value).startswith("model.filters=[8,true] is invalid")
    assert len(str(caught.value).splitlines()) == 1


def test_tags_may_be_numbers() -> None:
    """A tag such as `fold: 3` needs no quotes."""
    assert config(tracking={"tags": {"fold": 3, "pilot": True}}).tracking.tags["fold"] == 3


def test_unknown_group_is_refused() -> None:
    """A key beside the groups is refused with the groups."""
    with pytest.raises(ConfigError, match=r"modle: there is no such key\. Did you mean model\?"):
        load({**values(), "modle": {}})


def test_plain_values_load_to_the_same_config() -> None:
    """What `to_json` writes gives the same config, also through Path and tuple fields."""
    made = config(
        model={"name": "cnn", "filters": [4, 8], "conv_blocks": 2},
        data={"name": "image_folder", "path": "a b", "image_size": [8, 8]},
    )
    assert load(to_json(made)) == made


def test_describe_says_ranges_in_words() -> None:
    """The words for a range follow from the field's type."""
    place = find(("data", "test_fraction"), values())
    assert describe(place.annotation) == "a number above 0 below 1"


def test_every_default_is_in_its_own_range() -> None:
    """Loading the defaults of every group is possible."""
    made = load({**values(), "model": {"name": "cnn"}, "trainer": {}, "data": {"name": "digits"}})
    assert isinstance(made, Config)


@pytest.mark.parametrize(
    ("groups", "same"),
    [
        pytest.param({"seed": "7"}, {"seed": 7}, id="integer"),
        pytest.param({"data": {"limit": "null"}}, {"data": {"limit": None}}, id="null"),
        pytest.param(
            {"trainer": {"optimizer": {"learning_rate": ".002"}}},
            {"trainer": {"optimizer": {"learning_rate": 0.002}}},
            id="number",
        ),
        pytest.param(
            {"model": {"filters": "[16,32]", "conv_blocks": "2", "batch_norm": "True"}},
            {"model": {"filters": [16, 32], "conv_blocks": 2, "batch_norm": True}},
            id="list-and-truth-value",
        ),
        pytest.param(
            {"model": {"filters": ["4", "8"], "conv_blocks": 2}},
            {"model": {"filters": [4, 8], "conv_blocks": 2}},
            id="texts-in-a-list",
        ),
    ],
)
def test_a_text_is_read_as_what_its_field_takes(
    groups: dict[str, Any], same: dict[str, Any]
) -> None:
    """So come values out of environment variables; the hash is that of the value."""
    assert config(**groups) == config(**same)
    made, plain = (identify(config(**each), "d" * 64) for each in (groups, same))
    assert made.config_hash == plain.config_hash


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        pytest.param({"seed": "7.5"}, r'^seed="7\.5" is invalid: seed takes an integer', id="7.5"),
        pytest.param({"seed": "1e400"}, r"^seed=\S+ is invalid", id="infinite"),
        pytest.param(
            {"trainer": {"epochs": "2", "batch_size": "0"}},
            r'^trainer\.batch_size="0" is invalid: trainer\.batch_size takes an integer from 1',
            id="beside-a-good-one",
        ),
        pytest.param({"model": {"padding": "1"}}, r'padding="1" is invalid', id="a-word"),
    ],
)
def test_a_text_that_is_no_such_value_is_shown_as_text(
    groups: dict[str, Any], message: str
) -> None:
    """In quotes, where it would be taken for a number otherwise."""
    with pytest.raises(ConfigError, match=message):
        config(**groups)


def test_the_home_folder_is_replaced_wherever_the_folder_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No user of the setting makes a folder called `~`; without a home it is as it was stored."""
    monkeypatch.setenv("HOME", str(tmp_path))
    made = config(tracking={"dir": "~/runs"}, trajectory={"store": "~/lab"})
    assert made.tracking.dir == tmp_path / "runs"
    assert made.trajectory.store == tmp_path / "lab"
    assert str(config(tracking={"dir": "~nobody-here/runs"}).tracking.dir) == "~nobody-here/runs"


def test_what_is_no_option_is_refused_with_the_options() -> None:
    """Also where a file of a group has no name at all."""
    with pytest.raises(ConfigError, match=r"model\.name takes dnn, cnn, resnet, custom"):
        load({**values(), "model": {"hello world": None}})
