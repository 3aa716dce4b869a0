"""TensorFlow, started quietly and always in the same state.

`configure_backend` is the first thing a run does. What can only be chosen before TensorFlow starts
(threads, determinism) is chosen once for each process; the rest is reset for each run.
Which GPU a process uses is chosen before, in `provenance.devices`.
"""

import contextlib
import gc
import os
import resource
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cnn_sweeps.config.schema import TrainerConfig
from cnn_sweeps.data.cores import cores, visible_cores
from cnn_sweeps.errors import ConfigError

STDERR = 2
BACKEND = "tensorflow"


@dataclass(frozen=True, kw_only=True)
class BackendSettings:
    """What TensorFlow was started with; it cannot be changed in the same process.

    Attributes:
        threads: CPU threads, 0 for all cores.
        deterministic: whether operations must give the same bits every time.
    """

    threads: int
    deterministic: bool


_started: list[BackendSettings] = []


def can_configure_backend(trainer: TrainerConfig) -> bool:
    """Whether this process can still be prepared for it: no other threads or determinism yet."""
    return not _started or _started[0] == _wanted(trainer)


def configure_backend(trainer: TrainerConfig, seed: int) -> None:
    """Bring TensorFlow and Keras into the state of a fresh process with that seed.

    Raises:
        ConfigError: an earlier run in this process chose other threads or determinism.
    """
    wanted = _wanted(trainer)
    if not can_configure_backend(trainer):
        raise ConfigError(_too_late(_started[0], wanted))
    with quiet_stderr():
        import keras  # noqa: PLC0415 - takes seconds
        import tensorflow as tf  # noqa: PLC0415 - takes seconds

        # It warns of a graph for each trial, which is what a sweep is.
        tf.get_logger().setLevel("ERROR")
        if not _started:
            _start(tf, wanted)
            _started.append(wanted)
            # What is imported stays. Left out of every later search for garbage, the one in
            # clear_session takes a millisecond instead of 0.4 s.
            gc.freeze()
    # It would warn of every model after the fifth that a function is traced anew.
    tf.get_logger().setLevel("ERROR")
    keras.utils.clear_session()
    _forget_gpu_peaks(tf)
    # A ~/.keras/keras.json could say otherwise, and would change what a config means.
    keras.config.set_image_data_format("channels_last")
    keras.config.set_epsilon(1e-7)
    keras.config.set_floatx("float64" if trainer.precision == "float64" else "float32")
    keras.config.set_dtype_policy(trainer.precision)
    keras.utils.set_random_seed(seed)


def peak_gpu_memory_mb() -> float | None:
    """The most memory of its GPUs that TensorFlow has used in this run, in MiB; None without one.

    It counts tensors, not what CUDA and its libraries take beside them.
    """
    import tensorflow as tf  # noqa: PLC0415 - imported long ago

    gpus = range(len(tf.config.list_logical_devices("GPU")))
    peaks = [tf.config.experimental.get_memory_info(f"GPU:{n}")["peak"] for n in gpus]
    return sum(peaks) / 1024**2 if peaks else None


def _forget_gpu_peaks(tf: Any) -> None:
    """Let the next run count from here."""
    for number, _ in enumerate(tf.config.list_physical_devices("GPU")):
        with contextlib.suppress(ValueError, RuntimeError):  # one that is not in use
            tf.config.experimental.reset_memory_stats(f"GPU:{number}")


def peak_memory_mb() -> float:
    """The most memory this process has held so far, in MiB (resident set, all its runs)."""
    # psutil tells what is held now, and the peak on Windows alone.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if sys.platform == "darwin" else 1024)


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Hold back what C++ code writes to stderr; it is shown only if an exception passes.

    TensorFlow prints about absent GPUs before its own log level counts, so the file
    descriptor itself is turned away for the time of the import.

    Raises:
        ConfigError: Keras would run on another backend.
    """
    # 3: TensorFlow 2.21 logs an unknown attribute of its own tf.data pipelines as an error.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # As nvidia-smi numbers them; CUDA would put the fastest first.
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    if os.environ.setdefault("KERAS_BACKEND", BACKEND) != BACKEND:
        raise ConfigError(
            f"KERAS_BACKEND={os.environ['KERAS_BACKEND']} is set, and networks are trained with "
            f"TensorFlow here.\nType unset KERAS_BACKEND, or KERAS_BACKEND={BACKEND}."
        )
    sys.stderr.flush()
    shown = os.dup(STDERR)
    with tempfile.TemporaryFile() as held, os.fdopen(shown, "wb") as stderr:
        os.dup2(held.fileno(), STDERR)
        try:
            yield
        except BaseException:
            held.seek(0)
            shutil.copyfileobj(held, stderr)
            raise
        finally:
            sys.stderr.flush()
            os.dup2(shown, STDERR)


def _wanted(trainer: TrainerConfig) -> BackendSettings:
    return BackendSettings(threads=_threads(trainer.threads), deterministic=trainer.deterministic)


def _threads(asked: int) -> int:
    """Those of a config; TensorFlow counts what cores it sees, not what a container is given."""
    given = cores()
    return asked or (given if given < visible_cores() else 0)


def _start(tf: Any, wanted: BackendSettings) -> None:
    threading = tf.config.threading
    try:
        # Asked first, because a TensorFlow that runs refuses even what it already has.
        if threading.get_intra_op_parallelism_threads() != wanted.threads:
            threading.set_intra_op_parallelism_threads(wanted.threads)
        if threading.get_inter_op_parallelism_threads() != wanted.threads:
            threading.set_inter_op_parallelism_threads(wanted.threads)
    except RuntimeError:
        raise ConfigError(
            f"trainer.threads={wanted.threads} comes too late: TensorFlow is already running "
            "in this process with other threads.\nStart a new process for it."
        ) from None
    if wanted.deterministic:
        tf.config.experimental.enable_op_determinism()
    for gpu in tf.config.list_physical_devices("GPU"):
        # Without growth the first process takes all memory. RuntimeError: already in use.
        with contextlib.suppress(RuntimeError):
            tf.config.experimental.set_memory_growth(gpu, True)


def _too_late(was: BackendSettings, wanted: BackendSettings) -> str:
    return (
        f"trainer.threads={wanted.threads} trainer.deterministic={wanted.deterministic} was asked, "
        f"but TensorFlow already runs in this process with threads={was.threads} "
        f"deterministic={was.deterministic}.\n"
        "Both can only be set once for each process: keep the same values, or run it as a "
        "command of its own."
    )
