"""The environment of a run: what may move the last bits without changing what it means."""

import os
import platform
import re
import socket
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from fnmatch import fnmatchcase
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from packaging.version import Version

from cnn_sweeps.data.cores import cores
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
    "pillow",
)
COMPUTING: Final = ("tensorflow", "keras", "numpy")
"""The packages that compute in every training; the others only compose, search and remember.

Our own stands for itself by the digest of its code: a release alone moves no bit.
"""
NETWORKS: Final = ("keras-hub",)
"""Packages that compute as well where the network is made by them, and are recorded there alone."""
SAME_BITS: Final = (({"cnn-sweeps": "0.1.0"}, "696e8ca94602cdf4"),)
"""Earlier states of this package whose finished runs hold: version, where it counted, and code.

Each was shown to give the same bits: its stored runs are reproduced by the tests.
"""
PACKAGE: Final = re.compile(r"\w[\w.-]*", re.ASCII)
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
AT_FIRST: Final = (
    "DNNL_MAX_CPU_ISA",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_NUM_THREADS",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "ONEDNN_MAX_CPU_ISA",
    "TF_DETERMINISTIC_OPS",
    "TF_NUM_INTEROP_THREADS",
    "TF_NUM_INTRAOP_THREADS",
)
THEN: Final = (
    *("CUBLAS_*", "CUDNN_*", "MIOPEN_*", "NVIDIA_TF32_OVERRIDE"),
    *("DNNL_*", "KMP_*", "MKL_*", "OMP_*", "ONEDNN_*", "OPENBLAS_*"),
    *("TF_AUTO*", "TF_CUBLAS_*", "TF_CUDNN_*", "TF_DETERMINISTIC_*", "TF_DISABLE_*"),
    *("TF_ENABLE_*", "TF_MATMUL_*", "TF_MKL_*", "TF_NUM_*", "TF_ONEDNN_*", "TF_SET_*"),
    *("TF_USE_*", "TF_XLA_*", "XLA_*"),
)
NOW: Final = (
    *THEN,
    *("BLIS_*", "CUDA_FORCE_*", "CUDA_MODULE_*", "GLIBC_TUNABLES", "GOMP_*", "GOTO_*"),
    *("HIPBLASLT_*", "HSA_OVERRIDE_*", "NPY_*", "ROCBLAS_*", "TF_CPU_*"),
    *("TF_FORCE_*", "TF_FP16_*", "TF_GPU_*", "TF_JIT*", "TF_ROCM_*", "VECLIB_*"),
)
WATCHED: Final = {1: AT_FIRST, 2: THEN, 3: NOW}
"""Variables, beside oneDNN's switch, by which the libraries choose what they run; by version.

A record says which version it was made with (`Environment.watching`): what that did not watch it
knows nothing of. No pattern fits Terraform's `TF_VAR_*`, which hold passwords.
"""
WATCHING: Final = max(WATCHED)
UNWATCHED: Final = (
    *(ONEDNN, "*_VERBOSE*", "*_LOG*", "OMP_DISPLAY_*", "TF_DISABLE_PROFILING"),
    *("KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK"),  # scikit-learn sets them when it is imported
    *("KMP_SETTINGS", "KMP_WARNINGS", "OMP_TOOL*", "*_LIBRARY*", "*_LIBRARIES*"),
)
"""Of these, what moves no bit, what is recorded elsewhere, and what names code to load."""
SETTING: Final = "tf.config."
"""Names of TensorFlow's settings that a program has changed begin so."""
NOT_RECORDED: Final = "not recorded"
"""In place of the value of a variable that a record knows nothing of."""
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
        variables: those of `WATCHED` that are set, and the settings of TensorFlow that a program
            has changed, by their names in `tf.config`.
        watching: the version of `WATCHED` that was looked for.
        precision: Keras dtype policy; None before Keras is imported.
        decoded: digest of the pixels that image files were decoded to, where the data are named
            by the files: another decoder may have made others; None for all other data.
        loss: digest of what a user's own loss gives for a few images: it may read a file; None
            without one.
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
    watching: int = WATCHING
    precision: str | None
    git_commit: str | None
    git_dirty: bool | None
    decoded: str | None = None
    loss: str | None = None

    @classmethod
    def capture(
        cls,
        *,
        threads: int,
        deterministic: bool,
        decoded: str | None = None,
        loss: str | None = None,
        beside: tuple[str, ...] = (),
    ) -> "Environment":
        """The environment of this process, now; never fails and imports nothing heavy.

        Args:
            threads: see above.
            deterministic: see above.
            decoded: see above.
            loss: see above.
            beside: those of `NETWORKS` that make the network.
        """
        cpu, flags = processor()
        devices, intra, inter = _tensorflow()
        commit, dirty = checkout.commit()
        return cls(
            python=platform.python_version(),
            platform=platform.platform(),
            hostname=socket.gethostname(),
            packages=versions_of((*PACKAGES, *beside)),
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
            variables=_watched(os.environ) | _changed_settings(),
            precision=_precision(),
            git_commit=commit,
            git_dirty=dirty,
            decoded=decoded,
            loss=loss,
        )

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Environment":
        """The environment that `as_dict` (or JSON made of it) describes.

        Raises:
            KeyError: a field is missing that environments always had.
            ValueError: a field holds what no environment has.
        """
        from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 -- for what is stored

        values = {
            "variables": {},
            "code": None,
            "watching": 1,
            "decoded": None,
            "loss": None,
            **stored,
        }
        known = {field.name: values[field.name] for field in fields(cls)}
        try:
            read = TypeAdapter(cls).validate_python(known)
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"{first['loc'][0]}: {first['msg']}") from error
        for name, number in read.packages.items():
            if not PACKAGE.fullmatch(name):
                raise ValueError(f"packages: {name!r} is not the name of a package")
            Version(number)
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
        beside = {"decoded": self.decoded, "loss": self.loss}
        return {
            **{name: digest for name, digest in beside.items() if digest is not None},
            "python": _minor(self.python),
            "system": _system(self.platform),
            "packages": _computing(self.packages),
            **{name: values[name] for name in NUMERICS},
            "threads": self.threads or self.intra_op_threads or self.cpu_count,
        }

    @property
    def software(self) -> str:
        """Digest of versions and code that may move bits, wherever they run."""
        return _software(self.python, self.packages, self.code)

    def difference(self, other: "Environment") -> dict[str, tuple[Any, Any]]:
        """What differs, by name: (here, there). A package reads `packages.keras`."""
        values = ({**each.as_dict(), "watching": None} for each in (self, other))
        return self._as_far_as_known(_differing(*values), other)

    def difference_in_numerics(self, other: "Environment") -> dict[str, tuple[Any, Any]]:
        """Of what differs, what may move the last bits of a training, by name: (here, there)."""
        return self._as_far_as_known(_differing(self.numerics, other.numerics), other)

    def is_as_fast_as(self, other: "Environment") -> bool:
        """Whether seconds that were measured in both can be compared.

        They can where the same kernels run on the same kind of processor, with as many threads.
        Devices are taken for the same where TensorFlow was not there to tell them, and the
        precision is part of what is trained.
        """
        untold = {"precision"} if self.devices and other.devices else {"precision", "devices"}
        return not self.difference_in_numerics(other).keys() - untold

    @property
    def flags(self) -> dict[str, str]:
        """The variables of the process, oneDNN's switch among them, as far as they were set."""
        switch = {} if self.onednn == "default" else {ONEDNN: self.onednn}
        return {name: v for name, v in self.variables.items() if is_watched(name)} | switch

    @property
    def flags_are_here(self) -> bool:
        """Whether this process has the variables and settings that were recorded.

        What a record knows nothing of is taken for the same.
        """
        then, here = {**self.variables, **self.flags}, set_flags() | _changed_settings()
        return all(then.get(n) == here.get(n) for n in {*then, *here} if self.knows(n))

    def knows(self, name: str) -> bool:
        """Whether the value of a variable or a setting is recorded, set or not."""
        if name.startswith(SETTING) and self.watching > 1:
            return True
        return name == ONEDNN or name in self.variables or is_watched(name, self.watching)

    def _as_far_as_known(
        self, pairs: dict[str, tuple[Any, Any]], other: "Environment"
    ) -> dict[str, tuple[Any, Any]]:
        """Differences in which an unset variable is told from one that nobody looked at."""

        def told(environment: Environment, name: str, value: Any) -> Any:
            group, _, variable = name.partition(".")
            known = group != "variables" or environment.knows(variable)
            return value if known else NOT_RECORDED

        return {n: (told(self, n, a), told(other, n, b)) for n, (a, b) in pairs.items()}


