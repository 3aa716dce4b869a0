"""What only the images tell of a sweep: read before anything is started, and refused once."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cnn_sweeps import data
from cnn_sweeps.config.schema import Config, Data
from cnn_sweeps.data import Dataset
from cnn_sweeps.errors import InputError
from cnn_sweeps.runs import validate
from cnn_sweeps.sweeps.plan.feasibility import refuse_impossible
from cnn_sweeps.sweeps.plan.plan import Plan
from cnn_sweeps.sweeps.space.value import Label
from cnn_sweeps.training.progress import reading_bar

MOST_READ = 8
"""Different settings of data that are read, as far as a sweep has so many."""


def refuse_unfit(plan: Plan) -> None:
    """Refuse what no trial could do with its images: settings of data, names of classes, shapes.

    Image files are decoded by it, once, before several workers would want them.

    Raises:
        ConfigError: a value is never possible with the images.
        DataError: they cannot be read.
    """
    with reading_bar(plan.first.trainer.progress):
        refuse_impossible(plan, _Build(plan))


@dataclass
class _Build:
    """Makes configs of a plan, and checks each with its images."""

    plan: Plan
    known: dict[Data, Dataset | InputError] = field(default_factory=dict)

    def __call__(self, point: Mapping[str, Label]) -> Config:
        """The config at a point.

        Raises:
            InputError: it cannot be carried out.
        """
        config = self.plan.config(point)
        if config.data not in self.known:
            if len(self.known) == MOST_READ:
                return config
            self.known[config.data] = _read(config.data)
        found = self.known[config.data]
        if isinstance(found, InputError):
            raise found
        validate.check_with_images(config, found)
        return config


def _read(config: Data) -> Dataset | InputError:
    """The images, or why they cannot be read, which is said of each trial that wants them."""
    try:
        return data.load(config)
    except InputError as error:
        return error
