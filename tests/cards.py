"""Machines with GPUs: an `nvidia-smi` that lists them, first on the path."""

from collections.abc import Callable
from pathlib import Path

import pytest

Cards = Callable[..., None]
UUID = "GPU-{0}0000000-aaaa-bbbb-cccc-dddddddddddd"


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, *cards: str, parts: str = "") -> None:
    """Let there be these cards, each as `TOTAL/USED` MiB; `parts` are those of the first one."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    rows, listed = [], []
    for number, card in enumerate(cards):
        total, used = card.split("/")
        uuid = UUID.format(number)
        rows.append(f"{number}, {uuid}, {total}, {used}, NVIDIA Fake")
        listed.append(f"GPU {number}: NVIDIA Fake (UUID: {uuid})")
    if parts:
        listed.insert(1, parts)
    texts = ["\n".join(each) for each in (listed, rows)]
    program = folder / "bin" / "nvidia-smi"
    program.parent.mkdir(exist_ok=True)
    heredocs = [f"cat <<'END'\n{text}\nEND" for text in texts]
    program.write_text(
        f'#!/bin/sh\nif [ "$1" = -L ]; then\n{heredocs[0]}\nelse\n{heredocs[1]}\nfi\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
