"""The typed configuration of an experiment."""

from cnn_sweeps.config.schema import Config

__all__ = ["Config"]
