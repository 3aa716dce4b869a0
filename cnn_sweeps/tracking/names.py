"""Names in MLflow: tags and artifacts.

They are stored and typed by users, so that a name never changes; one that got a better name is
still read under the old one.
"""

TRIAL = "trial"
"""Tag of an MLflow run: number of its trial in the study."""

PARENT = "mlflow.parentRunId"
CONFIG_HASH = "config_hash"
REPRODUCES = "reproduces"
"""Tag of a run that was made to be compared with another: the run id of that one."""
REUSED_FROM = "reused_from"
"""Tag of a run that was answered from another, and trained nothing: the run id of that one."""
KIND = "kind"
"""Tag of every run: run, trial, sweep or reproduction."""
STUDY_NAME = "study_name"
"""Tag of a sweep's run and of its trials."""
NETWORK = "network"
"""Tag of a run: a short name of its network, such as `cnn 64x2`."""
DATA = "data"
"""Tag of a run: the name of its data."""
STOP_REASON = "stop_reason"
"""Tag of a run: why its training ended."""
CHOSEN = "chosen"
"""Tag of a run that considered an average of its epochs: which weights it ended with."""
BY_CALLBACK = "stopped_by_callback"
"""Tag of a run that a callback ended before its config did: why. Its result is not what its config
hash stands for."""
STATE = "state"
"""Tag of a run that has ended: complete, stopped by callback, pruned, stopped or failed, for the
list of runs."""
PRUNED_EPOCH = "pruned_epoch"
"""Tag of a run that was pruned: after which epoch."""
SOFTWARE = "software"
"""Tag of a run: digest of the versions and the code that trained it."""
NETWORK_SHA256 = "network_sha256"
"""Tag of a run with a user's own network: digest of what its function built."""
REMARKS = "remarks"
"""Tag of a run: what a person should know of its network and its record, a sentence a line."""
LEFT_OUT = "figures_left_out"
"""Tag of a run of which a picture could not be made: which ones, and why."""

RETRY_ATTEMPT = "retry_attempt"
RETRY_REASON = "retry_reason"
RETRY_OF = "retry_of"
"""Tags of a trial's run that is a retry: which attempt it is, why the one before did not come to
its end, and the number of that trial in the study."""

EPOCHS_TRAINED = "epochs_trained"
EPOCHS_REUSED = "epochs_reused"
SECONDS_PAID = "train_seconds_paid"
TRAINED_BY = "trained_by"
"""Tags of a run: what of its epochs it has trained, and which runs have trained the others."""
MODEL_FROM = "model_from"
"""Tag of a run that left its model to the stored epochs: which one of which trajectory it is."""
GIT_COMMIT = "git_commit"
GIT_DIRTY = "git_dirty"
"""Tags of a run: the commit of its code, and whether files differed from it."""

PROCESS = "process"
"""Tag of a run: the process that writes to it, as JSON of an `Owner`."""
WRITE_CHECK = "write_check"
"""Tag that is set and taken away at once, to see whether a run can be written to."""

TRAJECTORY_HASH = "trajectory_hash"
LINEAGE = "lineage"
"""Tag of a run that changes on its way: a line for each segment, with its trajectory hash."""
DATA_DIGEST = "data_digest"
SCHEMA_VERSION = "schema_version"
WEIGHTS = "weights_sha256"
"""Tags of a run: what it is (with `CONFIG_HASH`), the version of that, and what it trained."""
MODEL_FILES = "files_sha256"
"""Tag of a stored model: the SHA-256 of each of its files by its path, as JSON."""
VERDICT = "verdict"
REPRODUCED_BY = "reproduced_by"
REPRODUCTION_VERDICT = "reproduction_verdict"
"""Tags of a reproduction and of the run that it was made for."""

CONFIG_FILE = "config.yaml"
ENVIRONMENT_FILE = "environment.json"
IMAGES_FILE = "images.json"
SUMMARY_FILE = "model_summary.txt"
LAYERS_FILE = "layers.json"
CURVES_FILE = "learning_curves.png"
"""Artifacts of every run."""
PLAN_FILE = "plan.json"
RANKING_FILES = ("ranking.json", "ranking.csv", "ranking.md")
ANSWER_FILES = ("answer.md", "answer.json")
REPORT_FILES = ("report.html", "report.md")
REPORT_OF = "report_of"
"""Tag of the run of a sweep: digest of what its report was made of."""
"""Artifacts of the run of a sweep."""

RESERVED = frozenset(
    value
    for name, value in [*vars().items()]
    if name.isupper() and isinstance(value, str) and not name.endswith("_FILE")
) | {"error", "error_type", "pruned_reason", "stopped_reason", "stopped", "description_digest"}
"""All tags of runs: they decide what a run is taken for, so that users give theirs other names."""
