"""Passwords in addresses, masked wherever they are shown."""

import re
from collections.abc import Mapping
from typing import Any, Final

HIDDEN: Final = "***"
"""What stands where a password was."""
STARS: Final = rf"\1{HIDDEN}"
IN_A_WORD: Final = re.compile(
    r"(://(?:[^:/@\[\s,]*|[^:/@\[\s]*(?=:(?!//)))):(?!\d+(?:[/?#,]|$))\S*@"
)
"""From `://` to the @ before the host; a port and what is behind it are no password.

A name with a comma in it is none where another address begins behind the comma.
"""
WITH_SPACES: Final = re.compile(r"(://[^:/@\[,]*):(?!\*{3}@)[^@/]*@")
"""The same where spaces may be in it, as they must not be in the middle of a text."""
TOKEN: Final = re.compile(
    r"(?<![\w+.-])((?!postgres|mysql|mariadb|mssql|oracle|sqlite)[a-z][\w+.-]*://)[^/?#\s@:\[,]+@",
    re.IGNORECASE,
)
"""A name without a password: of a database it is the user's, anywhere else it may be a token."""

ENDING: Final = (
    r"(?:password|passwd|passphrase|pwd|secret|token"
    r"|(?:api|access|account|shared|private|secret|encryption|subscription|functions)[_-]?key"
    r"|signature|credentials?|(?:(?<![a-z])|(?<=%3b)|(?<=%26)|(?<=%20))(?:pass|pw|sig|auth))"
)
"""How the names of what is secret end, such as `sslpassword` and `access_token`."""
LAST: Final = r"[^&;\s'\",.)\]}]"
"""No quote and no bracket behind a secret is a part of it."""
NO_ADDRESS: Final = re.compile(
    r"(?<![\w.:/+-])([\w.+-]+):[^\s:@/'\"]+@(?=[\w.-]+(?::\d|/|\.[a-z]))"
)
"""`me:secret@host:80`, the scheme forgotten."""
QUOTED: Final = re.compile(
    r"""(?P<quote>["'])(?P<front>(?:(?!(?P=quote)).)*?://[^:/@\[,\s"']*):"""
    r"""(?!\d+[/?#,])(?:(?!(?P=quote)).)*@"""
)
"""An address in quotes, whose password may hold spaces."""
NAMED: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # ?password=a;b&x: only & ends it
        rf"([?&][\w.-]*{ENDING}(?:\[\]|%5B%5D)?=)[^&\s]*{LAST}",
        rf"([?&](?:key|code|jwt|ticket|sid|session)=)[^&\s]*{LAST}",
        # PWD={a;b}; of ODBC, password='a b' of libpq
        rf"({ENDING}\s?=\s?)(?:\{{[^}}]*\}}|'(?:\\.|[^'\\])+'|\"(?:\\.|[^\"\\])+\"|[^&;\s]*{LAST})",
        # the same as the value of an option: PWD%3Da%3B
        rf"({ENDING}%(?:25)*3d)(?:%7b.*?%7d|(?:(?!%(?:25)*(?:3b|26|20))[^&+\s'\"])+)",
        # {"password": "a b"}
        rf"({ENDING}[\"']\s*:\s*)(?:'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\")",
        # MLFLOW_TRACKING_PASSWORD: a; --password a; PASSWORD := a
        r"(pass(?:word|wd|phrase)[\"']?(?::\s+|\s*:=\s*))[^\s'\",]+",
        rf"((?<!\S)--[\w-]*{ENDING}\s+)(?!-)[^\s'\"]+",
        r"(\b(?:cookie|x-[\w-]*(?:key|token|auth))[\"']?:\s*[\"']?)[^\s'\"]+",
        r"(\bauthorization[\"']?:\s*[\"']?(?:(?:basic|bearer|digest|token)\s+)?)[^\s'\"]+",
        r"(\bbearer\s+)[\w.~+/=-]{6,}",
    )
)
IN_A_QUERY: Final = re.compile(rf"([?&][\w.-]*{ENDING}=)[^&]+", re.IGNORECASE)
"""The first of these where spaces may be in it."""


def without_password(address: str) -> str:
    """An address with the password in it starred out.

    Rather too much of it than too little; but digits and a slash look like a port and a path.
    """
    return hidden_in(IN_A_QUERY.sub(STARS, WITH_SPACES.sub(r"\1:***@", address)))


def hidden_in(text: str) -> str:
    """A text with the passwords in it starred out, where they have no spaces or are in quotes."""
    text = QUOTED.sub(rf"\g<quote>\g<front>:{HIDDEN}@", text)
    text = TOKEN.sub(rf"\1{HIDDEN}@", IN_A_WORD.sub(rf"\1:{HIDDEN}@", text))
    text = NO_ADDRESS.sub(rf"\1:{HIDDEN}@", text)
    for named in NAMED:
        text = named.sub(STARS, text)
    return text


def without_passwords(plain: Any) -> Any:
    """Plain values with the password starred out in every address among them."""
    if isinstance(plain, str):
        return without_password(plain)
    if isinstance(plain, Mapping):
        return {key: without_passwords(value) for key, value in plain.items()}
    return [without_passwords(value) for value in plain] if isinstance(plain, list) else plain
