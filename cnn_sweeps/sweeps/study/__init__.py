"""The Optuna study as a queue of trials."""
