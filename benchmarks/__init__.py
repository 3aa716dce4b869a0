"""Comparisons with other tools and measurements of the program's own cost: `make bench`."""
