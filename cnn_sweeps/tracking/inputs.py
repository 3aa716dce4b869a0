"""A data set as an MLflow dataset input, without handing MLflow the images."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from cnn_sweeps.data.dataset import Dataset

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput
    from mlflow.types import Schema

DIGEST_LENGTH: Final = 36
NAME_LENGTH: Final = 500


def dataset_input(dataset: Dataset, context: str) -> "DatasetInput":
    """Describe a data set for a run's inputs.

    MLflow keeps one entry for each (name, digest) of an experiment, so the entry holds what
    the digest covers; the sizes of the splits, which differ between runs, are tags of the
    input. MLflow's own `NumpyDataset` is avoided: it would go through the images again.

    Args:
        dataset: the images; only shapes and names are read.
        context: what the run did with it, such as `training`.
    """
    from mlflow.entities import Dataset as Entry
    from mlflow.entities import DatasetInput, InputTag

    kind = "local" if Path(dataset.source).exists() else "package"
    entry = Entry(
        name=dataset.name[:NAME_LENGTH] or "dataset",
        digest=dataset.digest[:DIGEST_LENGTH],
        source_type=kind,
        source=json.dumps({"uri": dataset.source}),
        schema=json.dumps({"mlflow_tensorspec": _schema(dataset)}),
        profile=json.dumps(_profile(dataset), ensure_ascii=False),
    )
    tags = {
        "mlflow.data.context": context,
        "train_images": str(len(dataset.x_train)),
        "validation_images": str(len(dataset.x_val)),
        "test_images": str(len(dataset.x_test)),
    }
    return DatasetInput(dataset=entry, tags=[InputTag(k, v) for k, v in tags.items()])


def _profile(dataset: Dataset) -> dict[str, object]:
    """What the content of the data set is, for a person."""
    return {
        "digest": dataset.digest,
        "image_shape": list(dataset.shape),
        "num_classes": dataset.num_classes,
        "class_names": list(dataset.class_names),
    }


def _schema(dataset: Dataset) -> dict[str, str]:
    """Types and shapes of images and labels, in the form that MLflow's pages show."""
    images = tensor(np.uint8, (-1, *dataset.shape))
    return {"features": images.to_json(), "targets": tensor(np.int64, (-1,)).to_json()}


def tensor(kind: type[np.generic], shape: tuple[int, ...]) -> "Schema":
    """An MLflow schema of one unnamed tensor; -1 stands for any length."""
    from mlflow.types import Schema, TensorSpec

    return Schema([TensorSpec(np.dtype(kind), shape)])
