"""MLflow and its tables, made ready for the processes that will be forked from this one."""

from sqlalchemy.orm import configure_mappers

from cnn_sweeps.tracking.imports import quiet_mlflow

with quiet_mlflow():
    import mlflow.keras
    import mlflow.models
    import mlflow.store.model_registry.sqlalchemy_store
    import mlflow.tracking  # noqa: F401 -- all for their effect

    configure_mappers()
