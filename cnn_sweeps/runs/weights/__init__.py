"""Weights that a run begins with or gives: pretrained ones, found and packed."""
