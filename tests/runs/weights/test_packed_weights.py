"""Weights of a run in a file: checked by the digest of all, used in the order of the backbone."""

from pathlib import Path

import numpy as np
import pytest

from cnn_sweeps.errors import DataError
from cnn_sweeps.runs.weights import packed_weights

WEIGHTS = [np.arange(6, dtype="float32").reshape(2, 3), np.ones(3), np.float32(2).reshape(())]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """All weights, of which the backbone has two, in another order."""
    written = tmp_path / "3f2a9c1b7d20.npz"
    written.write_bytes(packed_weights.encode(WEIGHTS, [1, 0]))
    return written


def test_the_backbone_has_its_weights_in_order(file: Path) -> None:
    """Bit for bit."""
    found = packed_weights.backbone_weights(file)
    assert [each.tobytes() for each in found] == [WEIGHTS[1].tobytes(), WEIGHTS[0].tobytes()]


def test_the_digest_is_that_of_the_whole_network(file: Path) -> None:
    """As a run records it, whatever the backbone has of it."""
    import keras

    from cnn_sweeps.training.state import weights_sha256

    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    values = [weight.numpy() for weight in network.weights]
    file.write_bytes(packed_weights.encode(values, [0]))
    assert packed_weights.weights_sha256(file) == weights_sha256(network)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(packed_weights.encode(WEIGHTS, [0])[:-40], id="truncated"),
        pytest.param(packed_weights.encode(WEIGHTS, [7]), id="a weight that is not there"),
    ],
)
def test_another_file_is_refused(file: Path, content: bytes) -> None:
    """By its name, with how to get it again."""
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"3f2a9c1b7d20.npz cannot be read .*\ncnn-sweeps export"):
        packed_weights.backbone_weights(file)
