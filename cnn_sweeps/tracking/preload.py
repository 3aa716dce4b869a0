"""MLflow, imported for the processes that will be forked from this one."""

import mlflow.keras
import mlflow.models
import mlflow.tracking  # noqa: F401 -- all for their effect
