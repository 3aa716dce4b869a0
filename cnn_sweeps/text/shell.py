"""Commands as they are pasted into a shell, and still can be read."""

import re
import shlex
from collections.abc import Iterable


def pasteable_command(words: Iterable[str]) -> str:
    """A command as `shlex.join` gives it, but a word with a single quote in double ones."""
    return " ".join(map(_quoted, words))


def command_for(command: str, study: str | None, *others: str) -> str:
    """A command about a study, whose name may look like an option or an override."""
    if study is None:
        words = [*others]
    elif study.startswith("-") or "=" in study:
        words = [*others, "--", study]
    else:
        words = [study, *others]
    return pasteable_command(["cnn-sweeps", command, *words])


def _quoted(word: str) -> str:
    if "'" not in word or {*"!$`"} & {*word}:  # which mean something in double quotes
        return shlex.quote(word)
    escaped = re.sub(r'([\\"])', r"\\\1", word)
    return f'"{escaped}"'
