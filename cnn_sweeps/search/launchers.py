"""Workers placed by Hydra's launchers: joblib, submitit (Slurm), Ray, or any other.

The seam: the controller prepares the study and hands the launcher one job for each worker.
A job is an ordinary Hydra job of this application with one more override,
`hydra.sweeper.worker=NUMBER/WORKERS@STORAGE@NAME`; its task function sees that and pulls
trials from the study until none is left. So a launcher needs no code of ours, and a worker
needs nothing but the study's storage, the tracking URI and the data.
"""

import signal

from hydra.core.utils import JobStatus
from hydra.plugins.launcher import Launcher

from cnn_sweeps.errors import RunFailedError
from cnn_sweeps.search.address import Address
from cnn_sweeps.search.budget import cores

SEPARATOR = "@"


def place_by_launcher(launcher: Launcher, address: Address, workers: int) -> None:
    """Run so many workers on a study as jobs of a launcher, and wait for them.

    Raises:
        RunFailedError: a worker could not run.
    """
    places = [
        SEPARATOR.join((f"{number}/{workers}", address.storage, address.name))
        for number in range(workers)
    ]
    told = [[f"hydra.sweeper.worker='{place}'"] for place in places]
    for result in launcher.launch(told, initial_job_idx=0):
        if result.status != JobStatus.COMPLETED:
            error = result._return_value
            raise RunFailedError(f"a worker of the launcher failed: {error}")


def work_as_job(worker: str) -> None:
    """Be a worker: what the task function of a launcher's job does.

    Args:
        worker: what the controller told, NUMBER/WORKERS@STORAGE@NAME.
    """
    from cnn_sweeps.search.execute import execute_of  # noqa: PLC0415 -- imports mlflow
    from cnn_sweeps.search.study import SweepStudy  # noqa: PLC0415 -- imports optuna
    from cnn_sweeps.search.worker import Worker  # noqa: PLC0415

    place, rest = worker.split(SEPARATOR, 1)
    number, workers = map(int, place.split("/"))
    storage, _, name = rest.rpartition(SEPARATOR)
    stopping: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda signum, _: stopping.append(signum))
    try:
        address = Address(storage=storage, name=name)
        study = SweepStudy.load(address, stream=1000 * (number + 1))
        Worker(
            study=study,
            execute=execute_of(study, None),
            stop=lambda: bool(stopping),
            number=number,
            threads=max(1, cores() // workers),
        ).work()
    finally:
        signal.signal(signal.SIGTERM, before)
