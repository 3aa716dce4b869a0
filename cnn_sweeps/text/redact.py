"""Passwords in addresses, which are nobody else's business: starred out where they are shown."""

import re
from collections.abc import Mapping
from typing import Any, Final

IN_A_WORD: Final = re.compile(r"(://[^:/@\[\s,]*):(?!\d+(?:[/?#,]|$))\S*@")
"""From `://` to the @ before the host; a port and what is behind it are no password."""
WITH_SPACES: Final = re.compile(r"(://[^:/@\[,]*):(?!\*{3}@)[^@/]*@")
"""The same where spaces may be in it, as they must not be in the middle of a text."""
NAMED: Final = re.compile(r"([?&;](?:password|passwd|pwd)=)[^&;\s'\"]+", re.IGNORECASE)


def without_password(address: str) -> str:
    """An address with the password in it starred out.

    Rather too much of it than too little; but digits and a slash look like a port and a path.
    """
    return hidden_in(WITH_SPACES.sub(r"\1:***@", address))


def hidden_in(text: str) -> str:
    """A text with the passwords of the addresses in it starred out, where they have no spaces."""
    return NAMED.sub(r"\1***", IN_A_WORD.sub(r"\1:***@", text))


def without_passwords(plain: Any) -> Any:
    """Plain values with the password starred out in every address among them."""
    if isinstance(plain, str):
        return without_password(plain)
    if isinstance(plain, Mapping):
        return {key: without_passwords(value) for key, value in plain.items()}
    return [without_passwords(value) for value in plain] if isinstance(plain, list) else plain
