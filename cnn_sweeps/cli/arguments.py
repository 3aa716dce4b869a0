"""The arguments of a command: names and `KEY=VALUE` in any order, between options.

Names of files may have an equals sign as well, so a command that takes files knows its keys. What
stands behind `--` is a name, whatever it looks like.

Python's own parser, with refusals in the style of all others.
"""

import os
import re
import sys
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from textwrap import shorten
from typing import NoReturn

from cnn_sweeps.config.schema import Config
from cnn_sweeps.errors import ConfigError

STORED_RUNS = (
    "Any unique prefix of at least 4 hex digits identifies a hash. "
    "Store: tracking.uri=URI or tracking.dir=FOLDER, as for a run."
)
"""What is said below the options of a command about stored runs."""
IN_PLACE_OF_HASH = ("run_id", "folder")
"""Options that name a run, so that its hash is left out."""
STUDY = (
    "STUDY: its name or a unique prefix of it; default: the newest. With = in it or - in front, it "
    "is typed last, behind --."
)
"""What is said below the options of a command about a study."""
TRUST = "execute the recorded code: of the network, a loss, metrics"
STORAGE = "hydra.sweeper.storage="
"""Where studies are, where that is not the tracking folder, as it is typed for a sweep."""
MANY = sys.maxsize
"""As many names as are typed: a shell writes thousands for a pattern."""
MOST_SAID = 5
"""Names that a refusal repeats."""
LONGEST = 300
"""Characters of what Python's parser says, which repeats all that was typed."""
NAMES = "--"
"""Behind it are names, whatever they look like."""
BEHIND = f"a name behind {NAMES}"
NAMED = f"a name with = or a - in front is typed behind {NAMES}"
EMPTY = "it is empty (a variable of the shell may not be set)"
OVERRIDE = re.compile(rf"[+~]*(hydra|{'|'.join(each.name for each in fields(Config))})(\.\w+)*=")
"""How an override begins, where a file may have an equals sign in its name as well."""


def whole_number(text: str) -> int:
    """An integer from 1, as an argument.

    Raises:
        ArgumentTypeError: it is none.
    """
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ArgumentTypeError(f"{text} is not an integer from 1")
    return int(text)


def filled(text: str) -> str:
    """A text, as an argument.

    Raises:
        ArgumentTypeError: it is empty, as a variable of the shell is that was not set.
    """
    if not text.strip():
        raise ArgumentTypeError(EMPTY)
    return text


def typed_path(text: str) -> Path:
    """A file or folder, as an argument.

    Raises:
        ArgumentTypeError: it is empty, which would be the current folder.
    """
    return Path(filled(text))


def take_storage(overrides: Sequence[str]) -> tuple[str | None, list[str]]:
    """Where studies are, if that was typed, and the other overrides.

    Raises:
        ConfigError: an empty place was typed.
    """
    from cnn_sweeps.runs.composition.validate import text_behind  # noqa: PLC0415 -- imports Hydra

    typed = [word for word in overrides if word.startswith(STORAGE)]
    others = [word for word in overrides if word not in typed]
    storage = text_behind(typed[-1]) if typed else None
    if storage is not None and not storage.strip():
        raise ConfigError(
            f"{STORAGE} is empty: type a path or the URL of a database, or leave it out."
        )
    return storage, others


class Arguments(ArgumentParser):
    """Refuses what it does not know by a `ConfigError`, which is said like any other.

    Args:
        command: `show`.
        usage: what is typed behind it.
        description: what it does.
        names: how many words that are no overrides it takes, at least and at most.
        hint: what to type instead of what is refused; the usage when None.
        epilog: what is said below the options.
    """

    def __init__(
        self,
        command: str,
        usage: str,
        description: str,
        *,
        names: tuple[int, int],
        hint: str | None = None,
        epilog: str = STORED_RUNS,
    ) -> None:
        super().__init__(
            prog=f"cnn-sweeps {command}",
            usage=f"cnn-sweeps {command} [-h] {usage} [tracking.dir=FOLDER ...]",
            description=description,
            epilog=epilog,
        )
        self._count, self._paths = names, False
        self._hint = hint or f"cnn-sweeps {command} {usage}"
        self.add_argument("words", nargs="*", help=SUPPRESS)  # the usage says which

    def take_paths(self) -> None:
        """Some of the names are files or folders, which may have an equals sign."""
        self._paths = True

    def add_run_id(self) -> None:
        """An option for a run, where a hash may stand for several."""
        self.add_argument("--run-id", type=filled, metavar="ID", help="this run instead of HASH")

    def add_trust(self) -> None:
        """An option that lets code run which a run has recorded."""
        self.add_argument("--trust", action="store_true", help=TRUST)

    def add_forms(self, what: str) -> None:
        """Options for a program and for a spreadsheet, of which one is typed: print `what` so."""
        form = self.add_mutually_exclusive_group()
        form.add_argument("--csv", action="store_true", help=f"print {what} as CSV")
        form.add_argument("--json", action="store_true", help=f"print {what} as JSON")

    def read(self, typed: Sequence[str]) -> Namespace:
        """What was typed: each option, `names`, and `overrides`.

        Raises:
            ConfigError: an unknown option, or fewer or more names than the command takes.
        """
        end = typed.index(NAMES) if NAMES in typed else len(typed)
        asked, unknown = self.parse_known_intermixed_args(typed[:end])
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}", NAMED)
        named = [*typed[end + 1 :]]
        asked.overrides = [word for word in asked.words if self._is_override(word)]
        asked.names = [word for word in asked.words if not self._is_override(word)] + named
        asked.words += named
        left_out = any(getattr(asked, option, None) for option in IN_PLACE_OF_HASH)
        least, most = (count - left_out for count in self._count)
        if not all(name.strip() for name in asked.names):
            raise ConfigError(f"an argument: {EMPTY}.\n  Type {self._hint}")
        if len(asked.names) < least:
            behind = f"; {NAMED}" if asked.overrides else ""
            raise ConfigError(f"an argument is missing.\n  Type {self._hint}{behind}")
        if len(asked.names) > most:
            self.refuse(asked.names)
        return asked

    def _is_override(self, word: str) -> bool:
        """Whether a word is `KEY=VALUE`; what exists is a path, whatever its name."""
        if not self._paths:
            return "=" in word
        return OVERRIDE.match(word) is not None and not os.path.lexists(word)

    def refuse(self, names: Sequence[str]) -> NoReturn:
        """Refuse names that the command does not take; of many, some are said.

        Raises:
            ConfigError: always.
        """
        more = f" and {len(names) - MOST_SAID:,} more" if len(names) > MOST_SAID else ""
        given = " ".join(names[:MOST_SAID])
        raise ConfigError(f"unexpected arguments: {given}{more}\n  Type {self._hint}")

    def error(self, message: str, *also: str) -> NoReturn:
        """Refuse.

        Raises:
            ConfigError: always.
        """
        said = shorten(message, LONGEST, placeholder=" ...")
        told = "; ".join([f"Type {self.prog} --help for the options", *also])
        raise ConfigError(f"{said}.\n  {told}.")
