"""The environment of a run: what may move the last bits without changing what it means."""

import os
import platform
import socket
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import psutil

from cnn_sweeps.provenance import code as checkout
from cnn_sweeps.text.json import sha256

PACKAGES: Final = (
    "cnn-sweeps",
    "tensorflow",
    "keras",
    "numpy",
    "hydra-core",
    "optuna",
    "mlflow",
)
COMPUTING: Final = ("tensorflow", "keras", "numpy")
"""The packages that compute; the others only compose, search and remember.

Our own stands for itself by the digest of its code: a release alone moves no bit.
"""
SAME_BITS: Final = (({"cnn-sweeps": "0.1.0"}, "696e8ca94602cdf4"),)
"""Earlier states of this package whose finished runs hold: version, where it counted, and code.

Each was shown to give the same bits: its stored runs are reproduced by the tests.
"""
NUMERICS: Final = (
    "cpu",
    "cpu_flags",
    "devices",
    "deterministic",
    "onednn",
    "variables",
    "precision",
)
"""The fields that may move the bits of a training as they are."""
COUNTS: Final = ("cpu_count", "threads", "intra_op_threads", "inter_op_threads")
"""The fields that count something."""
ONEDNN: Final = "TF_ENABLE_ONEDNN_OPTS"
VARIABLES: Final = (
    "DNNL_MAX_CPU_ISA",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_NUM_THREADS",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "ONEDNN_MAX_CPU_ISA",
    "TF_DETERMINISTIC_OPS",
    "TF_NUM_INTEROP_THREADS",
    "TF_NUM_INTRAOP_THREADS",
)
"""Variables, beside oneDNN's switch, by which TensorFlow and oneDNN choose what they run."""
# The instruction sets by which TensorFlow and oneDNN choose their kernels.
CPU_FLAGS: Final = {
    *("sse4_2", "avx", "avx2", "fma", "f16c", "avx_vnni"),
    *("avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16"),
    *("amx_tile", "amx_int8", "amx_bf16"),
    *("asimd", "sve", "sve2", "bf16", "i8mm"),
}
CPUINFO: Final = Path("/proc/cpuinfo")


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Where a training ran. The same config in the same environment gives the same bits.

    Attributes:
        python: version of the interpreter.
        platform: operating system and architecture.
        hostname: name of the machine.
        packages: version of each package that matters; absent ones left out.
        code: digest of the modules of this package that compute; None if it was not recorded.
        cpu: the processor's name.
        cpu_count: cores that this process may use.
        cpu_flags: instruction sets by which kernels are chosen, sorted.
        devices: what TensorFlow sees, by type and name; empty before it is imported.
        threads: CPU threads asked for; 0 for all cores.
        intra_op_threads: TensorFlow's threads inside an operation; 0 for its own choice.
        inter_op_threads: TensorFlow's operations at a time; 0 for its own choice.
        deterministic: whether deterministic kernels were asked for.
        onednn: `0` or `1` as set by TF_ENABLE_ONEDNN_OPTS; else `default`, which
            TensorFlow decides by its version and the CPU flags.
        variables: those of `VARIABLES` that are set.
        precision: Keras dtype policy; None before Keras is imported.
        git_commit: commit of the repository around the working directory; outside of one,
            of the checkout that this package was installed from in place, if it was.
        git_dirty: whether tracked files differ from that commit.
    """

    python: str
    platform: str
    hostname: str
    packages: Mapping[str, str]
    code: str | None = None
    cpu: str
    cpu_count: int
    cpu_flags: tuple[str, ...]
    devices: tuple[str, ...]
    threads: int
    intra_op_threads: int
    inter_op_threads: int
    deterministic: bool
    onednn: str
    variables: Mapping[str, str] = field(default_factory=dict)
    precision: str | None
    git_commit: str | None
    git_dirty: bool | None

    @classmethod
    def capture(cls, *, threads: int, deterministic: bool) -> "Environment":
        """The environment of this process, now; never fails and imports nothing heavy."""
        cpu, flags = _processor()
        devices, intra, inter = _tensorflow()
        commit, dirty = checkout.commit()
        return cls(
            python=platform.python_version(),
            platform=platform.platform(),
            hostname=socket.gethostname(),
            packages=versions(),
            code=checkout.digest(),
            cpu=cpu,
            cpu_count=cores(),
            cpu_flags=flags,
            devices=devices,
            threads=threads,
            intra_op_threads=intra,
            inter_op_threads=inter,
            deterministic=deterministic,
            onednn=os.environ.get(ONEDNN, "default"),
            variables={name: os.environ[name] for name in VARIABLES if name in os.environ},
            precision=_precision(),
            git_commit=commit,
            git_dirty=dirty,
        )

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Environment":
        """The environment that `as_dict` (or JSON made of it) describes.

        Raises:
            KeyError: a field is missing that environments always had.
            ValueError: a field holds what no environment has.
        """
        from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 -- for what is stored

        values = {"variables": {}, "code": None, **stored}
        known = {field.name: values[field.name] for field in fields(cls)}
        try:
            read = TypeAdapter(cls).validate_python(known)
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"{first['loc'][0]}: {first['msg']}") from error
        for name in COUNTS:
            if getattr(read, name) < 0:
                raise ValueError(f"{name}: {known[name]} is less than nothing")
        return read

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, ready for JSON."""
        return asdict(self)

    @property
    def numerics(self) -> dict[str, Any]:
        """The part that may move the last bits of a training, ready for JSON.

        TensorFlow chooses its kernels by its version, the processor (its caches too, so its
        name counts) and the variables; how a sum is divided depends on the threads that there
        really are; the system gives `exp` and its like. The host's name, the kernel, the commit
        and the packages that only compose, search and remember move nothing. Our own code
        may, but must not, so neither it nor its version is part of this: they excuse nothing.
        """
        values = self.as_dict()
        return {
            "python": _minor(self.python),
            "system": _system(self.platform),
            "packages": {name: self.packages.get(name) for name in COMPUTING},
            **{name: values[name] for name in NUMERICS},
            "threads": self.threads or self.intra_op_threads or self.cpu_count,
        }

    @property
    def software(self) -> str:
        """Digest of versions and code that may move bits, wherever they run."""
        return _software(self.python, self.packages, self.code)

    def difference(self, other: "Environment") -> dict[str, tuple[Any, Any]]:
        """What differs, by name: (here, there). A package reads `packages.keras`."""
        return _differing(self.as_dict(), other.as_dict())

    def difference_in_numerics(self, other: "Environment") -> dict[str, tuple[Any, Any]]:
        """Of what differs, what may move the last bits of a training, by name: (here, there)."""
        return _differing(self.numerics, other.numerics)


