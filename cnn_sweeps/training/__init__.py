"""Epochs, trained. Knows neither MLflow nor Hydra nor Optuna."""
