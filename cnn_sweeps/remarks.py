"""What is refused and what is warned of: one place, one style, on standard error."""

import textwrap

from cnn_sweeps.passwords import hidden_in

REMEDY = "  "
"""In front of every line below the first."""


def refuse(message: str) -> None:
    """Say why nothing is done; the first line stands out, and below it stands the remedy."""
    _tell(message, "bold red")


def warn(message: str) -> None:
    """Say what to look out for; the work goes on."""
    _tell(f"warning: {message}", "bold yellow")


def shaped(message: str) -> str:
    """The message with its name in front and no password, all below the first line indented."""
    first, _, rest = f"cnn-sweeps: {hidden_in(message.strip())}".partition("\n")
    below = textwrap.indent(textwrap.dedent(rest), REMEDY)
    return f"{first}\n{below}" if below else first


def _tell(message: str, style: str) -> None:
    from rich.text import Text  # noqa: PLC0415 -- most commands refuse nothing

    from cnn_sweeps.terminal import Output  # noqa: PLC0415

    first, _, rest = shaped(message).partition("\n")
    out = Output(stderr=True)
    # The terminal breaks long lines by itself, so that a command can be copied out of them.
    out.print(Text(first, style), soft_wrap=True)
    if rest:
        out.print(Text(rest), soft_wrap=True)
