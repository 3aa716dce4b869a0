"""Which environments share what is kept: those that give the same bits."""

from dataclasses import replace
from typing import Any

import pytest
from records import environment

from cnn_sweeps.trajectories.fingerprint import fingerprint

HERE = environment(
    packages={"cnn-sweeps": "0.1.0", "tensorflow": "2.21", "keras": "3.15", "numpy": "2.3"}
)


@pytest.mark.parametrize(
    "change",
    [
        {"packages": {**HERE.packages, "keras": "3.16"}},
        {"packages": {**HERE.packages, "tensorflow": "2.22"}},
        {"packages": {**HERE.packages, "keras-hub": "0.32"}},
        {"loss": "f" * 64},
        {"code": "c" * 16},
        {"cpu": "another"},
        {"cpu_flags": ("avx2", "avx512f", "fma")},
        {"cpu_count": 4},
        {"threads": 1},
        {"intra_op_threads": 1},
        {"devices": ("CPU", "GPU A100")},
        {"deterministic": False},
        {"onednn": "0"},
    ],
    ids=lambda change: f"{next(iter(change))}",
)
def test_what_may_move_the_bits_makes_another_entry(change: dict[str, Any]) -> None:
    """Other threads, versions or processors never read each other's epochs."""
    there = fingerprint(replace(HERE, **change), steps_per_execution=1)
    assert there != fingerprint(HERE, steps_per_execution=1)


@pytest.mark.parametrize(
    "change",
    [
        {"hostname": "there"},
        {"platform": "Linux-7.1-x86_64-with-glibc2.36"},
        {"git_commit": "c" * 40, "git_dirty": True},
        {"packages": {**HERE.packages, "mlflow": "4.0"}},
        {"packages": {**HERE.packages, "cnn-sweeps": "0.2.0"}},
        {"threads": 2},
    ],
    ids=lambda change: f"{next(iter(change))}",
)
def test_what_does_not_move_them_makes_none(change: dict[str, Any]) -> None:
    """Two threads that were asked for are those of two cores; a name computes nothing."""
    there = fingerprint(replace(HERE, **change), steps_per_execution=1)
    assert there == fingerprint(HERE, steps_per_execution=1)


def test_steps_in_one_call_make_another_entry() -> None:
    """They are no part of an experiment, but may move its bits."""
    one = fingerprint(HERE, steps_per_execution=1)
    assert one != fingerprint(HERE, steps_per_execution=10)
    assert len(one) == 64
