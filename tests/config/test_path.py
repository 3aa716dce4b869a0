"""A training that changes on its way has one form and one name, however it was typed."""

from typing import Any

import pytest
from configs import config, values

from cnn_sweeps.config import Config
from cnn_sweeps.config.loading import load, to_json
from cnn_sweeps.config.path import segments
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.provenance.identity import identify, lineage
from cnn_sweeps.runs.composition.validate import compose, make_config, plain_values

DIGEST = "d" * 64
RATE = "trainer.optimizer.learning_rate"
SLOW = {RATE: 1e-4}


def path(*phases: dict[str, Any], epochs: int = 10, **trainer: Any) -> Config:
    """A small experiment with these phases."""
    return config(trainer={"epochs": epochs, "phases": list(phases), **trainer})


def names(experiment: Config) -> tuple[str, str]:
    """Its hashes."""
    made = identify(experiment, DIGEST)
    return made.config_hash, made.trajectory_hash


SAME = {
    "how long, or from which epoch on": [
        ({"epochs": 4}, SLOW),
        ({"first": 5, **SLOW},),
        ({"epochs": 4}, {"first": 5, "epochs": 6, **SLOW}),
    ],
    "whole keys, short ones, groups": [
        ({"first": 5, **SLOW},),
        ({"first": 5, "optimizer.learning_rate": 1e-4},),
        ({"first": 5, "optimizer": {"learning_rate": 1e-4}},),
        ({"first": 5, "trainer": {"optimizer": {"learning_rate": 1e-4}}},),
        ({"first": "5", "optimizer.learning_rate": "1e-4"},),
    ],
    "what holds already, and what is nothing": [
        ({"first": 5, **SLOW},),
        ({"epochs": 2, "batch_size": 32}, {"epochs": 2}, SLOW),
        ({"first": 5, **SLOW}, {"first": 7, **SLOW}),
        ({"first": 5, "batch_size": 32, **SLOW}, {"first": 8, "optimizer.name": "adam"}),
    ],
    "weight decay by both of its keys": [
        ({"first": 5, "optimizer.weight_decay": 0.1},),
        ({"first": 5, "optimizer.params.weight_decay": 0.1},),
        ({"first": 5, "optimizer.params": {"weight_decay": 0.1}},),
    ],
    "what has no effect": [
        ({"first": 5, **SLOW},),
        ({"first": 5, "schedule.drop_factor": 0.5, **SLOW},),
        ({"first": 3, "schedule.cooldown_epochs": 2}, {"first": 5, **SLOW}),
    ],
}


@pytest.mark.parametrize("case", SAME)
def test_one_training_has_one_name_however_it_is_typed(case: str) -> None:
    """And its phases are the same segments."""
    typed = [path(*phases) for phases in SAME[case]]
    assert len({names(each) for each in typed}) == 1
    assert {len(segments(each)) for each in typed} == {2}
    assert names(typed[0]) != names(path())


@pytest.mark.parametrize(
    "phases",
    [
        pytest.param((), id="none"),
        pytest.param(({"epochs": 4},), id="one that is not told to the end"),
        pytest.param(({"epochs": 4}, {"epochs": 6}), id="without changes"),
        pytest.param(({"first": 5, "optimizer.learning_rate": 0.001},), id="what holds already"),
    ],
)
def test_phases_that_change_nothing_are_none(phases: tuple[dict[str, Any], ...]) -> None:
    """The experiment is the one without them, and its hash the one that it always had."""
    if phases == ({"epochs": 4},):
        with pytest.raises(ConfigError, match="Type trainer.epochs=4, or leave epochs out"):
            path(*phases)
        return
    assert path(*phases) == config(trainer={"epochs": 10})


def test_a_training_that_never_changes_is_one_segment() -> None:
    """It is the config itself, so that nothing about it is trained in another way."""
    for trainer in ({}, {"schedule": {"name": "step"}}, {"optimizer": {"weight_decay": 0.1}}):
        made = config(trainer=trainer)
        (only,) = segments(made)
        assert only.config is made
        assert lineage(made, DIGEST) == (identify(made, DIGEST).trajectory_hash,)


