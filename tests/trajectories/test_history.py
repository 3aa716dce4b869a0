"""The history of a trajectory, written down and read back."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from plans import epoch

from cnn_sweeps.trajectories.history import EpochRecord, decode_history, encode_history


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
    stored = json.loads(encode_history(history(3)))
    change(stored)
    return json.dumps(stored).encode()


def test_what_is_written_is_read() -> None:
    """Every digit of every number comes back."""
    assert decode_history(encode_history(history(3))) == history(3)


def test_a_loss_that_is_no_number_is_kept() -> None:
    """A trajectory that diverged is known up to there."""
    nan = EpochRecord(epoch=epoch(1, loss=math.nan), run_id="run", weights="w", optimizer=None)
    (read,) = decode_history(encode_history([nan]))
    assert math.isnan(read.epoch.loss)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(encode_history(history(3))[:-7], id="truncated"),
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
        pytest.param(encode_history(history(3)[1:]), id="not from the first on"),
    ],
)
def test_what_was_not_written_so_is_refused(data: bytes) -> None:
    """Nothing is read that does not fit its digest, or that has a gap."""
    with pytest.raises(ValueError, match=r"."):
        decode_history(data)


def test_a_flipped_bit_anywhere_is_noticed() -> None:
    """No byte of the file can change what is read without being found out."""
    data, refused = encode_history(history(2)), 0
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1
        try:
            assert decode_history(bytes(flipped)) == history(2)  # 0.16...66 and 0.16...67 are one
        except ValueError:
            refused += 1
    assert refused > len(data) - 5


def test_a_history_without_frozen_variables_reads_as_it_did() -> None:
    """No earlier one has to be written again."""
    assert b"frozen" not in encode_history(history(2))
    still = [replace(one, frozen="f" * 64) for one in history(2)]
    assert decode_history(encode_history(still)) == still
