"""The questions of the notebook, asked of a few networks and answered with their noise."""
