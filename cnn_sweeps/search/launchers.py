"""Workers placed by Hydra's launchers: joblib, submitit (Slurm), Ray, or any other.

The seam: the controller prepares the study and hands the launcher one job for each worker.
A job is an ordinary Hydra job of this application with one more override,
`hydra.sweeper.worker=NUMBER/SHARES@STORAGE@NAME` (percent-encoded, as in a URL); its task
function sees that and pulls trials from the study until none is left. So a launcher needs no
code of ours, and a worker needs nothing but the study's storage, the tracking URI and the data.
"""

import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, unquote

from hydra.core.utils import JobStatus
from hydra.plugins.launcher import Launcher

from cnn_sweeps.errors import ConfigError, RunFailedError
from cnn_sweeps.search.address import Address
from cnn_sweeps.search.budget import cores

SEPARATOR = "@"
PLACE = re.compile(r"(\d+)/([1-9]\d*)@([^@]+)@([^@]+)")


def place_by_launcher(launcher: Launcher, address: Address, workers: int, shares: int) -> None:
    """Run so many workers on a study as jobs of a launcher, and wait for them.

    Args:
        launcher: Hydra's.
        address: the study.
        workers: how many.
        shares: into how many the cores of a host are divided among workers.

    Raises:
        RunFailedError: a worker could not run.
    """
    where = SEPARATOR.join(quote(part, safe="/") for part in (address.storage, address.name))
    told = [
        [f"hydra.sweeper.worker='{number}/{shares}{SEPARATOR}{where}'"] for number in range(workers)
    ]
    for result in launcher.launch(told, initial_job_idx=0):
        if result.status != JobStatus.COMPLETED:
            error = result._return_value
            raise RunFailedError(f"a worker of the launcher failed: {error}")


def work_as_job(worker: str) -> None:
    """Be a worker: what the task function of a launcher's job does.

    Args:
        worker: what the controller told, NUMBER/SHARES@STORAGE@NAME.

    Raises:
        ConfigError: the controller told something else.
    """
    from cnn_sweeps.search.execute import execute_of  # noqa: PLC0415 -- imports mlflow
    from cnn_sweeps.search.placement import asked_to_stop  # noqa: PLC0415 -- imports optuna
    from cnn_sweeps.search.study import SweepStudy  # noqa: PLC0415
    from cnn_sweeps.search.worker import Worker  # noqa: PLC0415

    place = PLACE.fullmatch(worker)
    if place is None:
        raise ConfigError(
            f"hydra.sweeper.worker={worker} is not possible: a sweep tells it to the workers "
            f"that a launcher places. Leave it out."
        )
    number, shares = int(place[1]), int(place[2])
    with _stoppable() as stopping:
        address = Address(storage=unquote(place[3]), name=unquote(place[4]))
        study = SweepStudy.load(address, stream=1000 * (number + 1))
        Worker(
            study=study,
            execute=execute_of(study, None),
            stop=lambda: bool(stopping) or asked_to_stop(study),
            number=number,
            threads=max(1, cores() // shares),
        ).work()


@contextmanager
def _stoppable() -> Iterator[list[int]]:
    """Note Ctrl-C, which a terminal tells to all processes, and SIGTERM instead of dying of them.

    A launcher may also run its jobs in this process, where the controller hears the signals.
    """
    stopping: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield stopping
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {n: signal.signal(n, lambda number, _: stopping.append(number)) for n in numbers}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
