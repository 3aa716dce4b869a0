"""`python -m cnn_sweeps` is `cnn-sweeps`."""

from cnn_sweeps.cli import main

main()
