"""Checks of a sweep that need its images, made once before anything starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cnn_sweeps.config.schema import Config, Data
from cnn_sweeps.data import Facts, loading, memory_cache
from cnn_sweeps.data.dataset import Content
from cnn_sweeps.errors import InputError
from cnn_sweeps.runs.composition import validate
from cnn_sweeps.sweeps.plan.feasibility import refuse_impossible
from cnn_sweeps.sweeps.plan.plan import Plan
from cnn_sweeps.sweeps.space.value import Label
from cnn_sweeps.training.progress import reading_bar

MOST_READ = 100
"""Different settings of data that are looked at: each takes as long as hashing its images does."""


def refuse_unfit(plan: Plan) -> str | None:
    """Refuse what no trial could do with its images: settings of data, names of classes, shapes.

    Image files are decoded by it, once, before several workers would want them.

    Returns:
        What was not looked at, in a sentence; None where all was.

    Raises:
        ConfigError: a value is never possible with the images.
        DataError: they cannot be read.
    """
    build = _Build(plan)
    with reading_bar(plan.first.trainer.progress):
        refuse_impossible(plan, build)
    if not build.passed_over:
        return None
    return (
        f"images were checked for {MOST_READ} of {MOST_READ + len(build.passed_over)} settings of "
        "data; each of the others is checked by its first trial"
    )


@dataclass
class _Build:
    """Makes configs of a plan, and checks each with its images."""

    plan: Plan
    known: dict[Data, Facts | InputError] = field(default_factory=dict)
    passed_over: set[Data] = field(default_factory=set)
    _read: tuple[Data, Content] | None = None

    def __call__(self, point: Mapping[str, Label]) -> Config:
        """The config at a point.

        Raises:
            InputError: it cannot be carried out.
        """
        config = self.plan.config(point)
        if config.data not in self.known:
            if len(self.known) == MOST_READ:
                self.passed_over.add(config.data)
                return config
            self.known[config.data] = self._facts(config.data)
        found = self.known[config.data]
        if isinstance(found, InputError):
            raise found
        validate.check_with_images(config, found)
        return config

    def _facts(self, config: Data) -> Facts | InputError:
        """What the images are, or why they cannot be used, which is said of each trial."""
        try:
            dataset = loading.divide_content(self._content(config), config)
        except InputError as error:
            return error
        if memory_cache.take_little(dataset):
            memory_cache.keep(config, dataset)  # for the trials
        return dataset.facts

    def _content(self, config: Data) -> Content:
        """The images, read once for all settings that only divide them, as long as these follow."""
        source = loading.undivided(config)
        if self._read is None or self._read[0] != source:
            self._read = None  # two at a time may be too many
            self._read = source, loading.read(config)
        return self._read[1]
