"""What people write without a tool: a `for` loop in one process, nothing logged.

Run by `grid` as `python -m benchmarks.bare_loop IMAGES POINTS`.
"""

import sys
from pathlib import Path

from benchmarks import classifier
from benchmarks.points import GRIDS


def main(images_path: str, points: str) -> None:
    """Train every point, one after another."""
    images = classifier.Images.read(Path(images_path))
    for point in GRIDS[points]:
        classifier.report(classifier.train(images, point))


if __name__ == "__main__":
    main(*sys.argv[1:])
