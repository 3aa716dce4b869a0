"""The budget of a sweep: how many trials, for how long, on how many workers."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cnn_sweeps.data import free_memory
from cnn_sweeps.data.cores import cores
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.provenance import devices
from cnn_sweeps.sweeps.plan.search_plan import SearchPlan

UNBOUNDED_TRIALS = 20
"""Trials of a sweep over a continuous space when no number is given."""
LOG_LEVELS = ("debug", "info", "warning", "error")
NO_LOG = (".journal", ".lock")
"""Ends of names that files of a study have; a log of that name would be taken for one."""
LONGEST = 236
"""Bytes of a study's name; its files have longer names, of which systems take 255."""
UNNAMED = re.compile(r"[/\x00-\x1f\x7f]")
"""Characters that the name of a file must not have, or should not."""
WORKER_BYTES = 1.5 * 2**30
"""Memory that a worker with TensorFlow and a small network takes at its peak, measured."""
LEAST_BYTES = 0.9e9
"""What the process that workers are forked from and one of them take with a small network."""
STORAGE_VARIABLE = "CNN_SWEEPS_STORAGE"
"""The variable from which workers take a storage, so that its password is typed nowhere."""
ELSEWHERE = "none"
"""`n_jobs`: all workers are started by `cnn-sweeps worker`."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Totals of the study, not of one call: the same command continues to the same total.

    Attributes:
        n_trials: trials altogether; None for every cell of a discrete space.
        timeout: seconds of running trials after which no further one begins; None for no limit.
        n_jobs: workers; 0 for none but this process.
        workers_per_gpu: workers on each GPU; None for as many as have memory.
        elsewhere: whether all workers are started by somebody else, on any host.
        study_name: None for a name made from what is swept.
        storage: None for a journal under `tracking.dir`.
        enqueue: points that are tried first.
        retries: how often a trial is requeued whose worker died.
        max_failures: failures, without one success, that end the sweep.
        dry_run: whether to say only what would be done.
        log_level: the least level that is logged: debug, info, warning or error.
        log_file: where to log; None for a file beside the study.
    """

    n_trials: int | None = None
    timeout: float | None = None
    n_jobs: int = 1
    workers_per_gpu: int | None = None
    elsewhere: bool = False
    study_name: str | None = None
    storage: str | None = None
    enqueue: tuple[Any, ...] = ()
    retries: int = 2
    max_failures: int = 5
    dry_run: bool = False
    log_level: str = "info"
    log_file: str | None = None

    @classmethod
    def parse(cls, settings: Mapping[str, Any]) -> "Budget":
        """Check the values of `hydra.sweeper`.

        Raises:
            ConfigError: a number that is invalid.
        """
        for key, least in (("n_trials", 1), ("max_failures", 1), ("retries", 0)):
            _check_whole(key, settings.get(key, least), least)
        _check_timeout(settings.get("timeout"))
        name, storage = settings.get("study_name"), settings.get("storage")
        if name is not None and not _names_file(name):
            raise ConfigError(
                f"hydra.sweeper.study_name={name[:40]} is invalid: it names a file, so it has "
                f"1 to {LONGEST} bytes, and no / or line break; type null for a name derived from "
                f"what is swept."
            )
        if storage is not None and not storage.strip():
            raise ConfigError(
                "hydra.sweeper.storage is empty; type a path, the URL of a database, or null for a "
                "journal in tracking.dir."
            )
        per_gpu = _workers_per_gpu(settings)
        return cls(
            n_trials=settings.get("n_trials"),
            timeout=settings.get("timeout"),
            n_jobs=_jobs(settings.get("n_jobs", "auto"), per_gpu),
            workers_per_gpu=per_gpu,
            elsewhere=settings.get("n_jobs") == ELSEWHERE,
            study_name=name,
            storage=settings.get("storage"),
            enqueue=tuple(settings.get("enqueue") or ()),
            retries=settings.get("retries", cls.retries),
            max_failures=settings.get("max_failures", cls.max_failures),
            dry_run=bool(settings.get("dry_run")),
            log_level=_log_level(settings.get("log_level", cls.log_level)),
            log_file=_log_file(settings.get("log_file")),
        )

    def enumerates(self, plan: SearchPlan) -> bool:
        """Whether every cell is tried once, rather than a sampler asked."""
        size = plan.size
        if plan.sampler.enumerates:
            return True
        if size is None or plan.duplicates == "replicate":
            return size is not None and self.n_trials is None
        return self.n_trials is None or self.n_trials >= size

    def slots(self, plan: SearchPlan) -> int:
        """Trials of a sweep that a sampler fills."""
        return self.n_trials or plan.size or UNBOUNDED_TRIALS


