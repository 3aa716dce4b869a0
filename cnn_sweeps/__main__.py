"""`cnn-sweeps` and `python -m cnn_sweeps`: the command line, where Ctrl-C is heard at once."""

import gc
import os
import signal
import sys


def main() -> None:
    """Import the command line, which takes a moment, and carry it out.

    Figures are drawn without a window. A backend of the shell's, such as that of a notebook's
    kernel, may not be installed here, and Keras would not be imported.
    """
    os.environ["MPLBACKEND"] = "agg"
    gc.disable()  # nothing that is imported is garbage, and searching it for some takes long
    try:
        from cnn_sweeps.cli import main as cli  # noqa: PLC0415 -- so that Ctrl-C is heard meanwhile

        gc.freeze()
        gc.enable()
        cli.main()
    except KeyboardInterrupt:
        sys.stderr.write("cnn-sweeps: interrupted.\n")
        sys.exit(128 + signal.SIGINT)


if __name__ == "__main__":
    main()