def test_changes_of_the_first_phase_are_those_of_the_config() -> None:
    """It begins with the first epoch."""
    folded = path({"epochs": 4, "batch_size": 8}, {"batch_size": 16})
    assert folded == path({"first": 5, "batch_size": 16}, batch_size=8)
    assert folded.trainer.batch_size == 8


def test_the_canonical_form_reads_back_as_itself() -> None:
    """What is stored is what was made, with the same names."""
    made = path({"epochs": 2, "batch_size": 8}, {"epochs": 3, "optimizer.name": "sgd"}, SLOW)
    assert load(to_json(made)) == made
    assert names(load(to_json(made))) == names(made)
    assert [phase["first"] for phase in made.trainer.phases] == [3, 6]


def test_another_optimizer_begins_without_the_parameters_of_the_one_before() -> None:
    """They are none of its own; the ones that are given are."""
    adam = {"optimizer": {"params": {"amsgrad": True}}}
    made = path({"first": 5, "optimizer.name": "sgd", "optimizer.params.momentum": 0.9}, **adam)
    _, later = segments(make_config(to_json(made)))
    assert later.config.trainer.optimizer.params == {"momentum": 0.9}


def test_parameters_that_two_optimizers_share_are_kept() -> None:
    """Also when what was made is read again."""
    decays = {"optimizer": {"params": {"weight_decay": 0.1}}}
    made = path({"first": 5, "optimizer.name": "sgd", "optimizer.weight_decay": 0.1}, **decays)
    for each in (made, load(to_json(made))):
        assert segments(each)[-1].config.trainer.optimizer.params == {"weight_decay": 0.1}
        assert names(each) == names(made)


def test_a_parameter_is_added_and_a_mapping_replaces() -> None:
    """As their keys say."""
    sgd = {"optimizer": {"name": "sgd", "params": {"momentum": 0.9}}}
    for changes, params in (
        ({"optimizer.params.nesterov": True}, {"momentum": 0.9, "nesterov": True}),
        ({"optimizer.params": {"clipvalue": 0.5}}, {"clipvalue": 0.5}),
        ({"optimizer.params": {}}, {}),
    ):
        later = segments(path({"first": 5, **changes}, **sgd))[-1]
        assert later.config.trainer.optimizer.params == params


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"optimizer": {"name": "sgd", "params": {"momentum": 0.9}}}, id="nested"),
        pytest.param({"optimizer.params": {"beta_1": 0.8}}, id="flat"),
        pytest.param({"trainer": {"optimizer": {"params": {}}}}, id="empty"),
    ],
)
@pytest.mark.parametrize("first", [1, 5])
def test_all_parameters_as_one_value_switch_nothing_off_unsaid(
    changes: dict[str, Any], first: int
) -> None:
    """What is stored goes on meaning that; what is typed says so, and is the same experiment."""

    def given(**more: Any) -> dict[str, Any]:
        phases = [{"first": first, **changes, **more}]
        return values(trainer={"epochs": 10, "clip_norm": 1.0, "phases": phases})

    stored = load(given())
    assert segments(stored)[-1].config.trainer.clip_norm is None
    with pytest.raises(ConfigError, match=r"would switch trainer.clip_norm=1.0 off.\nType"):
        make_config(given())
    said = make_config(given(clip_norm=None))
    assert names(said) == names(stored)
    assert segments(make_config(given(clip_norm=1.0)))[-1].config.trainer.clip_norm == 1.0
    assert load(to_json(stored)) == stored


