"""A recorded run made ready to be trained on this machine: config, threads, flags, code.

The config is the recorded one, whatever the defaults are today. What is no part of an
experiment follows the machine: where its images lie, where it is logged, how it is shown.
"""

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from cnn_sweeps import data
from cnn_sweeps.config.fields import locations
from cnn_sweeps.config.schema import Config, Model, Tracking, own_network
from cnn_sweeps.data.cores import cores
from cnn_sweeps.data.dataset import Dataset
from cnn_sweeps.errors import ConfigError, DataError, RecordError
from cnn_sweeps.models import custom
from cnn_sweeps.models.pretrained import KEY
from cnn_sweeps.models.source import Source
from cnn_sweeps.provenance import environment
from cnn_sweeps.provenance.environment import Environment
from cnn_sweeps.provenance.identity import SHOWN
from cnn_sweeps.runs.composition.validate import text_behind
from cnn_sweeps.runs.recorded.record import Record, check_finished, functions_of, verify
from cnn_sweeps.runs.weights.pretrained import begun_with
from cnn_sweeps.text.argument_names import option

PLACE = re.compile(r"dump|dir|path|file|plugin|lib", re.IGNORECASE)
"""In the names of options that name a file or a folder."""


def restored_config(record: Record, tracking: Tracking, places: list[str]) -> Config:
    """The recorded config, to be trained and logged here.

    Args:
        record: the run.
        tracking: where to log; the recorded one may name a folder or a server of another machine.
        places: `data.root=FOLDER` and the like, where the images lie elsewhere;
            `model.weights=FILE` where the pretrained weights do.

    Raises:
        ConfigError: a place that this kind of data does not have.
    """
    config = record.config
    weights = [text for text in places if text.startswith(f"{KEY}=")]
    images = [text for text in places if text not in weights]
    return replace(
        config,
        model=_with_weights(config, weights[-1]) if weights else config.model,
        data=replace(config.data, **_places(config, images)),
        trainer=replace(config.trainer, threads=threads(record.environment), progress="auto"),
        tracking=replace(tracking, log_model=_log_model(config.tracking, tracking)),
        # Every epoch is trained, and none is asked of others.
        trajectory=replace(config.trajectory, reuse=False, store=None, audit=0.0),
    )


@contextmanager
def reopened(record: Record, places: Sequence[str] = (), *, trust: bool) -> Iterator[Config]:
    """The config of a finished run, whose network can be built inside the block.

    Args:
        record: the run; it is verified.
        places: `data.root=FOLDER` and the like, where the images lie elsewhere.
        trust: whether the recorded code of `model.function` may be executed.

    Raises:
        RecordError: the run did not finish, or what is stored of it was changed.
        ConfigError: a place that its data do not have, or code that is not trusted.
    """
    check_finished(record)
    verify(record)
    config = restored_config(record, record.config.tracking, list(places))
    with importable_source(record, trust=trust):
        yield config


def _log_model(recorded: Tracking, here: Tracking) -> bool | Literal["auto"]:
    """Whether the model is stored: as it was, unless it is wanted here."""
    return here.log_model if here.log_model is True else recorded.log_model


def check_images_there(config: Config) -> None:
    """Refuse a recorded path with nothing under it, and say that another one may be typed.

    Raises:
        DataError: the images are missing.
    """
    try:
        data.check_there(config.data)
    except DataError as error:
        key = locations(config.data)[0]
        raise DataError(f"{error}\nIf the images lie elsewhere, add data.{key}=PATH.") from error


def recorded_images(record: Record, config: Config) -> Dataset:
    """The images of a run.

    Args:
        record: the run.
        config: its own, as it is restored here.

    Raises:
        DataError: they are missing, or others: their digest is not that of the run.
    """
    check_images_there(config)
    found, was = data.load_cached(config.data), record.identity.data_digest
    if found.digest != was:
        raise DataError(
            f"The images are not those of {record.name}: their digest is {found.digest[:SHOWN]} "
            f"instead of {was[:SHOWN]}.\nUse the original data; data.root=FOLDER or "
            "data.path=PATH sets its location."
        )
    return found


def threads(recorded: Environment) -> int:
    """The threads that a run was trained with, 0 for all cores if there are as many here.

    Sums are divided among threads, so their number moves bits; that of the cores does not.
    """
    were = recorded.cpu_count
    return recorded.threads or (0 if were == cores() else were)


