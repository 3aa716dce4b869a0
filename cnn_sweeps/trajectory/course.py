"""Where the epochs of a run come from. Import this module late: it imports Keras."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from cnn_sweeps.config.schema import Config, CustomModel
from cnn_sweeps.environment import Environment
from cnn_sweeps.errors import StoreError
from cnn_sweeps.identity import Identity
from cnn_sweeps.titles import title
from cnn_sweeps.tracking import TrackedRun
from cnn_sweeps.training import Course, FromScratch, Subject
from cnn_sweeps.trajectory.entry import Entry
from cnn_sweeps.trajectory.hidden import has_hidden_state
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
        with _told(FromScratch(subject=subject), tracked) as scratch:
            yield scratch
        return
    trajectories = TrajectoryStore.under(tracked.address.dir)
    entry = _entry(trajectories, config, identity, environment)
    goes_on = not (isinstance(config.model, CustomModel) and has_hidden_state(subject.model))
    walk = Walk(subject=subject, entry=entry, run_id=tracked.run_id, goes_on=goes_on)
    try:
        with _told(walk, tracked), walk:
            yield walk
    finally:
        if walk.trained:
            trajectories.evict_at_times(config.trajectory.max_gb)


@contextmanager
def _told(course: Course, tracked: TrackedRun) -> Iterator[Course]:
    """Say in the run's tags what its epochs have cost, whatever ended them."""
    try:
        yield course
    finally:
        with suppress(StoreError):  # what went wrong in the training is told instead
            tracked.set_tags(course.paid.tags)


def _entry(
    trajectories: TrajectoryStore, config: Config, identity: Identity, environment: Environment
) -> Entry:
    steps = config.trainer.steps_per_execution
    where = fingerprint(environment, steps_per_execution=steps)
    entry = trajectories.entry(identity.trajectory_hash, where)
    with suppress(StoreError):  # what cannot be written may still be read
        entry.describe(
            {
                "title": title(config.model),
                "data": config.data.name,
                "trajectory_hash": identity.trajectory_hash,
                "environment": environment.moving,
            }
        )
    return entry
