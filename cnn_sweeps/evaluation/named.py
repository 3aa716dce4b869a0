"""Metrics by name, and whether more of one is better; nothing heavy is imported before one is used.

A metric is a function of the true classes, (n,), and the probabilities, (n, classes), whose rows
sum to 1. It is NaN where these images cannot tell it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.evaluation import metrics

Function = Callable[[NDArray[np.int64], NDArray[Any]], float]
TOP_K: Final = re.compile(r"top_([1-9]\d{0,3})_accuracy")
SPLITS: Final = ("val_", "test_")
ALSO_RISING: Final = ("accuracy", "images_per_second")


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric.

    Attributes:
        of: computes it.
        higher_is_better: whether more of it is better.
        least: classes that must have images for it to say anything.
        k: it says something for more classes than this.
    """

    of: Function
    higher_is_better: bool = True
    least: int = 1
    k: int = 0

    def cannot(self, present: int, classes: int) -> str:
        """Why it says nothing for images like these; empty where it does.

        Args:
            present: classes that have images.
            classes: all classes.
        """
        if present < self.least:
            return f"needs images of {self.least} classes, and there are images of {present}"
        if classes <= self.k:
            return f"is 1 for {classes} classes, whatever is predicted"
        return ""


METRICS: Final[Mapping[str, Metric]] = {
    "accuracy": Metric(of=metrics.accuracy),
    "balanced_accuracy": Metric(of=metrics.balanced_accuracy),
    "macro_f1": Metric(of=metrics.macro_f1),
    "roc_auc": Metric(of=metrics.roc_auc, least=2),
    "pr_auc": Metric(of=metrics.pr_auc, least=2),
    "log_loss": Metric(of=metrics.log_loss, higher_is_better=False),
    "brier": Metric(of=metrics.brier, higher_is_better=False),
    "ece": Metric(of=metrics.ece, higher_is_better=False),
}
"""All but top-k accuracy, of which there is one for each k."""
KNOWN: Final = ", ".join((*METRICS, "top_K_accuracy"))
"""All of them, for a person."""


def find_metric(name: str) -> Metric | None:
    """The metric of that name; None where there is none."""
    if found := TOP_K.fullmatch(name):
        k = int(found[1])
        return Metric(of=partial(metrics.top_k_accuracy, k=k), k=k)
    return METRICS.get(name)


def closest_name(name: str) -> str:
    """The metric that may have been meant by a name; empty where none is like it."""
    found = (
        [name] if find_metric(name) else get_close_matches(name, (*METRICS, "top_3_accuracy"), n=1)
    )
    return found[0] if found else ""


def higher_is_better(name: str) -> bool:
    """Whether more of a run's metric is better: of some of these, of accuracies, and of speed.

    Args:
        name: as a run has it, such as `val_macro_f1`.
    """
    metric = find_metric(re.sub(f"^({'|'.join(SPLITS)})", "", name))
    return name.endswith(ALSO_RISING) if metric is None else metric.higher_is_better
