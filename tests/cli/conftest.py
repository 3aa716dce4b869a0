"""Commands are called here as the command line calls them."""

from collections.abc import Iterator

import pytest

from cnn_sweeps.text.argument_names import on_command_line


@pytest.fixture(autouse=True)
def on_the_command_line() -> Iterator[None]:
    """Let refusals name options, and not arguments of Python."""
    with on_command_line():
        yield
