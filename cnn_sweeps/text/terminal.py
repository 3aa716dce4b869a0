"""Output streams: a terminal with colours, one without, or a file.

What is refused and what is warned of goes to standard error, in one style. Where the standard
streams are closed, without a reader or on a full disk, the work goes on.
"""

import os
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from io import TextIOWrapper
from typing import IO, TYPE_CHECKING, Any

from rich.console import Console

from cnn_sweeps.text.argument_names import is_on_command_line
from cnn_sweeps.text.escape import printable
from cnn_sweeps.text.notebook import in_notebook
from cnn_sweeps.text.redact import hidden_in

if TYPE_CHECKING:
    from rich.console import ConsoleOptions, RenderableType
    from rich.segment import Segment

REMEDY = "  "
"""In front of every line below the first."""

STDOUT = 1
WRITE_ERRORS: list[OSError] = []
"""Why standard output could not be written, other than for want of a reader."""


class Output(Console):
    """A console that lets the work go on when nobody reads it any more.

    Like rich's it heeds NO_COLOR, FORCE_COLOR, TERM=dumb and COLUMNS; and CLICOLOR with
    CLICOLOR_FORCE, which other programs know. In a notebook a pipe stays a pipe.
    """

    def __init__(self, **options: Any) -> None:
        stream = options.get("file") or (sys.stderr if options.get("stderr") else sys.stdout)
        plain = {"highlight": False, "markup": False, "emoji": False}
        super().__init__(**{**plain, **conventions(os.environ, stream), **options})

    def heading(self, name: str, more: str = "") -> None:
        """Print a name that stands out, and what is said of it in the same line."""
        from rich.text import Text  # noqa: PLC0415 -- see `_tell`

        self.print(Text.assemble((name, "bold"), more), soft_wrap=True)

    def render(
        self, renderable: "RenderableType", options: "ConsoleOptions | None" = None
    ) -> "Iterable[Segment]":
        """What is written out, with no command to the terminal in it but rich's own."""
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else printable(segment.text)
            yield segment._replace(text=text)

    def on_broken_pipe(self) -> None:
        """Fall silent; rich would end the program."""
        self.quiet = True
        silence(self.file)


def can_redraw(stream: IO[str]) -> bool:
    """Whether what was printed can be written over: in a terminal, but no dumb one.

    A `!` cell of a notebook looks like a terminal, and shows every version of a line.
    """
    dumb = os.environ.get("TERM", "").lower() in ("dumb", "unknown")
    return stream.isatty() and not dumb and not in_notebook()


def conventions(environ: Mapping[str, str], stream: IO[str]) -> dict[str, Any]:
    """What the variables that rich does not know ask of a console (bixense.com/clicolors)."""
    if in_notebook(environ):
        # The kernel forces colours on all of its programs, `out = !...` included.
        return {"force_terminal": stream.isatty()}
    if environ.get("CLICOLOR_FORCE", "0") not in ("", "0"):
        return {"force_terminal": True}
    return {"no_color": True} if environ.get("CLICOLOR") == "0" else {}


def say(text: str, *, end: str = "\n", stream: IO[str] | None = None) -> None:
    """Print a text as it is, in lines of any length, whether or not somebody still reads.

    Args:
        text: for a person or a program.
        end: what follows.
        stream: where to; standard output when None.
    """
    out = stream or sys.stdout
    encoding = getattr(out, "encoding", None) or "utf-8"
    try:
        shown = printable(text).encode(encoding, "replace").decode(encoding)
        print(shown, end=end, file=out, flush=True)
    except OSError:
        silence(out)


def refuse(message: str) -> None:
    """Say why nothing is done; the first line stands out, and below it stands the remedy."""
    _tell(message, "bold red")


def warn(message: str) -> None:
    """Say what to look out for; the work goes on."""
    _tell(f"warning: {message}", "bold yellow")


def speaker() -> Callable[[str], None]:
    """How whoever asks hears of something while it goes on: in the terminal, or as a warning."""
    return warn if is_on_command_line() else partial(warnings.warn, stacklevel=2)


def shaped(message: str) -> str:
    """The message with its name in front and no password, all below the first line indented."""
    first, _, rest = f"cnn-sweeps: {hidden_in(message.strip())}".partition("\n")
    below = textwrap.indent(textwrap.dedent(rest), REMEDY)
    return f"{first}\n{below}" if below else first


def _tell(message: str, style: str) -> None:
    from rich.text import Text  # noqa: PLC0415 -- most commands refuse nothing

    first, _, rest = shaped(message).partition("\n")
    out = Output(stderr=True)
    # The terminal breaks long lines by itself, so that a command can be copied out of them.
    out.print(Text(first, style), soft_wrap=True)
    if rest:
        out.print(Text(rest), soft_wrap=True)


class SafeStream(TextIOWrapper):
    """A stream that falls silent when it cannot be written any more, whoever writes."""

    def write(self, text: str) -> int:
        """Write, or fall silent."""
        try:
            return super().write(text)
        except OSError as error:
            self._lose(error)
            return len(text)

    def flush(self) -> None:
        """Write out what is left, or fall silent."""
        try:
            super().flush()
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        silence(self)
        if self.fileno() == STDOUT and not isinstance(error, BrokenPipeError):
            WRITE_ERRORS.append(error)


def silence(stream: IO[str]) -> None:
    """Send whatever is still written to a stream with a closed pipe to nowhere."""
    with suppress(OSError), open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def open_streams() -> None:
    """Make standard output and standard error last, and what is closed lead nowhere.

    Where they are closed the next file that is opened, a database, would be standard output.
    A terminal that knows no `·` gets a `?`.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is this one; the processes of a sweep need it as well.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
            mode = "w" if number else "r"
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 -- for good
    sys.stdout, sys.stderr = _safe(sys.stdout), _safe(sys.stderr)


def close_streams() -> OSError | None:
    """Write out what is left; why standard output has lost something, if it has."""
    sys.stdout.flush()
    return WRITE_ERRORS[0] if WRITE_ERRORS else None


def _safe(stream: IO[str]) -> IO[str]:
    """The same stream; another program's own, such as a test's, is left as it is."""
    if type(stream) is not TextIOWrapper:
        return stream
    line_buffering, write_through = stream.line_buffering, stream.write_through
    return SafeStream(
        stream.detach(),
        encoding=stream.encoding,
        errors="replace",
        line_buffering=line_buffering,
        write_through=write_through,
    )
