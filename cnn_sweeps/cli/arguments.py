"""The arguments of a command: Python's own parser, with refusals in the style of all others."""

from argparse import ArgumentParser
from collections.abc import Sequence
from typing import NoReturn

from cnn_sweeps.errors import ConfigError


class Arguments(ArgumentParser):
    """Refuses what it does not know by a `ConfigError`, which is said like any other."""

    def error(self, message: str) -> NoReturn:
        """Refuse.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(f"{message}.\n  Type {self.prog} --help for the options.")


def parser(command: str, usage: str, description: str) -> Arguments:
    """The arguments that every command about stored runs has; options are added to them."""
    made = Arguments(
        prog=f"cnn-sweeps {command}",
        usage=f"cnn-sweeps {command} [-h] {usage} [tracking.KEY=VALUE ...]",
        description=description,
        epilog="Any unique prefix of at least 4 hex digits identifies a hash. "
        "Store: tracking.uri=URI or tracking.dir=FOLDER, as for a run.",
    )
    made.add_argument("words", nargs="*", metavar="WORD", help="hashes, and the store")
    return made


def divide(words: Sequence[str], count: range, usage: str) -> tuple[list[str], list[str]]:
    """What was typed without and with an equals sign: names and overrides.

    Raises:
        ConfigError: there are fewer or more names than the command takes.
    """
    names = [word for word in words if "=" not in word]
    if len(names) not in count:
        given = " ".join(names) or "nothing"
        raise ConfigError(f"unexpected arguments: {given}\n  Type cnn-sweeps {usage}")
    return names, [word for word in words if "=" in word]
