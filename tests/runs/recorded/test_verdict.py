"""Whether a training came out as it did before, judged on plain values."""

import json
import math
from typing import Any

import pytest
from records import environment, epochs, record

from cnn_sweeps.runs.recorded.verdict import DIFFERENT, EQUAL, IDENTICAL, Verdict, compare, remarks

ELSEWHERE = environment(cpu="another processor")
OTHER_WEIGHTS = "f" * 64


def judged(tolerance: float | None = None, **changes: Any) -> Verdict:
    """The verdict on a run that differs so from the recorded one."""
    return compare(record(), record(**changes), tolerance=tolerance)


def test_the_same_bits_are_bit_identical() -> None:
    """Nothing differs: ten metrics were compared, and the exit code is 0."""
    verdict = judged()
    assert (str(verdict), verdict.exit_code, verdict.compared) == (IDENTICAL, 0, 10)


def test_times_are_not_compared() -> None:
    """How long an epoch took is never the same twice."""
    later = epochs(2.0, 1.0, seconds=9.9, images_per_second=1.0)
    assert (
        judged(epochs=later, metrics=record().metrics | {"train_seconds": 60.0}).kind == IDENTICAL
    )


def test_the_same_bits_elsewhere_are_bit_identical() -> None:
    """Another environment is no objection, and is told."""
    verdict = judged(environment=ELSEWHERE)
    assert verdict.kind == IDENTICAL
    said = " ".join(remarks(verdict, record(), record(environment=ELSEWHERE)))
    assert "although the environment differs in cpu (a processor, now another processor)" in said


def test_a_small_deviation_elsewhere_is_within_tolerance() -> None:
    """Where the environment differs, the last digits may; what differs there is named."""
    verdict = judged(environment=ELSEWHERE, epochs=epochs(2.0, 1.01), weights_sha256=OTHER_WEIGHTS)
    assert (verdict.kind, verdict.exit_code) == (EQUAL, 0)
    assert str(verdict).endswith("differs in cpu (a processor, now another processor)")


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        pytest.param(
            {"epochs": epochs(2.0, 1.2)}, "epoch 2, loss: 1.0 recorded, 1.2 now", id="loss"
        ),
        pytest.param(
            {"epochs": epochs(2.0, 1.0, accuracy=0.53)},
            "epoch 1, accuracy: 0.5 recorded, 0.53 now",
            id="accuracy",
        ),
        pytest.param(
            {"epochs": epochs(2.0, 1.0, val_accuracy=0.8)},
            "epoch 1, val_accuracy: 0.4 recorded, 0.8 now",
            id="val-accuracy",
        ),
        pytest.param({"epochs": epochs(2.0)}, "epoch 2, loss: 1.0 recorded, none now", id="fewer"),
        pytest.param(
            {"epochs": epochs(2.0, 1.0, 0.5)}, "epoch 3, loss: none recorded, 0.5 now", id="more"
        ),
        pytest.param(
            {"metrics": {"test_loss": 1.2, "test_accuracy": 0.9}},
            "test_accuracy: 0.6 recorded, 0.9 now",
            id="test",
        ),
    ],
)
def test_a_large_deviation_is_different_everywhere(changes: dict[str, Any], first: str) -> None:
    """What no other machine explains is named with the first epoch and metric."""
    verdict = judged(environment=ELSEWHERE, **changes)
    assert (str(verdict), verdict.exit_code) == (f"different: first at {first}", 1)


def test_the_first_deviation_beyond_the_tolerance_is_named() -> None:
    """A small one before it is not what makes the training a different one."""
    verdict = judged(environment=ELSEWHERE, epochs=epochs(2.01, 1.5))
    assert "first at epoch 2, loss" in str(verdict)


def test_one_bit_in_the_same_environment_is_different() -> None:
    """Where nothing explains it, the smallest deviation counts, and is alarming."""
    verdict = judged(epochs=epochs(2.0, math.nextafter(1.0, 2.0)))
    assert str(verdict) == "different: first at epoch 2, loss: 1.0 recorded, 1.0000000000000002 now"
    said = " ".join(
        remarks(
            verdict,
            record(),
            record(environment=environment(git_commit="ab" * 20, git_dirty=True)),
        )
    )
    assert "this should not happen" in said
    assert "commit c0ffee000000 recorded, abababababab+ now" in said


