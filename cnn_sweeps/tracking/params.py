"""Values in the form that MLflow takes: flat names, text within its limits, batches.

A data set goes in as a dataset input, without handing MLflow the images.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from cnn_sweeps.data.dataset import Dataset
from cnn_sweeps.text.dotted import dotted

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput
    from mlflow.types import Schema

T = TypeVar("T")

# Limits of the tracking API (`mlflow.utils.validation`). Beyond them MLflow refuses the
# whole batch, or cuts the value without a sign.
PARAM_LENGTH: Final = 6_000
TAG_LENGTH: Final = 8_000
KEY_LENGTH: Final = 250
PARAMS_PER_BATCH: Final = 100
METRICS_PER_BATCH: Final = 800
"""Of 1,000 entries of a batch, 100 may be params and 100 tags."""

SCORES: Final = frozenset(
    {"loss", "accuracy", "val_loss", "val_accuracy", "test_loss", "test_accuracy"}
)
"""Metrics that Keras computes."""
BEST: Final = "best_"
"""In front of a metric of a sweep's run, which is that of its best trial."""
PRECISION: Final = "trainer.precision"
"""Param of every training."""
SINGLE: Final = frozenset({"float32", "mixed_bfloat16", "mixed_float16"})
"""Its values with which scores are float32."""

ELLIPSIS: Final = "…"
DIGEST_LENGTH: Final = 36
NAME_LENGTH: Final = 500
INPUT_TAG_LENGTH: Final = 500


def flatten(config: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """The config as MLflow params: dotted names, every value as text.

    Args:
        config: nested mappings of JSON values.
        prefix: what stands in front of every name.

    Returns:
        One entry for each leaf; an absent value reads `null`, a list is JSON, and so is
        an empty mapping, which would vanish otherwise.
    """
    named = dotted(config, prefix, is_value=lambda _, value: not value)
    return {name: as_text(value) for name, value in named}


def as_text(value: object) -> str:
    """One value as a person would type it: text as it is, everything else as JSON."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool | int | float | Mapping | Sequence):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def shorten(text: str, limit: int) -> str:
    """The text, cut to the limit with an ellipsis that shows the cut."""
    return text if len(text) <= limit else text[: limit - 1] + ELLIPSIS


def cut_names(values: Mapping[str, str], limit: int) -> list[str]:
    """The names of stored texts that were cut to a limit."""
    return [name for name, text in values.items() if len(text) == limit and text[-1] == ELLIPSIS]


def shortest_decimal(name: str, value: float) -> float:
    """A score as the shortest decimal that gives the same float32 back, 0.874; others as they are.

    Keras computes scores as float32; 0.8740000128746033 is the same number, and nobody's to read.
    """
    if name.removeprefix(BEST) not in SCORES:
        return value
    with np.errstate(over="ignore"):
        single = np.float32(value)
    return float(str(single)) if float(single) == value else value


def exact_value(name: str, value: float, *, precision: str | None) -> float:
    """The number that `shortest_decimal` was given, bit for bit; what was stored without it stays.

    Args:
        name: of the metric.
        value: as it is stored.
        precision: `trainer.precision` of the run; None where it is no training.
    """
    if name not in SCORES or precision not in SINGLE:
        return value
    with np.errstate(over="ignore"):
        single = np.float32(value)
    return float(single) if float(str(single)) == value else value


def key(name: str) -> str:
    """A name that MLflow accepts: other characters than word, dot, dash, space become `_`."""
    return re.sub(r"[^\w.\- ]", "_", name)[:KEY_LENGTH] or "_"


def tags(values: Mapping[str, object]) -> dict[str, str]:
    """Tags within MLflow's limits."""
    return {key(name): shorten(as_text(value), TAG_LENGTH) for name, value in values.items()}


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of at most `size`."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


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
    tags = {"mlflow.data.context": context}
    for split, counts in dataset.images_per_class.items():
        each = zip(dataset.class_names, counts, strict=True)
        listed = ", ".join(f"{name} {count}" for name, count in each)
        tags[f"{split}_images"] = str(sum(counts))
        tags[f"{split}_images_per_class"] = shorten(listed, INPUT_TAG_LENGTH)
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
