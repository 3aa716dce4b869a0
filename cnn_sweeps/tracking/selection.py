"""A selection of runs, in MLflow's search syntax and in SQL."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

FILTERED = re.compile(r"[\w .:@+-]*")
"""Values of tags that MLflow's filters have a way to write."""
TAG = "SELECT 1 FROM tags WHERE tags.run_uuid = runs.run_uuid AND tags.key = ?"
"""A tag of a run in MLflow's tables."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Runs of which everything here is true.

    Attributes:
        tags: tags with these values.
        begins: tags whose values begin so; with an empty text tags of any value.
        without: tags that they do not have.
        status: RUNNING, FINISHED, FAILED or KILLED; None for any.
    """

    tags: Mapping[str, str] = field(default_factory=dict)
    begins: Mapping[str, str] = field(default_factory=dict)
    without: Collection[str] = ()
    status: str | None = None

    def to_filter(self) -> str:
        """The same for MLflow; a value that its filters cannot write is left out."""
        return " AND ".join(self._filters())

    def _filters(self) -> Iterator[str]:
        for tag, value in self.tags.items():
            if FILTERED.fullmatch(value):
                yield f"tags.`{tag}` = '{value}'"
        for tag, value in self.begins.items():
            yield f"tags.`{tag}` LIKE '{value}%'"
        for tag in self.without:
            yield f"tags.`{tag}` IS NULL"
        if self.status is not None:
            yield f"attributes.status = '{self.status}'"

    def to_sql(self) -> tuple[str, list[str]]:
        """The same as a condition on a row of `runs`, and what stands for its question marks."""
        parts, values = ["1"], list[str]()
        for tag, value in self.tags.items():
            parts.append(f"EXISTS ({TAG} AND tags.value = ?)")
            values += [tag, value]
        for tag, value in self.begins.items():
            parts.append(f"EXISTS ({TAG} AND substr(tags.value, 1, {len(value)}) = ?)")
            values += [tag, value]
        for tag in self.without:
            parts.append(f"NOT EXISTS ({TAG})")
            values.append(tag)
        if self.status is not None:
            parts.append("runs.status = ?")
            values.append(self.status)
        return " AND ".join(parts), values
