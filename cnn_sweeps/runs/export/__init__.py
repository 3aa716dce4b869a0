"""A run as a folder that stands alone."""
