"""The options of `hydra/sweeper/sampler` and `.../pruner`, in every application.

They are the files below `conf/hydra/`. A folder on the search path would bring the other config
groups of cnn_sweeps into every application as well, so this source shows these alone. And where
another sweeper has options of that name, it leaves them to it: `hydra-optuna-sweeper` keeps
`tpe`, which is read here in its form.
"""

from importlib.util import find_spec
from pathlib import Path

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.plugins.search_path_plugin import SearchPathPlugin

SCHEME = "cnn-sweeps"
OPTIONS = ("hydra/sweeper/sampler", "hydra/sweeper/pruner")
GROUPS = ("", "hydra", "hydra/sweeper", *OPTIONS)
OFFICIAL = "hydra_plugins.hydra_optuna_sweeper"
OF_OFFICIAL = {
    f"hydra/sweeper/sampler/{name}"
    for name in ("tpe", "random", "cmaes", "nsgaii", "motpe", "grid", "gp", "qmc")
}
"""What Hydra's own Optuna sweeper puts into the ConfigStore."""


class OptionsSource(FileConfigSource):
    """The files of two config groups, and nothing else of their folder."""

    @staticmethod
    def scheme() -> str:
        """What stands in front of `://` in the search path."""
        return SCHEME

    def is_group(self, config_path: str) -> bool:
        """Whether it is one of the groups."""
        return config_path in GROUPS

    def is_config(self, config_path: str) -> bool:
        """Whether it is an option of one of the groups, and no other plugin's."""
        option = config_path.removesuffix(".yaml")
        ours = option.rpartition("/")[0] in OPTIONS and not _is_of_official(option)
        return ours and super().is_config(config_path)


class OptionsSearchPath(SearchPathPlugin):
    """Puts the options behind the application's own folders."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the source."""
        search_path.append("cnn_sweeps", f"{SCHEME}://{_conf()}")


def _conf() -> Path:
    """The shipped config groups: inside the wheel, or beside the packages."""
    root = Path(__file__).resolve().parents[2]
    inside = root / "cnn_sweeps" / "conf"
    return inside if inside.is_dir() else root / "conf"


def _is_of_official(option: str) -> bool:
    return option in OF_OFFICIAL and find_spec(OFFICIAL) is not None


# A name that the official sweeper still has, for the refusal that it has, too.
if find_spec(OFFICIAL) is None:
    ConfigStore.instance().store(
        group="hydra/sweeper/sampler", name="motpe", node={"name": "motpe"}, provider="cnn_sweeps"
    )
