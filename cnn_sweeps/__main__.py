"""`cnn-sweeps` and `python -m cnn_sweeps`: the command line, where Ctrl-C is heard at once."""

import gc
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

STUDIES = Path("mlruns", "studies")
"""Where the studies of a folder are unless `tracking.dir` says otherwise."""


def main() -> None:
    """Import the command line, which takes a moment, and carry it out.

    Figures are drawn without a window. A backend of the shell's, such as that of a notebook's
    kernel, may not be installed here, and Keras would not be imported.
    """
    os.environ["MPLBACKEND"] = "agg"
    gc.disable()  # nothing that is imported is garbage, and searching it for some takes long
    try:
        with _warming_up() if starts_workers(sys.argv[1:]) else nullcontext():
            from cnn_sweeps.cli import main as cli  # noqa: PLC0415 -- so that Ctrl-C is heard

            gc.freeze()
            gc.enable()
            cli.main()
    except KeyboardInterrupt:
        sys.stderr.write("cnn-sweeps: interrupted.\n")
        sys.exit(128 + signal.SIGINT)
    finally:
        gc.freeze()  # nor need what ends with the process be searched


def starts_workers(typed: Sequence[str]) -> bool:
    """Whether a command is sure to train in processes of this machine, if it is not refused.

    What these import takes as long as all that comes before them, and goes on beside it. A command
    that says where or how it runs is looked at first, and so is one in a folder that has studies:
    the same command again trains nothing.
    """
    options = [word for word in typed if word.startswith("-")]
    overrides = [word for word in typed if not word.startswith("-")]
    return (
        options in (["-m"], ["--multirun"])
        and all("=" in word for word in overrides)
        and not any(word.lstrip("+").startswith(("hydra", "tracking")) for word in overrides)
        and not STUDIES.exists()
        and os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow"
    )


def _warming_up() -> AbstractContextManager[None]:
    from cnn_sweeps.sweeps.workers import forkserver  # noqa: PLC0415 -- most commands have none

    return forkserver.warming_up(early=True)


if __name__ == "__main__":
    main()
