"""The experiment that runs are logged under: made by who logs, only looked for by who reads."""

from typing import TYPE_CHECKING

from cnn_sweeps.errors import StoreError
from cnn_sweeps.tracking import notes
from cnn_sweeps.tracking.address import Address

if TYPE_CHECKING:
    from mlflow import MlflowClient


def made(client: "MlflowClient", name: str, address: Address) -> str:
    """The id of the experiment, made if nobody has made it yet."""
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            return client.create_experiment(
                name, artifact_location=address.artifacts, tags=notes.EXPERIMENT_TAGS
            )
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            experiment = client.get_experiment_by_name(name)  # another process was quicker
    if experiment is None or experiment.lifecycle_stage == "deleted":
        raise StoreError(
            f"The MLflow experiment {name!r} was deleted. Type tracking.experiment=ANOTHER_NAME, "
            "or bring it and its runs back with `mlflow experiments restore`."
        )
    return experiment.experiment_id


def known(client: "MlflowClient", name: str, _address: Address) -> str:
    """The id of the experiment; empty where nobody has made it, or somebody has deleted it."""
    experiment = client.get_experiment_by_name(name)
    if experiment is None or experiment.lifecycle_stage == "deleted":
        return ""
    return str(experiment.experiment_id)
