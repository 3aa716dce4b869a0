"""Sweep the design of convolutional networks from the command line."""

import logging

# Whoever runs a sweep reads the terminal; `sweeps.study.log` is what writes the records down.
logging.getLogger(__name__).addHandler(logging.NullHandler())
