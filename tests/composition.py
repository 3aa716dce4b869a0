"""Hydra's composition in less time: in a process nothing is parsed, chosen or merged twice.

Hydra reads and parses some twenty files whenever it composes, mostly those of `conf/`, finds out
which options belong to the config, and merges them; OmegaConf parses every interpolation whenever
it meets it. Files are known by what stands in them, so a test may write one again. Which options
there are, and what they are merged to, follows from the groups that are chosen, as long as no
folder but the shipped one is searched; the values that are typed are put over it by Hydra, each
time.
"""

import io
import pickle
from collections.abc import Callable
from functools import cache
from typing import Any

import omegaconf.base
from hydra._internal import config_loader_impl
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.defaults_list import DefaultsList, Overrides
from omegaconf import DictConfig, OmegaConf

from cnn_sweeps.runs.composition.validate import config_dir

read = OmegaConf.load
create_defaults_list = config_loader_impl.create_defaults_list
merge = ConfigLoaderImpl._compose_config_from_defaults_list
kept: dict[str, bytes] = {}


def remember_what_was_read() -> None:
    """From now on keep what was parsed, chosen and merged."""
    OmegaConf.load = staticmethod(load)  # type: ignore[method-assign]
    omegaconf.base.parse = cache(omegaconf.base.parse)
    config_loader_impl.create_defaults_list = chosen
    ConfigLoaderImpl._compose_config_from_defaults_list = merged  # type: ignore[method-assign]


def load(file: Any) -> Any:
    """A config of its own from a file, as `OmegaConf.load` gives it."""
    if not hasattr(file, "read"):
        return read(file)
    text = file.read()
    try:
        return remembered(text, lambda: read(io.StringIO(text)))
    except Exception:  # noqa: BLE001 - a refusal names the file
        file.seek(0)
        return read(file)


def remembered(key: str, make: Callable[[], Any]) -> Any:
    """A copy of what was made under a key."""
    if key not in kept:
        kept[key] = pickle.dumps(make())
    return pickle.loads(kept[key])  # noqa: S301 - made above


def places(repo: Any) -> str | None:
    """Where a composition finds its options; None if a test may have put some there."""
    sources = [(source.scheme(), source.path) for source in repo.get_sources()]
    shipped = all(path == config_dir() for scheme, path in sources if scheme == "file")
    return repr(sources) if shipped else None


def chosen(
    repo: Any, config_name: str | None, overrides_list: Any, *flags: bool, **named: bool
) -> DefaultsList:
    """Which options make the config, as Hydra finds out."""

    def make() -> DefaultsList:
        found = create_defaults_list(repo, config_name, overrides_list, *flags, **named)
        found.config_overrides = found.overrides.config_overrides = []
        return found

    if (where := places(repo)) is None:
        return create_defaults_list(repo, config_name, overrides_list, *flags, **named)
    typed = Overrides(repo, overrides_list)
    groups = (typed.override_choices, typed.append_group_defaults, typed.deletions)
    found: DefaultsList = remembered(repr((where, config_name, groups, flags, named)), make)
    found.config_overrides = found.overrides.config_overrides = typed.config_overrides
    return found


def merged(loader: ConfigLoaderImpl, defaults: Any, repo: Any) -> DictConfig:
    """These options put over each other, as Hydra does."""
    if (where := places(repo)) is None:
        return merge(loader, defaults, repo)
    composed: DictConfig = remembered(
        repr((where, defaults)), lambda: merge(loader, defaults, repo)
    )
    return composed
