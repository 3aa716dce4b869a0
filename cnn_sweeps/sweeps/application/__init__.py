"""A sweep of somebody's own Hydra application: its jobs are the trials of a study."""
