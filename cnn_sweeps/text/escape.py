"""Texts from outside, such as names of files, studies and tags, so that they are only text.

In a terminal a name may hold commands (move the cursor, change a title, open a link), and in any
text marks that turn the direction of what follows. Everything that is shown passes here: what is
printed (`terminal`), a log, a report, a description in MLflow. Of Markdown and HTML the characters
that mean something are escaped as well, by `markdown.plain_text` and by the template of the page.
"""

import re
from typing import Final

CONTROLS: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f"  # of a terminal; line break and tab are text
    r"\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # invisible
    r"\ud800-\udfff\U000e0000-\U000e007f]"  # no characters: bytes of a file name; tags
)
"""Characters that nobody sees and that change what is seen; joiners of scripts and emoji stay."""


BYTES: Final = re.compile(r"[\ud800-\udfff]")
"""What stands for the bytes of a file name, or of an argument, that are no text in UTF-8."""
NO_TEXT: Final = (
    "{key} holds bytes that are no text in UTF-8.\n  Rename the file or folder that it names, or "
    "make a link with another name (ln -s) and type that."
)


def printable(text: str) -> str:
    r"""A text of one line or several, with every control written out: `\x1b`, `\u202e`."""
    return CONTROLS.sub(_written_out, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """The same as one line without tabs, which would break a row of a table."""
    flat = " ".join(text.split()) if any(mark in text for mark in "\n\r\t\v\f") else text
    return printable(flat)


def in_json(text: str) -> str:
    """JSON with the controls in its strings as JSON writes them; every value stays what it is."""
    return CONTROLS.sub(lambda found: _units(found[0]), text)


def _written_out(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def _units(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(rf"\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))
