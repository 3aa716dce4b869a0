"""The seconds of a run, by phase."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Wall seconds of the named parts of a run."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._started = time.perf_counter()

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        """Measure a block as `<part>_seconds`; blocks of one name add up."""
        began = time.perf_counter()
        yield
        name = f"{part}_seconds"
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began

    @property
    def metrics(self) -> dict[str, float]:
        """The parts, and `total_seconds` up to now."""
        return {**self.seconds, "total_seconds": time.perf_counter() - self._started}
