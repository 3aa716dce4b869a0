"""Names of what a study and its trials carry beside Optuna's own."""

PLAN = "cnn_sweeps:plan"
PARENT = "cnn_sweeps:parent_run_id"
DEADLINE = "cnn_sweeps:deadline"
STOP = "cnn_sweeps:stop"
COMMAND = "cnn_sweeps:command"
"""Of a study: what it sweeps, its MLflow run, when no further trial may begin, whether the
workers that a launcher placed are to end, and the command line that last carried it out."""

CELL = "cell"
ATTEMPT = "attempt"
ASKED = "asked"
"""Of a waiting trial: its values where it has them, which try after dead workers this is, and
how often the sampler was asked for this place and repeated itself."""

OWNER = "owner"
BEAT = "beat"
MEANING = "meaning"
COURSE = "course"
"""Of a running trial: whose it is, its last sign of life, which experiment it is, and which
trajectory that is a prefix of. A waiting trial with values carries the last two as well."""

CONFIG_HASH = "config_hash"
RUN_ID = "mlflow_run_id"
METRICS = "metrics"
EPOCHS_TRAINED = "epochs_trained"
REUSED_FROM = "reused_from"
"""Of a trial that has begun: what it is, where it is logged, what it measured, how many of its
epochs were trained and not known already, and the trial whose values it took."""

REASON = "reason"
TRACEBACK = "traceback"
SUPERSEDED = "superseded"
SEEN = "seen"
"""Of a trial that ended otherwise: why, where in the code, whether another one has taken its
place in the budget, and when its worker, which died, was last known to live."""
