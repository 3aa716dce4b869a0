"""How things are said, the same everywhere: first lines, numbers of things, times."""

MINUTE, HOUR = 60, 3600


def first_line(text: object) -> str:
    """The first line of a reason or an error; empty where it says nothing."""
    return next(iter(str(text or "").strip().splitlines()), "")


def counted(number: int, thing: str, things: str | None = None) -> str:
    """So many things: `1 trial`, `1,200 trials`, `2 trajectories`.

    Args:
        number: how many.
        thing: the word for one.
        things: the word for several, where that is not formed with an s.
    """
    return f"{number:,} {thing if number == 1 else things or f'{thing}s'}"


def duration(seconds: float, decimals: int = 0) -> str:
    """A measured time: `16 s`, `1 min 12 s`, `2 h 5 min`.

    Args:
        seconds: measured; rounded down, as clocks do.
        decimals: of a time of less than a minute.
    """
    if seconds < MINUTE:
        return f"{int(seconds * 10**decimals) / 10**decimals:.{decimals}f} s"
    minutes, rest = divmod(int(seconds), MINUTE)
    hours, minutes = divmod(minutes, MINUTE)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