def test_another_optimizer_may_leave_weight_decay() -> None:
    """It is a parameter of the one before; of the same one it is asked for."""
    decays = {"optimizer": {"name": "adamw", "weight_decay": 0.01}}
    sgd = {"optimizer": {"name": "sgd", "params": {"momentum": 0.9}}}

    def made(phase: dict[str, Any]) -> Config:
        trainer = {"epochs": 10, **decays, "phases": [{"first": 5, **phase}]}
        return make_config(values(trainer=trainer))

    assert segments(made(sgd))[-1].config.trainer.optimizer.params == {"momentum": 0.9}
    with pytest.raises(ConfigError, match="trainer.optimizer.weight_decay=0.01 off"):
        made({"optimizer.params": {"beta_1": 0.8}})


def test_the_first_segment_is_the_trajectory_of_a_training_that_never_changes() -> None:
    """So it is shared with it, and with all that change later or otherwise."""
    first, second = lineage(path({"first": 5, **SLOW}), DIGEST)
    assert first == identify(config(), DIGEST).trajectory_hash
    longer = lineage(path({"first": 5, **SLOW}, {"first": 8, "batch_size": 8}, epochs=20), DIGEST)
    assert longer[:2] == (first, second)
    later = lineage(path({"first": 6, **SLOW}), DIGEST)
    assert later[0] == first
    assert later[1] not in (first, second)


@pytest.mark.parametrize(
    ("phases", "said"),
    [
        pytest.param(({"first": 5, "model.filters": 3},), "model.filters cannot change", id="net"),
        pytest.param(({"first": 5, "data.limit": 3},), "data.limit cannot change", id="data"),
        pytest.param(({"first": 5, "seed": 3},), "seed cannot change", id="seed"),
        pytest.param(({"first": 5, "precision": "float64"},), "precision cannot", id="precision"),
        pytest.param(({"first": 5, "trainer.epochs": 9},), "trainer.epochs cannot", id="epochs"),
        pytest.param(({"first": 5, "stop_at_loss": 1},), "stop_at_loss cannot", id="when to stop"),
        pytest.param(({"first": 5, "threads": 1},), "threads cannot change", id="how"),
        pytest.param(({"first": 5, "early_stopping.patience": 1},), "cannot change", id="early"),
        pytest.param(({"first": 5, "phases": []},), "phases cannot change", id="phases in phases"),
        pytest.param(({"first": 5, "lr": 1},), "Did you mean trainer.optimizer.learning", id="lr"),
        pytest.param(({"first": 5, "optimizer.rate": 1},), "there is no such key", id="no key"),
        pytest.param(
            ({"first": 5, "optimizer": "sgd"},), "such as trainer.optimizer.name", id="group"
        ),
        *(
            pytest.param(({"first": 5, key: value},), said, id=key)
            for key, value, said in (
                ("class_weight.cat", 2, "=none has no keys"),
                ("optimizer.learning_rate.x", 1, "takes a number above 0"),
                ("augment.flip.x", 1, "augment.flip=none has no keys"),
                ("optimizer.params.momentum.x", 1, "momentum=null has no keys"),
                ("optimizer.params", None, "params=null is invalid"),
                ("optimizer.params", [1], "takes a group of key: value"),
                ("augment", 1, "such as augment.flip"),
            )
        ),
        pytest.param(({"first": 5, "batch_size": 0},), "from epoch 5: trainer.batch", id="value"),
        pytest.param(({"first": 11, **SLOW},), "after the last one of trainer.epochs=10", id="end"),
        pytest.param(({"first": 0, **SLOW},), "an integer from 1", id="epoch 0"),
        pytest.param(({"epochs": "two", **SLOW},), "an integer from 1", id="no number"),
        pytest.param(({"epochs": 3}, {"first": 3, **SLOW}), "not 4, where phase 1", id="overlap"),
        pytest.param(({"first": 3}, SLOW), "phase 1 does not say how many", id="no length"),
        pytest.param(({"first": 5}, {"first": 4, **SLOW}), "not after 5", id="backwards"),
        pytest.param(({"epochs": 3}, {"epochs": 3, **SLOW}), "trainer.epochs=6", id="too few"),
    ],
)
def test_what_a_phase_cannot_be_is_refused(phases: tuple[dict[str, Any], ...], said: str) -> None:
    """In a line or two that say what was given and what to type."""
    with pytest.raises(ConfigError) as refused:
        path(*phases)
    assert said in str(refused.value)
    assert len(str(refused.value).splitlines()) <= 2


