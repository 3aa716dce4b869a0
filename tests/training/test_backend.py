"""TensorFlow started quietly, and the same at every run."""

import logging
import os
import subprocess
import sys
from typing import Any

import pytest

from cnn_sweeps.config.schema import TrainerConfig
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.training import backend

FRESH = """
from cnn_sweeps.training import backend
from cnn_sweeps.config.schema import CnnModel, TrainerConfig
backend.configure_backend(TrainerConfig(), 0)
from cnn_sweeps.models import build
from cnn_sweeps.training import loop, state
print(state.weights_sha256(build.build_model(CnnModel(filters=4, conv_blocks=1), (8, 8, 1), 10)))
"""


def initial_weights(seed: int, **fields: Any) -> str:
    """The hash of a new network after `prepare`."""
    backend.configure_backend(TrainerConfig(**fields), seed)
    from cnn_sweeps.config.schema import CnnModel
    from cnn_sweeps.models import build
    from cnn_sweeps.training import state

    return state.weights_sha256(
        build.build_model(CnnModel(filters=4, conv_blocks=1), (8, 8, 1), 10)
    )


@pytest.mark.slow
def test_a_run_after_others_is_as_in_a_fresh_process() -> None:
    """Neither other seeds nor another precision leave a trace; and starting is silent."""
    initial_weights(7, precision="mixed_bfloat16")
    initial_weights(1, precision="float64")
    fresh = subprocess.run(
        [sys.executable, "-c", FRESH], capture_output=True, text=True, check=True
    )
    assert initial_weights(0) == fresh.stdout.strip()
    assert fresh.stderr == ""


@pytest.mark.slow
def test_every_seed_counts() -> None:
    """Seed 0 is a seed like the others: itself again, and not 1."""
    assert initial_weights(0) == initial_weights(0) != initial_weights(1)


@pytest.mark.parametrize(
    ("precision", "compute", "floatx"),
    [
        ("mixed_float16", "float16", "float32"),
        ("float64", "float64", "float64"),
        ("float32", "float32", "float32"),
    ],
)
def test_precision_is_set_for_each_run(precision: Any, compute: str, floatx: str) -> None:
    """The policy is the one of this run, whatever the one before had."""
    backend.configure_backend(TrainerConfig(precision=precision), 0)
    import keras

    assert keras.config.dtype_policy().compute_dtype == compute
    assert keras.config.floatx() == floatx
    backend.configure_backend(TrainerConfig(), 0)


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ({"threads": 3}, "trainer.threads=3 trainer.deterministic=True was asked"),
        ({"deterministic": False}, "trainer.threads=0 trainer.deterministic=False was asked"),
    ],
    ids=["threads", "determinism"],
)
def test_what_comes_too_late_is_refused(fields: dict[str, Any], asked: str) -> None:
    """A second run in the process cannot have other threads or determinism."""
    backend.configure_backend(TrainerConfig(), 0)
    with pytest.raises(ConfigError, match=f"{asked}, but .* threads=0 deterministic=True"):
        backend.configure_backend(TrainerConfig(**fields), 0)


def test_threads_are_refused_where_somebody_else_started_tensorflow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """TensorFlow that runs already, though not by us, gives the same kind of refusal."""
    import tensorflow as tf

    assert int(tf.constant(1) + 1) == 2
    monkeypatch.setattr(backend, "_started", [])
    with pytest.raises(ConfigError, match=r"trainer\.threads=3 comes too late"):
        backend.configure_backend(TrainerConfig(threads=3), 0)


def test_noise_is_held_back(capfd: pytest.CaptureFixture[str]) -> None:
    """What is written to the file descriptor is not shown, what comes after is."""
    with backend.quiet_stderr():
        os.write(2, b"noise")
    os.write(2, b"news")
    assert capfd.readouterr().err == "news"


def test_noise_is_shown_when_something_fails(capfd: pytest.CaptureFixture[str]) -> None:
    """The reason of a failed import may stand among the noise."""

    def failing_import() -> None:
        with backend.quiet_stderr():
            os.write(2, b"the reason")
            raise ImportError

    with pytest.raises(ImportError):
        failing_import()
    assert capfd.readouterr().err == "the reason"


def test_tensorflow_does_not_warn_of_many_trials() -> None:
    """A sweep builds a graph for each trial; TensorFlow's warning about it stays silent."""
    backend.configure_backend(TrainerConfig(), 0)
    assert not logging.getLogger("tensorflow").isEnabledFor(logging.WARNING)
