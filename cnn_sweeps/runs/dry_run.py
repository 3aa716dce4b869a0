"""What a single run would do, told without doing it: `cnn-sweeps --dry-run`."""

from cnn_sweeps.config.schema import Config
from cnn_sweeps.models import count_params
from cnn_sweeps.models.names import title
from cnn_sweeps.runs.composition import validate
from cnn_sweeps.runs.experiment import Experiment
from cnn_sweeps.runs.recorded.lineage import lineage_lines
from cnn_sweeps.runs.stored_epochs import stored_epochs
from cnn_sweeps.text.format import pluralize


def describe(config: Config) -> list[tuple[str, str]]:
    """Names, and what is known of each; the images are read, and TensorFlow is not started.

    Raises:
        ConfigError: it does not fit its images.
        DataError: the images cannot be read.
    """
    experiment = Experiment.load(config)
    config, dataset = experiment.config, experiment.dataset
    validate.check_with_images(config, dataset.facts)
    params = count_params(config.model, dataset.shape, dataset.num_classes)
    size = "its size is known once it is built" if params is None else f"{params:,} parameters"
    splits = (
        f"{len(x):,} {name}"
        for name, x in (
            ("train", dataset.x_train),
            ("validation", dataset.x_val),
            ("test", dataset.x_test),
        )
        if len(x)
    )
    stored, epochs = stored_epochs(config), config.trainer.epochs
    known = (
        f", of which {stored:,} are stored and {epochs - stored:,} are trained" if stored else ""
    )
    lines = lineage_lines(config, dataset.digest)
    return [
        ("experiment", experiment.name),
        ("network", f"{title(config.model)}, {size}"),
        ("images", f"{dataset.name}: {', '.join(splits)}"),
        ("to do", f"at most {pluralize(epochs, 'epoch')}{known}"),
        *([("segments", "\n".join(lines))] if lines else []),
        *(("", note) for note in dataset.notices),
    ]
