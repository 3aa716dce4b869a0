"""What is shown or stored holds no password."""

import pytest

from cnn_sweeps.text.redact import hidden_in, without_password, without_passwords


def test_passwords_are_starred_out_wherever_they_are() -> None:
    """In values of any depth; what is no address stays as it is."""
    plain = {"uri": "http://me:secret@host:5000", "fixed": ["a=1", "x=http://me:b@host"], "n": 3}
    assert without_passwords(plain) == {
        "uri": "http://me:***@host:5000",
        "fixed": ["a=1", "x=http://me:***@host"],
        "n": 3,
    }


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("postgresql://me:secret@host:5432/db", "postgresql://me:***@host:5432/db"),
        ("http://me:p/w@host", "http://me:***@host"),
        ("http://me:p@ss@host", "http://me:***@host"),
        ("x=http://me:secret@host:5000/a@b", "x=http://me:***@b"),
        ("http://host:5000/users/me@home", "http://host:5000/users/me@home"),
        ("http://me@host/path", "http://me@host/path"),
        ("postgresql://me:s3 cr3t@host/db", "postgresql://me:***@host/db"),
        ("http://[::1]:5000/a@b", "http://[::1]:5000/a@b"),
        ("[pkg://a.b,file:///x@y]", "[pkg://a.b,file:///x@y]"),
        ("sqlite:////a/b@c.db", "sqlite:////a/b@c.db"),
        ("mysql://h/db?user=me&password=secret&x=1", "mysql://h/db?user=me&password=***&x=1"),
    ],
)
def test_a_password_is_starred_out(uri: str, said: str) -> None:
    """Whatever letters are in it; rather too much of an address than a part of a password."""
    assert without_password(uri) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("type a=http://me:x@h or b", "type a=http://me:***@h or b"),
        ("http://h:5000 is silent; ask me@home", "http://h:5000 is silent; ask me@home"),
        ("http://h: refused.\n  Ask me@home", "http://h: refused.\n  Ask me@home"),
    ],
)
def test_a_message_is_left_as_it_is_but_for_passwords(text: str, said: str) -> None:
    """What only looks like one over several words is none."""
    assert hidden_in(text) == said
