"""Whatever is printed to: a terminal with colours, one without, or a file."""

import os
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from cnn_sweeps.streams import silence


class Output(Console):
    """A console that lets the work go on when nobody reads it any more.

    Like rich's it heeds NO_COLOR, FORCE_COLOR, TERM=dumb and COLUMNS; and CLICOLOR with
    CLICOLOR_FORCE, which other programs know.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"highlight": False, **conventions(os.environ), **options})

    def on_broken_pipe(self) -> None:
        """Fall silent; rich would end the program."""
        self.quiet = True
        silence(self.file)


def conventions(environ: Mapping[str, str]) -> dict[str, Any]:
    """What the variables that rich does not know ask of a console (bixense.com/clicolors)."""
    if environ.get("CLICOLOR_FORCE", "0") not in ("", "0"):
        return {"force_terminal": True}
    return {"no_color": True} if environ.get("CLICOLOR") == "0" else {}
