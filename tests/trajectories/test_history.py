"""The history of a trajectory, written down and read back."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from plans import epoch

from cnn_sweeps.trajectories import entry
from cnn_sweeps.trajectories.entry import EpochRecord, Retention


def history(epochs: int) -> list[EpochRecord]:
    """So many epochs, all with everything."""
    return [
        EpochRecord(
            epoch=epoch(n, loss=1 / (3 * n)), run_id="run", weights="w" * 64, optimizer="o" * 64
        )
        for n in range(1, epochs + 1)
    ]


def changed(change: Callable[[dict[str, Any]], None]) -> bytes:
    """A history of three epochs after somebody has been at it."""
    stored = json.loads(entry.encode_history(history(3)))
    change(stored)
    return json.dumps(stored).encode()


def test_what_is_written_is_read() -> None:
    """Every digit of every number comes back."""
    assert entry.decode_history(entry.encode_history(history(3))) == history(3)


def test_a_loss_that_is_no_number_is_kept() -> None:
    """A trajectory that diverged is known up to there."""
    nan = EpochRecord(epoch=epoch(1, loss=math.nan), run_id="run", weights="w", optimizer=None)
    (read,) = entry.decode_history(entry.encode_history([nan]))
    assert math.isnan(read.epoch.loss)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(entry.encode_history(history(3))[:-7], id="truncated"),
        pytest.param(b"\x00" * 400, id="zeros"),
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param(b"[]", id="another form"),
        pytest.param(b"{}", id="nothing in it"),
        pytest.param(changed(lambda s: s.update(format=2)), id="format"),
        pytest.param(changed(lambda s: s.update(sha256="0" * 64)), id="digest"),
        pytest.param(changed(lambda s: s["epochs"].pop(1)), id="gap"),
        pytest.param(changed(lambda s: s["epochs"][0].update(run_id="other")), id="run"),
        pytest.param(changed(lambda s: s["epochs"][0]["epoch"].update(loss=0.0)), id="loss"),
        pytest.param(changed(lambda s: s["epochs"][0].pop("weights")), id="missing field"),
        pytest.param(changed(lambda s: s["epochs"][0].update(more=1)), id="unknown field"),
        pytest.param(entry.encode_history(history(3)[1:]), id="not from the first on"),
    ],
)
def test_what_was_not_written_so_is_refused(data: bytes) -> None:
    """Nothing is read that does not fit its digest, or that has a gap."""
    with pytest.raises(ValueError, match=r"."):
        entry.decode_history(data)


def test_a_flipped_bit_anywhere_is_noticed() -> None:
    """No byte of the file can change what is read without being found out."""
    data, refused = entry.encode_history(history(2)), 0
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1
        try:
            assert entry.decode_history(bytes(flipped)) == history(
                2
            )  # 0.16...66 and 0.16...67 are one
        except ValueError:
            refused += 1
    assert refused > len(data) - 5


def test_only_the_last_optimizers_stay() -> None:
    """One to go on from and one in reserve."""
    thin = entry.drop_old_state(history(5), weights=range(1, 6))
    assert [one.optimizer is not None for one in thin] == [False, False, False, True, True]
    assert [one.weights for one in thin] == ["w" * 64] * 5
    assert entry.drop_old_state(history(1), weights=[1]) == history(1)


def test_of_the_others_only_the_metrics_stay() -> None:
    """Weights where something wants them, and the whole state where somebody may go on from it."""
    thin = entry.drop_old_state(history(6), weights=[2], states=[3])
    assert [one.weights is not None for one in thin] == [False, True, True, False, True, True]
    assert [one.optimizer is not None for one in thin] == [False, False, True, False, True, True]
    assert [one.epoch for one in thin] == [one.epoch for one in history(6)]
    assert entry.decode_history(entry.encode_history(thin)) == thin


def test_a_state_is_large_beyond_the_limit() -> None:
    """Then the best epochs keep their weights, by either metric, and those that a run names."""
    epochs = [
        EpochRecord(
            epoch=replace(epoch(n), val_loss=loss, val_accuracy=accuracy),
            run_id="run",
            weights="w",
            optimizer=None,
        )
        for n, loss, accuracy in [(1, 0.9, 0.5), (2, 0.3, 0.6), (3, 0.5, 0.8), (4, 0.4, 0.8)]
    ]
    limited = Retention(epoch_mb=1.0, wanted=[1])
    assert limited.weights(epochs, 10**6) == {1, 2, 3, 4}
    assert limited.weights(epochs, 10**6 + 1) == {1, 2, 3}
    assert Retention().weights(epochs, 10**12) == {1, 2, 3, 4}


def test_the_best_epochs_by_further_metrics_keep_their_weights() -> None:
    """Of two that are as good the first, and never one without a number."""
    measured = {
        2: {"macro_f1": 0.7, "brier": 0.2},
        3: {"macro_f1": 0.9, "brier": float("nan")},
        4: {"macro_f1": 0.9, "brier": 0.3},
    }
    limited = Retention(epoch_mb=0, metrics={"macro_f1": True, "brier": False, "ece": False})
    assert limited.weights(history(5), 1, measured) >= {3, 2}
    assert 4 not in limited.weights(history(5), 1, measured)


def test_without_validation_images_there_is_no_best_epoch() -> None:
    """A run then ends with its last one."""
    epochs = [
        replace(one, epoch=replace(one.epoch, val_loss=None, val_accuracy=None))
        for one in history(3)
    ]
    assert Retention(epoch_mb=0).weights(epochs, 1) == set()


def test_a_history_without_frozen_variables_reads_as_it_did() -> None:
    """No earlier one has to be written again."""
    assert b"frozen" not in entry.encode_history(history(2))
    still = [replace(one, frozen="f" * 64) for one in history(2)]
    assert entry.decode_history(entry.encode_history(still)) == still
