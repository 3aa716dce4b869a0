"""A folder of small image files."""

from pathlib import Path

from PIL import Image


def photographs(folder: Path) -> Path:
    """Six of each of two classes, 6 pixels wide and 4 high."""
    for number in range(12):
        file = folder / "ab"[number % 2] / f"{number // 2:03}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 4), (200, number, 0)).save(file)
    return folder
