"""Sweep the design of convolutional networks from the command line."""
