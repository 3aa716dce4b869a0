"""Jobs of submitit's launcher on Slurm: which of them have ended, as the queue has it.

Submitit asks `sacct`. Where Slurm keeps no accounts, as on many small clusters, that is an error
at each look, and a job that was cancelled or killed would be waited for without end. `squeue`
answers everywhere.
"""

import logging

from submitit.slurm.slurm import SlurmInfoWatcher, SlurmJob

LOOK = 30
"""Seconds between two looks, at most; an ended job's result is seen at once."""


class QueueWatcher(SlurmInfoWatcher):
    """A job that neither waits nor runs has ended."""

    def _make_command(self) -> list[str]:
        return ["squeue", "--me", "--noheader", "--array", "--format=%i"]

    def read_info(self, string: bytes | str) -> dict[str, dict[str, str]]:
        """The state of each job that was submitted, from the numbers of those in the queue."""
        text = string.decode() if isinstance(string, bytes) else string
        queued = set(text.split())
        return {
            job: {"JobID": job, "State": "RUNNING" if job in queued else "ENDED"}
            for job in self._registered
        }


def watch_queue() -> None:
    """Let submitit ask the queue; where that does not answer it asks again, and says nothing."""
    SlurmJob.watcher = QueueWatcher(delay_s=LOOK)
    logging.getLogger("submitit").setLevel(logging.ERROR)