@contextmanager
def recorded_flags(recorded: Environment) -> Iterator[Mapping[str, str]]:
    """Train inside the block with the variables that were recorded.

    Afterwards they are as before, unless TensorFlow has been imported with them meanwhile.

    They are those by which the libraries choose what they run. One that a record knows nothing of
    stays as it is here. One that names a file or a folder is of another machine, and is not set.

    Yields:
        Variables of the user's that are overridden, by name.

    Raises:
        ConfigError: TensorFlow was imported with others, and reads them only once.
    """
    here = environment.set_flags()
    kept = {name: value for name, value in here.items() if not recorded.knows(name)}
    wanted = kept | {
        name: value
        for name, value in recorded.flags.items()
        if here.get(name) == value or not _names_a_place(name, value)
    }
    if "tensorflow" in sys.modules and wanted != here:
        raise ConfigError(
            f"the run was trained with {_typed(wanted)}, but TensorFlow already runs in this "
            f"process with {_typed(here)}.\nReproduce it in a process of its own, for "
            "example with cnn-sweeps reproduce."
        )
    _replace(here, wanted)
    try:
        yield {name: value for name, value in here.items() if wanted.get(name) != value}
    finally:
        # Once it is imported, TensorFlow goes on with what it has read.
        if "tensorflow" not in sys.modules:
            _replace(wanted, here)


def _names_a_place(name: str, value: str) -> bool:
    """Whether a variable may name a file or a folder, which are of another machine, or a trap.

    XLA's are options, or the name of a file with options in it.
    """
    if os.sep in value:
        return True
    options = value.split() if name.endswith("FLAGS") else []
    return any(not each.startswith("-") or PLACE.search(each) for each in options)


def _replace(old: Mapping[str, str], new: Mapping[str, str]) -> None:
    for name in old:
        os.environ.pop(name, None)
    os.environ.update(new)


def _typed(variables: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in variables.items()) or "no variables"


@contextmanager
def importable_source(record: Record, *, trust: bool, to_train: bool = False) -> Iterator[bool]:
    """Let the recorded files of the user's own functions be imported inside the block.

    Files with the same content here are taken as they are, with the files around them; else the
    recorded ones are laid before all others. Gives whether that was done.

    Args:
        record: the run.
        trust: whether the user has said that the code may run.
        to_train: whether loss and metrics are needed as well as the network.

    Raises:
        ConfigError: the user has not said that the code may run.
        RecordError: another file of that name comes first all the same.
    """
    needed = [each for each in functions_of(record) if to_train or each[0] == custom.KEY]
    if needed and not trust:
        typed = " and ".join(f"{key}={function}" for key, function, _ in needed)
        raise ConfigError(
            f"{record.name} uses the recorded function {typed}; "
            "importing it executes its code.\nRead it first (cnn-sweeps export HASH FOLDER writes "
            f"it), then pass {option('trust', True)} to run it."
        )
    with ExitStack() as stack:
        laid = [stack.enter_context(_laid(*each)) for each in needed]
        yield any(laid)


@contextmanager
def _laid(key: str, function: str, source: Source | None) -> Iterator[bool]:
    """Let one function be imported as it was recorded; gives whether files were laid for it."""
    with TemporaryDirectory() as folder:
        laid = source is not None and not source.is_here(function)
        if source is not None and laid:
            source.lay(Path(folder))
            if not source.is_here(function):
                raise RecordError(
                    f"{key}={function}: the file here is not the one that was "
                    "trained, and as part of a package it cannot be replaced for the time of a "
                    f"run.\nRestore its content ({source.path}, which cnn-sweeps "
                    "export HASH FOLDER writes)."
                )
        try:
            yield laid
        finally:
            if laid:
                sys.path.remove(folder)


def not_recorded(record: Record) -> tuple[str, ...]:
    """The user's modules that the function imports now, and that were not stored with the run.

    Earlier versions stored the file of the function alone.
    """
    network, source = own_network(record.config.model), record.source
    found = Source.find(network.function) if network else None
    stored = {each.path for each in source.files} if source else set()
    imports = found.imports if found else ()
    return tuple(each.path for each in imports if each.path not in stored and not each.is_empty)


def _with_weights(config: Config, given: str) -> Model:
    """The network, its pretrained weights where they lie now; their digest stays as it is."""
    model = begun_with(config)
    if model is None:
        raise ConfigError(f"{given} has no effect: the run began with no pretrained weights.")
    file = text_behind(given)
    if not file:
        raise ConfigError(f"{given} names no file.\nType {given}FILE.")
    return replace(model, weights=file)


def _places(config: Config, given: list[str]) -> Mapping[str, Any]:
    """Where the images lie, from `data.KEY=VALUE`."""
    possible = locations(config.data)
    values: dict[str, Path] = {}
    for text in given:
        key = text.removeprefix("data.").partition("=")[0]
        if key not in possible:
            known = f"data.{possible[0]}" if possible else "none of its keys"
            raise ConfigError(
                f"{text} cannot be overridden: the experiment is restored as recorded. Of "
                f"data={config.data.name}, {known} can be set."
            )
        values[key] = Path(text_behind(text))
    return values
