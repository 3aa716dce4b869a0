"""Hydra's composition in less time: no text is parsed twice in a process.

Hydra reads and parses some twenty files whenever it composes, mostly those of `conf/`, and
OmegaConf every interpolation whenever it meets it. Files are known by what stands in them, so a
test may write one again.
"""

import io
import pickle
from functools import cache
from typing import Any

import omegaconf.base
from omegaconf import OmegaConf

read = OmegaConf.load


def remember_what_was_read() -> None:
    """From now on keep what was parsed."""
    OmegaConf.load = staticmethod(load)  # type: ignore[method-assign]
    omegaconf.base.parse = cache(omegaconf.base.parse)


def load(file: Any) -> Any:
    """A config of its own from a file, as `OmegaConf.load` gives it."""
    if not hasattr(file, "read"):
        return read(file)
    text = file.read()
    try:
        return pickle.loads(pickled(text))  # noqa: S301 - made below
    except Exception:  # noqa: BLE001 - a refusal names the file
        file.seek(0)
        return read(file)


@cache
def pickled(text: str) -> bytes:
    """What stands in a file."""
    return pickle.dumps(read(io.StringIO(text)))
