"""Names of what a study and its trials carry beside Optuna's own."""

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial, Trial

PLAN = "cnn_sweeps:plan"
PARENT = "cnn_sweeps:parent_run_id"
DEADLINE = "cnn_sweeps:deadline"
CLOCK = "cnn_sweeps:clock"
TIME_IS_UP = "cnn_sweeps:time_is_up"
STOP = "cnn_sweeps:stop"
COMMAND = "cnn_sweeps:command"
CPU_SLOTS = "cnn_sweeps:shares"
LOG = "cnn_sweeps:log"
OPEN = "cnn_sweeps:open"
RETRIES_ALLOWED = "cnn_sweeps:retries"
FAILURES_ALLOWED = "cnn_sweeps:max_failures"
SCHEDULE = "cnn_sweeps:schedule"
SCHEDULES = "cnn_sweeps:schedules"
IMAGES = "cnn_sweeps:images:"
"""Of a study: what it sweeps, its MLflow run, when no further trial may begin, by the clock of
which host, and whether that is so, whether the workers that a launcher placed are to end, the
command line that last carried it out, into how many shares it divides the cores where seconds are
compared, where its log is written, whether a controller may yet put trials into it, how often a
trial is requeued whose worker died, and how many may fail before one succeeds. And, as system
attributes, for nobody needs them at each look: which items there are beside those that wait (a
number that is another whenever they are stored is an ordinary one; see `schedule.in_parts`), and
the digest of the images that settings of data (a digest behind the name) lead to."""

CELL = "cell"
ATTEMPT = "attempt"
RESAMPLED = "asked"
SLOT = "place"
RETRIES = "retries"
KEPT = "kept_epochs"
IN_VAIN = "in_vain"
"""Of a waiting trial: its values where it has them, which try after dead workers this is, how
often the sampler was asked for this place and repeated itself, the number of the place in the
budget, the history of its retries (`retry.Retry`), after how many epochs it went on when a
scheduler last ended its job, and how often in a row that was no epoch later than before. A place
of an earlier version has the number of the trial that had it first."""

OWNER = "owner"
BEAT = "beat"
INTERRUPTED = "interrupted"
JOB_ENDED = "job_ended"
EXPERIMENT_KEY = "meaning"
TRAJECTORY_KEY = "course"
EPOCH = "epoch"
"""Of a running trial: whose it is, its last sign of life, why its worker has been asked to stop,
whether its scheduler has asked, which experiment it is, which trajectory that is a prefix of, and,
where it reports no metric to Optuna, its last epoch that has ended. A waiting trial with values
carries experiment and trajectory as well."""

CONFIG_HASH = "config_hash"
RUN_ID = "mlflow_run_id"
METRICS = "metrics"
METRIC = "metrics."
EPOCHS_TRAINED = "epochs_trained"
REUSED_FROM = "reused_from"
SHARED = "shared_epochs"
REPETITION = "repetition"
"""Of a trial that has begun: what it is, where it is logged, what it measured (each metric by its
name behind `metrics.`; earlier versions had all of them as one value), how many of its epochs were
trained and not from cache, the trial whose values it took, what was shared of its epochs
(`trajectories.sharing`), and with `duplicates=replicate` which repetition of its experiment it
is."""

REASON = "reason"
TRACEBACK = "traceback"
REPLACED = "superseded"
GIVEN_UP = "given_up"
LAST_HEARTBEAT = "seen"
REFUSED = "refused"
ANYWHERE = "fails_anywhere"
NO_VALUE = "no_value"
"""Of a trial that ended otherwise: why, where in the code, whether another one has taken its
place in the budget, whether none will since every experiment was tried, when its worker, which
died, was last known to live, whether it could not begin, for a store that cannot be used,
whether it failed for what it is, so that no other host could have trained it, and whether the job
of an application returned no number where none was asked for."""


def metrics_of(known: Mapping[str, Any]) -> dict[str, float]:
    """What a trial with these user attributes measured, by name; empty where it did not."""
    own = {key.removeprefix(METRIC): v for key, v in known.items() if key.startswith(METRIC)}
    return {**(known.get(METRICS) or {}), **own}


def metric_attributes(metrics: Mapping[str, float]) -> dict[str, float]:
    """Metrics as user attributes of a trial, a column each in Optuna's dashboard."""
    return {f"{METRIC}{name}": value for name, value in metrics.items()}


def slot_of(trial: FrozenTrial | Trial) -> int:
    """Number of a trial's place in the budget, from 0; it outlasts requeueing and resampling.

    By it a sweep that was disturbed proposes params and ranks equals as it would have undisturbed.
    """
    return int(trial.user_attrs.get(SLOT, trial.number))


def standing_trials(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials by their slot, without those that have given it on.

    Of several unfinished trials for one slot, which two processes may add at the same moment, the
    first is the one that counts; none is where a trial has finished.
    """
    standing = [trial for trial in trials if REPLACED not in trial.user_attrs]
    taken: set[int] = set()
    counted = []
    for trial in sorted(standing, key=lambda trial: (not trial.state.is_finished(), trial.number)):
        if trial.state.is_finished() or slot_of(trial) not in taken:
            counted.append(trial)
            taken.add(slot_of(trial))
    return sorted(counted, key=slot_of)


def carried_attributes(known: Mapping[str, Any]) -> dict[str, Any]:
    """Of what is known of a waiting trial, what says something; of the place 0 says something."""
    return {key: value for key, value in known.items() if value or (key == SLOT and value == 0)}
