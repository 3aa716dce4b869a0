"""MLflow, imported for the processes that will be forked from this one."""

import mlflow.tracking  # noqa: F401 -- for its effect
