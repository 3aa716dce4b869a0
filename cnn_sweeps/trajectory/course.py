"""Where the epochs of a run come from. Import this module late: it imports Keras."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from cnn_sweeps.config.schema import Config
from cnn_sweeps.environment import Environment
from cnn_sweeps.errors import StoreError
from cnn_sweeps.identity import Identity
from cnn_sweeps.titles import title
from cnn_sweeps.tracking import TrackedRun
from cnn_sweeps.training import Course, FromScratch, Subject
from cnn_sweeps.trajectory.key import fingerprint
from cnn_sweeps.trajectory.store import TrajectoryStore
from cnn_sweeps.trajectory.walk import Walk


@contextmanager
def course_of(
    subject: Subject,
    config: Config,
    identity: Identity,
    environment: Environment,
    tracked: TrackedRun,
) -> Iterator[Course]:
    """The trajectory of a run, as far as it is known; or nothing but training.

    The run's tags say what of it was trained here, what was read, and who had trained that.

    Raises:
        StoreError: what is trained cannot be stored.
    """
    if not config.trajectory.reuse:
        yield FromScratch(subject=subject)
        return
    steps = config.trainer.steps_per_execution
    trajectories = TrajectoryStore.under(tracked.address.dir)
    entry = trajectories.entry(
        identity.trajectory_hash, fingerprint(environment, steps_per_execution=steps)
    )
    entry.describe(
        {
            "title": title(config.model),
            "data": config.data.name,
            "trajectory_hash": identity.trajectory_hash,
            "environment": environment.moving,
        }
    )
    with Walk(subject=subject, entry=entry, run_id=tracked.run_id) as walk:
        try:
            yield walk
        finally:
            with suppress(StoreError):  # what went wrong in the training is told instead
                tracked.set_tags(walk.tags)
    if walk.trained:
        trajectories.evict(config.trajectory.max_gb)