def test_a_phase_is_checked_as_the_whole_is() -> None:
    """What its optimizer or schedule cannot do is refused before anything starts."""
    for changes, said in (
        ({"optimizer.name": "lion", "optimizer.params.amsgrad": True}, "not a parameter of lion"),
        ({"schedule.name": "exponential"}, "cannot reach end_factor=0"),
        ({"schedule.name": "cosine", "schedule.warmup_epochs": 7}, "leaves no epoch"),
    ):
        with pytest.raises(ConfigError, match=said):
            make_config(to_json(path({"first": 5, **changes})))


def test_phases_are_typed_as_hydra_lists() -> None:
    """The whole in quotes; keys with dots need none of their own."""
    typed = "trainer.phases=[{epochs: 3}, {optimizer.learning_rate: 1e-4, batch_size: 64}]"
    made = load(plain_values(compose(["data=digits", "trainer.epochs=9", typed])))
    assert made.trainer.phases == ({"first": 4, RATE: 1e-4, "trainer.batch_size": 64},)


def test_a_decay_ends_with_its_phase() -> None:
    """Where nothing else is said; a schedule begins anew in each."""
    made = segments(path({"first": 5, "schedule.name": "cosine"}, {"first": 8, **SLOW}))
    assert [s.config.trainer.schedule.decay_epochs for s in made] == [None, 3, 3]


class TestWsd:
    """Warm-up, stable, cooldown: two segments, of which the first is shared by all lengths."""

    @staticmethod
    def of(epochs: int, **schedule: Any) -> Config:
        """An experiment with that schedule."""
        return config(trainer={"epochs": epochs, "schedule": {"name": "wsd", **schedule}})

    def test_it_is_phases_that_could_have_been_typed(self) -> None:
        """The hash is one, whichever way was taken."""
        typed = path(
            {"first": 9, "schedule.name": "sqrt", "schedule.warmup_epochs": 0},
            schedule={"warmup_epochs": 2},
        )
        assert names(self.of(10, warmup_epochs=2)) == names(typed)
        later = path({"first": 1, "schedule.name": "wsd", "schedule.warmup_epochs": 2})
        assert names(later) == names(typed)

    @pytest.mark.parametrize(
        ("epochs", "given", "firsts"),
        [
            pytest.param(10, {}, [1, 9], id="a fifth"),
            pytest.param(3, {}, [1, 3], id="at least one"),
            pytest.param(1, {}, [1], id="nothing else"),
            pytest.param(10, {"cooldown_epochs": 4}, [1, 7], id="as said"),
            pytest.param(10, {"cooldown_epochs": 10}, [1], id="all of it"),
        ],
    )
    def test_where_it_cools_down(self, epochs: int, given: Any, firsts: list[int]) -> None:
        """Over a fifth of the epochs, or over as many as are said."""
        assert [s.first for s in segments(self.of(epochs, **given))] == firsts

    def test_the_stable_part_is_that_of_every_length_and_of_a_constant_rate(self) -> None:
        """Only what comes after it is another trajectory."""
        short, long = (lineage(self.of(n, end_factor=0.1), DIGEST) for n in (5, 20))
        assert short[0] == long[0] == identify(config(), DIGEST).trajectory_hash
        assert short[1] != long[1]

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            pytest.param({"cooldown_epochs": 6}, "cooldown_epochs=1", id="longer than all"),
            pytest.param({"warmup_epochs": 5}, "warmup_epochs=4 or fewer", id="warm-up"),
            pytest.param({"decay_epochs": 3}, "cooldown_epochs says", id="another's length"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, given: Any, said: str) -> None:
        """With what to type."""
        with pytest.raises(ConfigError, match=said):
            make_config(to_json(self.of(5, **given)))
