"""What an exercise asks: the node `exercise` of its YAML file, checked."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.text.dotted import dotted
from cnn_sweeps.text.json import from_text

NODE = "exercise"
"""Where an exercise stands in the composed config; it is no part of an experiment."""
KEYS = ("name", "question", "seeds", "base", "settings", "says")
MOST_SEEDS = 100


@dataclass(frozen=True, kw_only=True)
class ComparisonSpec:
    """A question, and the cell of its sweep that all others are compared with.

    Attributes:
        name: what is typed behind `+exercise=`.
        question: one sentence.
        seeds: how often each cell is trained, with the seeds from 0.
        base: the cell of the base model by swept key; the seed is not among them.
        settings: keys that differ from the default experiment in every cell.
        phrases: how a sentence of the answer begins, by the cell as it would be typed.
    """

    name: str
    question: str
    seeds: int
    base: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)
    phrases: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, node: Any) -> "ComparisonSpec":
        """Check the plain values of the node; whether base and sweep fit is seen later.

        Raises:
            ConfigError: a key that is missing or unknown, or a value that is invalid.
        """
        if not isinstance(node, Mapping) or not {"name", "question", "base"} <= set(node):
            raise ConfigError(
                f"{NODE} needs name, question and base; choose one with +{NODE}=1_filters, or "
                f"write a file like conf/{NODE}/1_filters.yaml."
            )
        if unknown := sorted(set(node) - set(KEYS)):
            raise ConfigError(
                f"{NODE}.{unknown[0]} is not known; {NODE} has the keys {', '.join(KEYS)}."
            )
        for key in ("base", "settings", "says"):
            if not isinstance(node.get(key, {}), Mapping) or (key == "base" and not node[key]):
                raise ConfigError(
                    f"{NODE}.{key}={_typed(node[key])} is invalid: it maps keys to values, "
                    f"such as {{model.filters: 64}}."
                )
        return cls(
            name=str(node["name"]),
            question=str(node["question"]).strip(),
            seeds=_seeds(from_text(node.get("seeds", 3))),
            base=dict(dotted(node["base"])),
            settings=dict(dotted(node.get("settings", {}))),
            phrases={str(cell): str(words) for cell, words in node.get("says", {}).items()},
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values, to be stored with the study; `says` is the key that users type."""
        plain = asdict(self)
        return {"says" if key == "phrases" else key: value for key, value in plain.items()}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "ComparisonSpec":
        """The exercise that was stored."""
        return cls(**{"phrases" if key == "says" else key: v for key, v in plain.items()})


def refuse_as_run(values: Mapping[str, Any]) -> None:
    """Refuse an exercise that is typed as if it were one run.

    Raises:
        ConfigError: the composed values hold an exercise.
    """
    if NODE in values:
        node = values[NODE]
        name = node.get("name") if isinstance(node, Mapping) else node
        raise ConfigError(
            f"+{NODE}={name} is a sweep and not one run.\n  Type cnn-sweeps -m +{NODE}={name}"
        )


def _seeds(given: Any) -> int:
    if type(given) is int and 1 <= given <= MOST_SEEDS:
        return given
    raise ConfigError(
        f"{NODE}.seeds={_typed(given)} is invalid: it takes an "
        f"integer from 1 to {MOST_SEEDS}, the number of trainings of each cell."
    )


def _typed(given: Any) -> str:
    return "null" if given is None else str(given)
