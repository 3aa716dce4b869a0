"""What things are called in MLflow: tags and artifacts.

They are stored and typed by users, so that a name never changes; one that got a better name is
still read under the old one. The tags of what a training cost are `training.epoch.TrainingCost`'s.
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
STATE = "state"
"""Tag of a run that has ended: complete, pruned, stopped or failed, for the list of runs."""
SOFTWARE = "software"
"""Tag of a run: digest of the versions and the code that trained it."""
LEFT_OUT = "figures_left_out"
"""Tag of a run of which a picture could not be made: which ones, and why."""

RETRY_ATTEMPT = "retry_attempt"
RETRY_REASON = "retry_reason"
RETRY_OF = "retry_of"
"""Tags of a trial's run that is a retry: which attempt it is, why the one before did not come to
its end, and the number of that trial in the study."""

PROCESS = "process"
"""Tag of a run: the process that writes to it, as JSON of an `Owner`."""

TRAJECTORY_HASH = "trajectory_hash"
DATA_DIGEST = "data_digest"
SCHEMA_VERSION = "schema_version"
WEIGHTS = "weights_sha256"
"""Tags of a run: what it is (with `CONFIG_HASH`), the version of that, and what it trained."""
VERDICT = "verdict"
REPRODUCED_BY = "reproduced_by"
REPRODUCTION_VERDICT = "reproduction_verdict"
"""Tags of a reproduction and of the run that it was made for."""

CONFIG_FILE = "config.yaml"
ENVIRONMENT_FILE = "environment.json"
SUMMARY_FILE = "model_summary.txt"
LAYERS_FILE = "layers.json"
CURVES_FILE = "learning_curves.png"
"""Artifacts of every run."""
PLAN_FILE = "plan.json"
RANKING_FILES = ("ranking.json", "ranking.csv", "ranking.md")
ANSWER_FILES = ("answer.md", "answer.json")
REPORT_FILES = ("report.html", "report.md")
"""Artifacts of the run of a sweep."""
