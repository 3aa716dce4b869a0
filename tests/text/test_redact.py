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
        ("postgresql://me@host/path", "postgresql://me@host/path"),
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


@pytest.mark.parametrize(
    "text",
    [
        "mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BUID%3Dme%3BPWD%3Dsecret%3BServer%3Dh",
        "mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3D%7Bmy%3Bsecret%7D%3BServer%3Dh",
        "mssql+pyodbc:///?odbc_connect=DRIVER={x};PWD={my;secret};Server=h",
        "postgresql://h/db?sslpassword=secret&x=1",
        "postgresql://h/db?options=-c%20password%3Dsecret%20-c%20x%3D1",
        "postgresql://u,x:secret@h/db",
        "host=h password=secret dbname=x",
        "host=h password='my secret' dbname=x",
        "https://secret@h/x",
        "databricks://secret@h",
        "http://h/x?token=secret&y=1",
        "http://h/x?access_token=secret",
        "http://h/x?password=my;secret&y=1",
        "https://h/x?X-Amz-Signature=secret",
        "wasbs://h/x?se=1&sig=secret",
        "MLFLOW_TRACKING_PASSWORD=secret cnn-sweeps",
        "{'user': 'me', 'password': 'my secret'}",
        "Authorization: Bearer secret",
        "Authorization: token secret",
        "Cookie: session=secret",
        "X-Api-Key: secret",
        "me:secret@host:5432/db",
        "MLFLOW_TRACKING_PASSWORD: secret",
        "mysql --password secret",
        "https://h/x?key=secret&y=1",
        "https://h/x?password[]=secret",
        "private_key=secret",
        "pw=secret",
        "AccountName=a;AccountKey=secret;x=1",
        "'postgresql://me:my secret@h/db'",
        'tracking.uri="http://me:it\'s secret@h"',
    ],
)
def test_no_form_of_a_password_is_shown(text: str) -> None:
    """As an address, in the middle of a message, and at the end of a sentence in quotes."""
    for said in (without_password(text), hidden_in(f"{text} is refused"), hidden_in(f"'{text}'.")):
        assert "secret" not in said
        assert "***" in said


@pytest.mark.parametrize(
    "text",
    [
        "unexpected token: x",
        "bypass=true tokens=3",
        "password authentication failed for user me",
        "wrong --token: type another",
        "image:tag in nets:build@3",
        "at 12:30 by me@home",
        "'http://host:5000/x' was asked by 'me@home'",
        "postgresql+psycopg2://me@host/db",
        "model.function=nets:build data.path=/a/b@c",
    ],
)
def test_what_is_no_password_stays(text: str) -> None:
    """The word alone is none, nor is a name before the host of a database."""
    assert hidden_in(text) == text