def set_flags(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables of a process that may move bits, oneDNN's switch among them."""
    switch = {ONEDNN: environ[ONEDNN]} if ONEDNN in environ else {}
    return _watched(environ) | switch


def is_watched(name: str, watching: int = WATCHING) -> bool:
    """Whether a variable may move bits, as far as a version of `WATCHED` knows."""
    patterns = WATCHED.get(watching, WATCHED[WATCHING])
    return _fits(name, patterns) and not _fits(name, UNWATCHED)


def _watched(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: environ[name] for name in sorted(environ) if is_watched(name)}


def _fits(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def same_software(python: str, packages: Mapping[str, str]) -> frozenset[str]:
    """Every `Environment.software` that gives the bits of our code as it is, wherever it runs.

    Args:
        python: version of the interpreter.
        packages: versions by name.
    """
    earlier = (_software(python, packages, code, versions) for versions, code in SAME_BITS)
    return frozenset({_software(python, packages, checkout.digest()), *earlier})


def _software(
    python: str,
    packages: Mapping[str, str],
    code: str | None,
    versions: Mapping[str, str] | None = None,
) -> str:
    computing = {**(versions or {}), **_computing(packages)}
    told = {"python": _minor(python), "packages": computing, "code": code}
    return sha256(told)[: checkout.SHOWN]


def _computing(packages: Mapping[str, str]) -> dict[str, str | None]:
    """The versions of the packages that compute."""
    made_by = {name: packages[name] for name in NETWORKS if name in packages}
    return {**{name: packages.get(name) for name in COMPUTING}, **made_by}


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


@cache
def versions_of(packages: tuple[str, ...]) -> Mapping[str, str]:
    """Versions from the installed metadata, without importing the packages; read once."""
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def processor() -> tuple[str, tuple[str, ...]]:
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


def _changed_settings() -> dict[str, str]:
    """What a program has set in `tf.config` that may move bits and is no part of an experiment."""
    tf = sys.modules.get("tensorflow")
    if tf is None:
        return {}
    grappler = tf.config.optimizer.get_experimental_options().items()
    found = {
        "optimizer.jit": tf.config.optimizer.get_jit(),
        "optimizer": {k: v for k, v in grappler if v or not k.startswith("disable_")},
        "run_functions_eagerly": tf.config.functions_run_eagerly(),
        "no_tensor_float_32": not tf.config.experimental.tensor_float_32_execution_enabled(),
    }
    return {f"{SETTING}{name}": str(value) for name, value in found.items() if value}


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