def study_name(told: str, digest: str) -> str:
    """A name for a study that names files as well, by what it is about and what it asks."""
    short = UNNAMED.sub("-", told).encode()[:LONGEST].decode(errors="ignore")
    return f"{short}-{digest[:8]}"


def _names_file(name: str) -> bool:
    return bool(name.strip()) and len(name.encode()) <= LONGEST and not UNNAMED.search(name)


def _check_whole(key: str, given: Any, least: int) -> None:
    open_ended = key == "n_trials"
    if (given is None and open_ended) or (type(given) is int and given >= least):
        return
    raise ConfigError(
        f"hydra.sweeper.{key}={_typed(given)} is invalid: it takes an integer from {least}"
        f"{', or null for no limit' if open_ended else ''}."
    )


def _check_timeout(given: Any) -> None:
    number = isinstance(given, int | float) and not isinstance(given, bool)
    if given is None or (number and math.isfinite(given) and given > 0):
        return
    raise ConfigError(
        f"hydra.sweeper.timeout={_typed(given)} is invalid: it takes seconds, a number above "
        f"0, or null for no limit."
    )


def _log_level(given: Any) -> str:
    if given in LOG_LEVELS:
        return str(given)
    raise ConfigError(
        f"hydra.sweeper.log_level={_typed(given)} is invalid: it takes "
        f"{', '.join(LOG_LEVELS[:-1])} or {LOG_LEVELS[-1]}."
    )


def _log_file(given: Any) -> str | None:
    if given is None:
        return None
    name = str(given)
    if name.strip() and not name.endswith(NO_LOG) and "\0" not in name:
        return name
    raise ConfigError(
        f"hydra.sweeper.log_file={name!r} is invalid: it takes a path that does not end in "
        f"{' or '.join(NO_LOG)}, or null for a file beside the study."
    )


def _typed(given: Any) -> str:
    return "null" if given is None else str(given)


def fitting_workers(per_gpu: int | None = None) -> int:
    """A worker for each core of this host, as long as there is memory for them, on GPUs too.

    Args:
        per_gpu: workers on each GPU; as many as have memory when None.
    """
    memory = free_memory.free_bytes()
    fit = cores() if memory is None else int(memory // WORKER_BYTES)
    on_gpus = len(devices.seats(per_gpu)) or fit
    return max(1, min(cores(), fit, on_gpus))


def _workers_per_gpu(settings: Mapping[str, Any]) -> int | None:
    """`auto` or null: None.

    Raises:
        ConfigError: no number, no GPU that it could be about, or more workers than that.
    """
    given, jobs = settings.get("workers_per_gpu", "auto"), settings.get("n_jobs", "auto")
    if given in ("auto", None):
        return None
    key = f"hydra.sweeper.workers_per_gpu={given}"
    if type(given) is not int or given < 1:
        raise ConfigError(f"{key} is invalid: it takes an integer from 1, or auto.")
    gpus = len(devices.usable())
    if not gpus:
        raise ConfigError(
            f"{key}: there is no GPU here that nvidia-smi lists and {devices.VISIBLE} allows; "
            "leave it out."
        )
    if type(jobs) is int and jobs > gpus * given:
        raise ConfigError(
            f"hydra.sweeper.n_jobs={jobs} is more than {key} on {gpus} GPUs: leave one of them out."
        )
    return given


def _jobs(given: Any, per_gpu: int | None = None) -> int:
    """`auto`: a worker for each core that there is memory for, or 0; `none`: no worker."""
    if given == ELSEWHERE:
        return 0  # what is left to be done here, such as scoring the winners, this process does
    if given == "auto" or given is None:
        memory = free_memory.free_bytes()
        return 0 if memory is not None and memory < LEAST_BYTES else fitting_workers(per_gpu)
    if isinstance(given, int) and not isinstance(given, bool) and given >= 0:
        return given
    raise ConfigError(
        f"hydra.sweeper.n_jobs={given} is invalid: it takes a number of workers, "
        f"0 for this process alone, auto, or {ELSEWHERE} for workers that are started elsewhere."
    )
