"""Many experiments; the only package that imports Optuna."""
