"""In what two runs differ."""

import io
import json
import math
from dataclasses import asdict
from typing import Any

from configs import config
from records import DIGEST, environment, epochs, record

from cnn_sweeps.cli import diff
from cnn_sweeps.cli.diff import Difference
from cnn_sweeps.models.source import Source
from cnn_sweeps.provenance.identity import identify
from cnn_sweeps.text.terminal import Output


def between(**changes: Any) -> Difference:
    """What differs between the run of the fakes and one with these changes."""
    return Difference.between(record(), record(**changes))


def shown(difference: Difference) -> str:
    """What a person sees of it."""
    out = io.StringIO()
    diff.show(difference, Output(file=out, width=200))
    return out.getvalue()


def test_a_run_does_not_differ_from_itself() -> None:
    """Each part says that there is nothing."""
    assert shown(between()).count("no difference") == 5


def test_config_is_compared_by_its_keys() -> None:
    """Only what differs is named, as it is typed; where it was logged is no difference."""
    other = config(
        trainer={"batch_size": 16}, tracking={"dir": "elsewhere"}, trajectory={"reuse": False}
    )
    difference = between(config=other, identity=identify(other, DIGEST))
    assert difference.config == {"trainer.batch_size": ("32", "16")}
    assert set(difference.identity) == {"config_hash", "trajectory_hash"}
    assert "trainer.batch_size" in shown(difference)


def test_a_key_that_one_model_does_not_have() -> None:
    """Where a key is missing on one side, that is the difference."""
    difference = between(config=config(model={"name": "dnn"}))
    assert difference.config["model.filters"] == ("4", None)
    assert "(none)" in shown(difference)


def test_environment_and_metrics_are_compared() -> None:
    """Whatever was recorded, whether it moves bits or not."""
    difference = between(
        environment=environment(hostname="lab-4", cpu_flags=("avx512f",)),
        epochs=epochs(2.0, 1.5),
        metrics={"loss": 1.5, "test_loss": 1.3},
        weights_sha256="f" * 64,
    )
    assert difference.environment["hostname"] == ("lab-3", "lab-4")
    assert difference.epochs == {"epoch 2 loss": (1.0, 1.5)}
    assert difference.metrics["test_accuracy"] == (0.6, None)
    assert "loss" not in difference.metrics
    assert "avx2 fma" in shown(difference)


def test_what_is_no_number_on_both_sides_is_no_difference() -> None:
    """Two runs whose loss has become NaN in the same epoch."""
    lost = epochs(2.0, math.nan), {"test_loss": math.nan, "test_accuracy": 0.6}
    left, right = (record(epochs=lost[0], metrics={**lost[1]}) for _ in range(2))
    found = Difference.between(left, right)
    assert not found.epochs
    assert not found.metrics
    assert between(epochs=lost[0]).epochs.keys() == {"epoch 2 loss"}


def test_the_file_of_a_users_own_function_is_compared() -> None:
    """Its digest is part of the identity."""
    difference = between(source=Source(path="a.py", content=b""))
    assert difference.identity["source_sha256"][0] is None


def test_the_files_of_a_loss_and_of_metrics_are_compared() -> None:
    """Their digests are why two hashes differ whose configs do not."""
    one, other = (Source(path="m.py", content=content) for content in (b"a", b"b"))
    left = record(loss_source=one, metric_sources={"m:f": one})
    right = record(loss_source=other, metric_sources={"m:f": one})
    assert Difference.between(left, right).identity.keys() == {"loss_sha256"}


def test_last_bits_are_shown() -> None:
    """Two numbers that differ never look alike."""
    text = shown(between(epochs=epochs(2.0, 1.0 + 2**-52)))
    assert "1.0000000000000002" in text


def test_many_epochs_are_cut() -> None:
    """The terminal gets the first ones, and the count of the others."""
    difference = between(epochs=epochs(*(3.0 for _ in range(60))))
    assert f"and {2 + 58 * 4 - diff.MOST_ROWS} more; --json has all" in shown(difference)


def test_it_goes_into_json() -> None:
    """All of it, for machines."""
    plain = json.loads(json.dumps(asdict(between(epochs=epochs(2.0, 1.5)))))
    assert plain["epochs"] == {"epoch 2 loss": [1.0, 1.5]}
