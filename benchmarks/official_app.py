"""The same loop as a Hydra application for the official sweeper, with MLflow's autolog.

Run by `official_sweeper`, in an environment of its own, where cnn_sweeps is absent.
"""

from pathlib import Path

import hydra
import mlflow
from omegaconf import DictConfig

from benchmarks import classifier
from benchmarks.points import Point


@hydra.main(version_base="1.3", config_path="official_conf", config_name="config")
def main(config: DictConfig) -> float:
    """Train one point, logged by autolog without the model; the sweeper's objective."""
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    mlflow.set_experiment("official")
    mlflow.tensorflow.autolog(log_models=False)
    point = Point(filters=config.filters, conv_blocks=config.conv_blocks, epochs=config.epochs)
    with mlflow.start_run():
        mlflow.log_params(vars(point))
        val_accuracy = classifier.train(classifier.Images.read(Path(config.images)), point)
    classifier.report(val_accuracy)
    return val_accuracy


if __name__ == "__main__":
    main()
