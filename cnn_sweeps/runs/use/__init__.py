"""A finished run in use: predictions, evaluation, what `cs.load` gives."""
