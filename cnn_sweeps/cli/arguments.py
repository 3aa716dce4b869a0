"""The arguments of a command: Python's own parser, with refusals in the style of all others."""

from argparse import ArgumentParser
from typing import NoReturn

from cnn_sweeps.errors import ConfigError


class Arguments(ArgumentParser):
    """Refuses what it does not know by a `ConfigError`, which is said like any other."""

    def error(self, message: str) -> NoReturn:
        """Refuse.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(f"{message}.\n  Type {self.prog} --help for what is possible.")