def same_software(python: str, packages: Mapping[str, str]) -> frozenset[str]:
    """Every `Environment.software` that gives the bits of our code as it is, wherever it runs.

    Args:
        python: version of the interpreter.
        packages: versions by name.
    """
    earlier = (_software(python, packages, code, pluralize) for pluralize, code in SAME_BITS)
    return frozenset({_software(python, packages, checkout.digest()), *earlier})


def _software(
    python: str,
    packages: Mapping[str, str],
    code: str | None,
    pluralize: Mapping[str, str] | None = None,
) -> str:
    computing = {**(pluralize or {}), **{name: packages.get(name) for name in COMPUTING}}
    told = {"python": _minor(python), "packages": computing, "code": code}
    return sha256(told)[: checkout.SHOWN]


def _minor(python: str) -> str:
    """The version for which TensorFlow is built: `3.11` of `3.11.7`."""
    return ".".join(python.split(".")[:2])


def _differing(one: dict[str, Any], other: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    here, there = _flat(one), _flat(other)
    names = [*here, *(name for name in there if name not in here)]
    pairs = {name: (here.get(name), there.get(name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """The values, with each package and each variable as one of its own."""
    nested = {name: values[name] for name in ("packages", "variables")}
    flat = {name: value for name, value in values.items() if name not in nested}
    return flat | {f"{group}.{key}": v for group, by in nested.items() for key, v in by.items()}


def _system(platform_name: str) -> str:
    """System, architecture and C library without the kernel; all, where no library is named."""
    front, named, library = platform_name.partition("-with-")
    return f"{front.partition('-')[0]} {front.rpartition('-')[2]} {library}" if named else front


def versions() -> dict[str, str]:
    """Versions from the installed metadata, without importing the packages."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _processor() -> tuple[str, tuple[str, ...]]:
    """The processor's name and its flags; the flags are known on Linux only.

    Read here since psutil tells neither.
    """
    lines: dict[str, str] = {}
    try:
        for line in CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            lines.setdefault(name.strip(), value.strip())
    except OSError:
        pass  # not Linux
    flags = (lines.get("flags") or lines.get("Features") or "").split()
    name = lines.get("model name") or platform.processor() or platform.machine()
    return name, tuple(sorted(CPU_FLAGS.intersection(flags)))


def cores() -> int:
    """Cores that this process may use, which a container or `taskset` may limit."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_memory() -> float | None:
    """Bytes of memory that are free for new processes; None where the system does not tell."""
    try:
        return float(psutil.virtual_memory().available)
    except OSError:  # a container without /proc
        return None


def _tensorflow() -> tuple[tuple[str, ...], int, int]:
    """Devices, intra-op and inter-op threads, if TensorFlow is imported already."""
    tf = sys.modules.get("tensorflow")
    if tf is None:
        return (), 0, 0
    threading = tf.config.threading
    return (
        tuple(_device(tf, device) for device in tf.config.list_physical_devices()),
        threading.get_intra_op_parallelism_threads(),
        threading.get_inter_op_parallelism_threads(),
    )


def _device(tf: Any, device: Any) -> str:
    """`CPU`, or `GPU` with the name of the card."""
    if device.device_type == "CPU":
        return "CPU"
    details = tf.config.experimental.get_device_details(device)
    return f"{device.device_type} {details.get('device_name', '')}".strip()


def _precision() -> str | None:
    """The global dtype policy, if Keras is imported already."""
    keras = sys.modules.get("keras")
    return str(keras.config.dtype_policy().name) if keras else None
