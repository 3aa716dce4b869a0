"""The Hydra plugin of cnn_sweeps."""
