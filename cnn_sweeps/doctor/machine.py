"""The machine itself: cores, memory, limits, text, GPU."""

import locale
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cnn_sweeps.data import free_memory
from cnn_sweeps.data.cores import cores, cpu_share, visible_cores
from cnn_sweeps.doctor.finding import Finding, Machine, ok, warn
from cnn_sweeps.provenance import devices, onednn
from cnn_sweeps.provenance.devices import Device
from cnn_sweeps.sweeps.plan.budget import WORKER_BYTES, fitting_workers
from cnn_sweeps.text.format import pluralize

GIB = 2**30
THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
LEAST_FILES = 512
"""Open files that a sweep with many workers may need."""
CARD = "/proc/driver/nvidia/version"
CUDA = "nvidia-cudnn-cu12"
"""The package that brings CUDA's libraries for TensorFlow."""
ASKING = "import tensorflow as tf; print(len(tf.config.list_physical_devices('GPU')))"
SECONDS = 90
"""For TensorFlow to be imported and asked."""


def processors(machine: Machine) -> Iterator[Finding]:
    """Cores, the share of them that a container is given, and threads that would crowd them."""
    given, seen, share = cores(), visible_cores(), cpu_share()
    limited = "" if share is None or share >= seen else f" of {seen}; the limit is {share:g}"
    yield ok(f"{pluralize(given, 'core')}{limited}")
    asked = {"trainer.threads": str(machine.config.trainer.threads)}
    asked |= {name: machine.environ[name] for name in THREADS if name in machine.environ}
    for name, value in asked.items():
        if value.isdecimal() and int(value) > given:
            told = pluralize(given, "core")
            yield warn(
                f"{name}={value} is more than the {told}; threads would compete for cores",
                f"Lower it to {given}, or leave it out.",
            )
        elif name in THREADS:
            yield warn(
                f"{name}={value} is part of the environment of a run: the last bits may differ "
                "from those of runs without it",
                f"If unintended: unset {name}",
            )


def kernels(machine: Machine) -> Iterator[Finding]:
    """Whether TensorFlow takes kernels that can crash a training."""
    if onednn.is_on(machine.environ):
        yield warn(
            "TensorFlow uses oneDNN here, which is fast, but may crash residual networks of width "
            "8 (SIGSEGV or SIGABRT)",
            f"For such a network type {onednn.WITHOUT} in front of the command.",
        )


def memory(_machine: Machine) -> Iterator[Finding]:
    """Whether there is memory for as many workers as `hydra.sweeper.n_jobs=auto` starts."""
    left = free_memory.free_bytes()
    if left is None:
        return
    if left < WORKER_BYTES:
        what = f"{left / GIB:.1f} GiB of memory are available, but a training may take more"
        yield warn(what, "Close other programs, or raise the limit of the container or job.")
    else:
        started = fitting_workers()
        told = "a worker" if started == 1 else f"{started} workers"
        yield ok(f"{left / GIB:.1f} GiB of memory for {told} (hydra.sweeper.n_jobs=auto)")


def limits(_machine: Machine) -> Iterator[Finding]:
    """Limits of the shell that large sweeps would run into."""
    # psutil's rlimit knows Linux alone, and macOS is where 256 open files are the default.
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files != resource.RLIM_INFINITY and files < LEAST_FILES:
        yield warn(f"this shell allows {files} open files", f"ulimit -n {2 * LEAST_FILES}")
    space, _ = resource.getrlimit(resource.RLIMIT_AS)
    if space != resource.RLIM_INFINITY:
        yield warn(
            f"this shell allows {space / GIB:.1f} GiB of address space, of which TensorFlow takes "
            "reserves much more than memory",
            "ulimit -v unlimited",
        )


def text(_machine: Machine) -> Iterator[Finding]:
    """Whether what is printed and written is UTF-8."""
    encodings = {
        "standard output": sys.stdout.encoding or "",
        "files": locale.getpreferredencoding(do_setlocale=False),
        "file names": sys.getfilesystemencoding(),
    }
    other = {
        name: each for name, each in encodings.items() if each.lower().replace("-", "") != "utf8"
    }
    if other:
        told = ", ".join(f"{name} in {each or 'no encoding'}" for name, each in other.items())
        yield warn(
            f"{told}: characters such as · cannot be printed", "export LC_ALL=C.UTF-8 PYTHONUTF8=1"
        )
    else:
        yield ok("text is UTF-8")


def gpu(machine: Machine) -> Iterator[Finding]:
    """Whether a GPU is there and TensorFlow can use it; without `--gpu` from what is installed."""
    card = Path(CARD).exists() or shutil.which("nvidia-smi") is not None
    yield from map(_card, devices.usable())
    if machine.gpu:
        yield from _asked(card=card)
    elif card and not _has_cuda():
        yield warn(
            "an NVIDIA GPU is installed, but this TensorFlow supports only the CPU",
            f"{sys.executable} -m pip install 'cnn-sweeps[gpu]'",
        )
    elif card:
        yield ok("an NVIDIA GPU and CUDA are installed (--gpu checks with TensorFlow)")
    else:
        yield ok("no NVIDIA GPU: training runs on the CPU (--gpu checks with TensorFlow)")


def _card(device: Device) -> Finding:
    """A GPU, and how many workers it has memory for."""
    free = f"{device.free_mb:,} of {device.total_mb:,} MiB free"
    fit = pluralize(device.workers, "worker")
    told = f"GPU {device.index}: {device.title}, {free}: {fit} (hydra.sweeper.workers_per_gpu=auto)"
    if device.free_mb < devices.WORKER_MB:
        return warn(told, "Close other programs on it, or choose another: CUDA_VISIBLE_DEVICES=N")
    return ok(told)


def _asked(*, card: bool) -> Iterator[Finding]:
    """What TensorFlow says, asked in a process of its own."""
    try:
        done = subprocess.run(  # noqa: S603 -- our own line
            [sys.executable, "-c", ASKING],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
        )
        seen = int(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        told = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        yield warn(
            f"TensorFlow could not list GPUs: {told[-1] if told else 'no answer'}",
            f"Run it to see the error: {sys.executable} -c 'import tensorflow'",
        )
        return
    if seen or not card:
        yield ok(f"TensorFlow sees {pluralize(seen, 'GPU') if seen else 'no GPU'}")
    else:
        yield warn(
            "an NVIDIA GPU is installed, but TensorFlow does not see it",
            f"{sys.executable} -m pip install 'cnn-sweeps[gpu]', and check nvidia-smi",
        )


def _has_cuda() -> bool:
    try:
        version(CUDA)
    except PackageNotFoundError:
        return False
    return True
