"""What the pictures of a run cost: `python -m benchmarks.figures`.

The 64x2 network on Fashion-MNIST, untrained: drawing does not know the difference. The median of
several times; the process has drawn before, as one that has trained has its learning curves.
"""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks import machine
from benchmarks.table import markdown
from cnn_sweeps import figures
from cnn_sweeps.figures import style
from cnn_sweeps.runs.composition import validate
from cnn_sweeps.training.backend import configure_backend, quiet_stderr

with quiet_stderr():
    from cnn_sweeps.data import load_cached
    from cnn_sweeps.figures.gallery import Gallery
    from cnn_sweeps.models import build

Cost = tuple[float, float]
"""Seconds on the clock, and seconds that the process had of all cores together."""
TIMES = 5
TARGET = 2.0
"""Seconds that all pictures of a run may take together."""


def main() -> None:
    """Measure, and print a table."""
    times = [_once() for _ in range(TIMES)]
    rows = [(name, *_medians([each[name] for each in times])) for name in times[0]]
    sums = [
        (sum(wall for wall, _ in each.values()), sum(cpu for _, cpu in each.values()))
        for each in times
    ]
    total, cpu = _medians(sums)
    print(markdown(("picture", "seconds", "of a core"), [*rows, ("**all**", total, cpu)]))
    met = "met" if total <= TARGET else "missed"
    print(f"\nall together {total:.2f} s, target {TARGET:.2f}: {met}")
    print(f"{machine.describe()}; load {machine.load():.1f}")


def _medians(times: list[Cost]) -> Cost:
    return median(wall for wall, _ in times), median(cpu for _, cpu in times)


def _once() -> dict[str, Cost]:
    """What each step took, with a new network and nothing computed before."""
    config = validate.make_config(validate.plain_values(validate.compose([])))
    dataset = load_cached(config.data)
    configure_backend(config.trainer, config.seed)
    model = build.build_model(config.model, dataset.shape, dataset.num_classes)
    figures.warm_up()
    gallery = Gallery(model=model, dataset=dataset, about="cnn 64x2")
    spent = {
        "one pass over 10,000 test images": _cost(lambda: gallery.scores),
        "evaluation, with 6,000 validation images": _cost(lambda: gallery.evaluation),
        "three images through the layers": _cost(lambda: gallery.maps),
        "examples and Grad-CAM": _cost(lambda: gallery.examples),
    }
    for path, make in gallery.builders().items():
        spent[path.rpartition("/")[2]] = _cost(_drawing(make))
    return spent


def _drawing(make: Callable[[], Any]) -> Callable[[], bytes]:
    def drawn() -> bytes:
        figure = make()
        return b"" if isinstance(figure, str) else style.png(figure)

    return drawn


def _cost(work: Callable[[], Any]) -> Cost:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


if __name__ == "__main__":
    main()
