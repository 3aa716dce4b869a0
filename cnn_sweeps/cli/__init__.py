"""Reads arguments, calls, prints, returns an exit code; nothing else."""