@pytest.mark.parametrize(
    ("recorded", "now", "said"),
    [
        pytest.param("a" * 16, "a" * 16, "that train are the same", id="same"),
        pytest.param("a" * 16, "b" * 16, "that train have changed since", id="changed"),
        pytest.param(None, "b" * 16, "Look at the code first", id="unknown"),
    ],
)
def test_our_own_code_excuses_no_bit_but_is_looked_at(
    recorded: str | None, now: str, said: str
) -> None:
    """Whether it has changed is the first thing that one wants to know."""
    verdict = judged(epochs=epochs(2.0, 1.001), environment=environment(code=now))
    assert verdict.kind == DIFFERENT
    assert said in " ".join(
        remarks(
            verdict,
            record(environment=environment(code=recorded)),
            record(environment=environment(code=now)),
        )
    )


def test_weights_alone_can_differ() -> None:
    """Other weights with the same metrics are said to be just that."""
    verdict = judged(weights_sha256=OTHER_WEIGHTS)
    assert str(verdict) == "different: the final weights, while every metric is the same"
    assert judged(weights_sha256=OTHER_WEIGHTS, environment=ELSEWHERE).kind == EQUAL


def test_without_determinism_the_last_bits_are_open() -> None:
    """A run that did not ask for the same bits may have others on the same machine."""
    loose = environment(deterministic=False)
    verdict = compare(
        record(environment=loose), record(environment=loose, epochs=epochs(2.0, 1.001))
    )
    assert verdict.kind == EQUAL
    assert "trainer.deterministic=false" in str(verdict)


def test_losses_near_zero_may_differ_by_many_times() -> None:
    """A few thousandths are nothing, though they are five times as much."""
    verdict = compare(
        record(epochs=epochs(2.0, 0.001)),
        record(epochs=epochs(2.0, 0.005), environment=ELSEWHERE),
    )
    assert verdict.kind == EQUAL


@pytest.mark.parametrize(
    ("tolerance", "kind"),
    [pytest.param(0.5, EQUAL, id="wide"), pytest.param(0.0, DIFFERENT, id="0")],
)
def test_tolerance_can_be_chosen(tolerance: float, kind: str) -> None:
    """One number in the place of all that are built in."""
    changed = epochs(2.0, 1.2, accuracy=0.7)
    assert judged(tolerance, environment=ELSEWHERE, epochs=changed).kind == kind


def test_a_metric_that_only_the_new_run_has_is_not_compared() -> None:
    """A trial has no test scores on record; a run that has them is the same training."""
    assert compare(record(metrics={}), record()).kind == IDENTICAL


def test_no_number_twice_is_the_same() -> None:
    """NaN equals NaN here, and nothing else."""
    odd = epochs(2.0, 1.0, val_loss=math.nan)
    assert compare(record(epochs=odd), record(epochs=odd)).kind == IDENTICAL
    verdict = compare(record(epochs=odd), record(environment=ELSEWHERE))
    assert verdict.kind == DIFFERENT


def test_json_is_strict() -> None:
    """Numbers that JSON does not know become null, and all parts are there."""
    verdict = judged(epochs=epochs(2.0))
    plain = json.loads(json.dumps(verdict.to_json(), allow_nan=False))
    assert plain["verdict"] == DIFFERENT
    assert plain["first_difference"] == {
        "epoch": 2,
        "metric": "loss",
        "recorded": 1.0,
        "now": None,
        "size": None,
    }


def test_a_large_deviation_elsewhere_is_put_beside_what_differs() -> None:
    """A different training in another environment names that environment as well."""
    verdict = judged(environment=ELSEWHERE, epochs=epochs(2.0, 1.5))
    said = " ".join(remarks(verdict, record(), record(environment=ELSEWHERE)))
    assert "largest deviation 0.33" in said
    assert "more than the tolerance, although the environment differs in cpu" in said
