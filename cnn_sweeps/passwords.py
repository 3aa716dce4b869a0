"""Passwords in addresses, which are nobody else's business: starred out where they are shown."""

import re
from collections.abc import Mapping
from typing import Any, Final

SECRETS: Final = (
    # From `://` to the @ before the host; a port and a path behind it are no password.
    (re.compile(r"(://[^:/@\s]*):(?!\d+(?:/|$))\S*@"), r"\1:***@"),
    (re.compile(r"([?&](?:password|passwd|pwd)=)[^&\s'\"]+", re.IGNORECASE), r"\1***"),
)


def without_password(text: str) -> str:
    """An address, or a text with addresses in it, with the passwords starred out.

    Rather too much of an address than a part of a password.
    """
    for secret, shown in SECRETS:
        text = secret.sub(shown, text)
    return text


def without_passwords(plain: Any) -> Any:
    """Plain values with the password starred out in every address among them."""
    if isinstance(plain, str):
        return without_password(plain)
    if isinstance(plain, Mapping):
        return {key: without_passwords(value) for key, value in plain.items()}
    return [without_passwords(value) for value in plain] if isinstance(plain, list) else plain
