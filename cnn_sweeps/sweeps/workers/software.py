"""The versions that a sweep computes with: a worker on another host may have others.

The controller notes with the study what it has itself, each time that the sweep is typed. Trials
that other code of this package has trained are no trials of one sweep, so a worker that has other
code claims none. Another TensorFlow moves the last digits, as another processor does: that is said.
"""

from collections.abc import Callable, Mapping
from typing import Any

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.provenance import code
from cnn_sweeps.provenance.environment import COMPUTING, SAME_BITS, versions_of
from cnn_sweeps.sweeps.study.study import SweepStudy

SOFTWARE = "cnn_sweeps:software"
"""Of a study: versions of packages by name, and the digest of our code (`code`)."""
OURS = "cnn-sweeps"


def software_here() -> dict[str, str | None]:
    """What this process computes with."""
    return {**versions_of((OURS, *COMPUTING)), "code": code.digest()}


def note_software(study: SweepStudy) -> None:
    """Let workers know what the controller has."""
    if study.attribute(SOFTWARE) != (here := software_here()):
        study.optuna_study.set_user_attr(SOFTWARE, here)


def check_software(study: SweepStudy, say: Callable[[str], None] = lambda _: None) -> None:
    """Refuse to work for a sweep with other code than it has; say which versions differ.

    Raises:
        ConfigError: the code of this package that computes is not that of the sweep.
    """
    here, there = software_here(), study.attribute(SOFTWARE)
    if there is None:  # a sweep of an earlier version
        return
    if not _same_bits(here["code"], there.get("code")):
        raise ConfigError(
            f"this host has {_ours(here)}, and the sweep {study.address.name} has {_ours(there)}:"
            " its trials would be trained by other code.\n"
            f"  Install the sweep's {OURS} on this host, or this one where the sweep is typed, and "
            "type it again."
        )
    others = [
        f"{name} {here.get(name)} (the sweep has {there.get(name)})"
        for name in COMPUTING
        if here.get(name) != there.get(name)
    ]
    if others:
        say(f"This host has {', '.join(others)}: the last digits of its values may differ.")


def _same_bits(*digests: str | None) -> bool:
    """Whether states of the code give the same bits; one without sources is not known."""
    same = {code.digest(), *(earlier for _, earlier in SAME_BITS)}
    return None in digests or len({*digests}) == 1 or {*digests} <= same


def _ours(software: Mapping[str, Any]) -> str:
    return f"{OURS} {software.get(OURS)} (code {software.get('code')})"
