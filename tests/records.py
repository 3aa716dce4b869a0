"""Records of runs that never were, for what compares and checks them."""

from dataclasses import replace
from typing import Any

from configs import config

from cnn_sweeps.provenance.environment import Environment
from cnn_sweeps.provenance.identity import identify
from cnn_sweeps.runs.recorded.record import Record
from cnn_sweeps.training.epoch import Epoch

DIGEST = "d" * 64


def environment(**changes: Any) -> Environment:
    """An environment of some machine."""
    made = Environment(
        python="3.11.7",
        platform="Linux-6.1.0-13-amd64-x86_64-with-glibc2.36",
        hostname="lab-3",
        packages={"cnn-sweeps": "0.1.0", "tensorflow": "2.21.0", "keras": "3.15.1"},
        cpu="a processor",
        cpu_count=2,
        cpu_flags=("avx2", "fma"),
        devices=("CPU",),
        threads=0,
        intra_op_threads=0,
        inter_op_threads=0,
        deterministic=True,
        onednn="default",
        precision="float32",
        git_commit="c0ffee" + "0" * 34,
        git_dirty=False,
    )
    return replace(made, **changes)


def epochs(*losses: float, **changes: Any) -> tuple[Epoch, ...]:
    """Epochs with these losses; everything else is the same in each."""
    values: dict[str, Any] = {
        "accuracy": 0.5,
        "val_loss": 1.5,
        "val_accuracy": 0.4,
        "seconds": 0.1,
        "images_per_second": 100.0,
    }
    return tuple(
        Epoch(number=number, loss=loss, **(values | changes))
        for number, loss in enumerate(losses, start=1)
    )


def record(**changes: Any) -> Record:
    """A finished run of two epochs, of the small experiment."""
    made = Record(
        run_id="a" * 32,
        name="cnn 4x1 e2",
        status="FINISHED",
        identity=identify(config(), DIGEST),
        config=config(),
        source=None,
        environment=environment(),
        epochs=epochs(2.0, 1.0),
        metrics={"loss": 1.0, "test_loss": 1.2, "test_accuracy": 0.6, "train_seconds": 3.0},
        weights_sha256="e" * 64,
        stopped="all 2 epochs",
    )
    return replace(made, **changes)
