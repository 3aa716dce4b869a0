"""The functions of `import cnn_sweeps as cs`: they return values and print nothing.

The command line is a thin layer over them, so both give the same hashes, records and bits. What
is typed behind `cnn-sweeps` is given as texts, or as keywords:

    cs.run("data=digits", "model.filters=32", "trainer.epochs=3")
    cs.run(data="digits", model__filters=32, trainer__epochs=3)

A double underscore stands for the dot between a group and its key. Nothing heavy is imported
before it is needed, and nothing is written outside of `tracking.dir`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from difflib import get_close_matches
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from cnn_sweeps.errors import ConfigError, UnknownHashError, UnknownStudyError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from cnn_sweeps.config import Config
    from cnn_sweeps.config.schema import Tracking
    from cnn_sweeps.runs.epochs.measured import MeasuredRun
    from cnn_sweeps.runs.epochs.outcomes import WhatIf
    from cnn_sweeps.runs.fork import Fork
    from cnn_sweeps.runs.recorded.leaderboard import Leaderboard
    from cnn_sweeps.runs.recorded.record import Record
    from cnn_sweeps.runs.reproduce import Reproduction
    from cnn_sweeps.runs.result import RunResult
    from cnn_sweeps.runs.use.loaded import LoadedRun
    from cnn_sweeps.sweeps.outcome import Display, SweepOutcome
    from cnn_sweeps.sweeps.request import SweepRequest
    from cnn_sweeps.sweeps.results.measured import MeasuredStudy
    from cnn_sweeps.sweeps.results.what_if import StudyWhatIf
    from cnn_sweeps.sweeps.study.study import SweepStudy
    from cnn_sweeps.tracking import Store
    from cnn_sweeps.training.loop import Callback

HASH = r"[0-9a-fA-F]{4,64}"
"""What a config hash, or the beginning of one, looks like."""
OPTIONS = ("sampler", "pruner")
"""Settings of a sweep that are options of a config group: `hydra/sweeper/sampler=tpe`."""
SETTINGS = (
    *("study_name", "n_trials", "timeout", "n_jobs", "storage", "objectives"),
    "workers_per_gpu",
    *("duplicates", "enqueue", "retries", "max_failures", "log_level", "log_file"),
)
"""Further settings of a sweep, by their names below `hydra.sweeper`."""


def compose(*overrides: str, **settings: Any) -> Config:
    """The config of one experiment, checked and frozen.

    Args:
        overrides: as they are typed: `"data=digits"`, `"model.filters=32"`.
        settings: the same as keywords: `data="digits"`, `model__filters=32`.

    Raises:
        ConfigError: a key, a type, a value or a combination is invalid.
        DataError: there is nothing under `data.path`.
    """
    from cnn_sweeps.runs.composition import validate
    from cnn_sweeps.runs.composition.hydra_errors import as_config_error

    typed = [*_texts(overrides), *_typed(settings)]
    with as_config_error(typed):
        return config_of(validate.compose(typed), typed)


def run(*what: Config | str, callbacks: Sequence[Callback] = (), **settings: Any) -> RunResult:
    """Train one experiment and log all of it to MLflow.

    Args:
        what: a config of `compose`, or overrides.
        callbacks: see each epoch (`on_epoch(epoch)`), after the log.
        settings: overrides as keywords; see `compose`.

    Raises:
        ConfigError: a key, a type, a value or a combination is invalid.
        DataError: the images cannot be read; no run is logged.
        RunFailedError: training began and failed; the run is logged as failed.
        StoreError: the run cannot be logged.
    """
    _check_callbacks(callbacks)
    config = _config(what, settings)
    # A store that refuses does so before TensorFlow is imported, which takes the longest.
    from cnn_sweeps.tracking import Store

    return run_in(Store.open(config.tracking), config, callbacks=callbacks)


def sweep(*overrides: str, display: Display | None = None, **settings: Any) -> SweepOutcome:
    """Sweep over what is given, or continue the same sweep to the same total.

    Args:
        overrides: as they are typed behind `cnn-sweeps -m`: `"model.filters=16,32"`,
            `"search=architecture"`, `"+exercise=1_filters"`.
        display: is told what happens; nobody when None.
        settings: settings of the sweep by their names (`n_trials=20`, `study_name="mine"`,
            `sampler="tpe"`, `params={"model.filters": [16, 32]}`), and overrides as keywords.

    Raises:
        ConfigError: it cannot be carried out; nothing was started.
        RunFailedError: nothing but failures.
        StoreError: the study or the tracking database cannot be used.
        KeyboardInterrupt: it was stopped; the same call continues it.
    """
    from cnn_sweeps.runs.composition.hydra_errors import as_config_error
    from cnn_sweeps.sweeps.from_hydra import composed_call, request_of
    from cnn_sweeps.sweeps.outcome import Display

    typed = [*_texts(overrides), *_swept(settings)]
    with as_config_error(typed, sweep=True), composed_call(typed) as (call, arguments):
        request = request_of(call, arguments)
    if request.budget.dry_run or request.place is not None:
        raise ConfigError(
            "cs.sweep runs its trials in processes of this machine: hydra.sweeper.dry_run and "
            "other launchers belong to cnn-sweeps -m."
        )
    return carry_out(request, display or Display())


def load(name: str | None = None, *where: str, run_id: str | None = None) -> LoadedRun:
    """Everything that is stored of a run: config, environment, epochs, metrics, its network.

        cs.load("3f2a").predict("photos/")

    Args:
        name: a unique prefix of its config hash (at least 4 hex digits), or its MLflow run id.
        where: `"tracking.dir=FOLDER"` or `"tracking.uri=URI"`.
        run_id: this MLflow run, in place of `name`.

    Raises:
        UnknownHashError: no run, or more than one experiment, has that name.
        RecordError: it is incomplete, was changed, or a newer version stored it.
        StoreError: the store cannot be read.
    """
    from cnn_sweeps.runs.recorded import lookup
    from cnn_sweeps.runs.use.loaded import LoadedRun

    named = _one_of(name, run_id)
    where = tuple(_texts((named, *where))[1:])
    return LoadedRun.find(lookup.open_store(_tracking(where), named), name, run_id)


def evaluate(
    name: str | None = None,
    *where: str,
    metrics: Sequence[str],
    run_id: str | None = None,
    every_epoch: bool = False,
    storage: str | None = None,
    trust: bool = False,
) -> MeasuredRun | MeasuredStudy:
    """Metrics of the validation images for a finished run or a study, computed afterwards.

    Nothing is trained: what was not measured is computed from stored weights.

        cs.evaluate("3f2a", metrics=["macro_f1", "roc_auc"], every_epoch=True).records()

    Args:
        name: a unique prefix of a config hash, or the name of a study or a prefix of it.
        where: `"tracking.dir=FOLDER"` or `"tracking.uri=URI"`, and `"data.root=FOLDER"` and the
            like where the images lie elsewhere.
        metrics: as in `trainer.metrics`, or as typed, `"macro_f1,roc_auc"`; of a study, the first
            one ranks.
        run_id: this MLflow run, in place of `name`.
        every_epoch: whether every epoch is measured, and not the one a run ended with.
        storage: where studies are, in place of the tracking folder.
        trust: whether the recorded code of `model.function` may be executed.

    Raises:
        ConfigError: an unknown metric, no validation images, or code that is not trusted.
        UnknownHashError: no run, or more than one experiment, has that hash.
        UnknownStudyError: no study, or several, have that name.
        RecordError: the run did not finish, or what is stored of it was changed.
        DataError: the images are missing, or are not those of the run.
        ModelError: a metric of the user's own failed.
        StoreError: the store cannot be read.
    """
    from cnn_sweeps.runs.epochs import measured
    from cnn_sweeps.runs.recorded.record import Record

    metrics = list(filter(None, metrics.split(","))) if isinstance(metrics, str) else metrics
    measured.check_metrics(_texts(metrics or ()))
    places, store, found = _asked_of(name, where, storage, run_id)
    which: measured.Which = "every" if every_epoch else "best"
    if isinstance(found, Record):
        return measured.measure(store, found, metrics, which=which, places=places, trust=trust)
    from cnn_sweeps.sweeps.results.measured import measure_study

    return measure_study(found, store, metrics, which=which, places=places, trust=trust)


def what_if(
    name: str,
    *changes: str,
    storage: str | None = None,
    trust: bool = False,
    **settings: Any,
) -> WhatIf | StudyWhatIf:
    """What a finished run, or the trials of a study, would have been under another rule.

    That is what says when to stop, and whether the weights of the last epochs are averaged.

    Computed from stored epochs; nothing is trained.

        cs.what_if("3f2a", "trainer.early_stopping.patience=1,3,5").records()

    Args:
        name: a unique prefix of a config hash, or the name of a study or a prefix of it.
        changes: as they are typed: `"trainer.epochs=3"`, `"trainer.weight_averaging=3,5"`; a
            monitor may be a function of your own, `"monitor=my_module:function:max"`;
            `"tracking.dir=FOLDER"` and the like as for a run.
        storage: where studies are, in place of the tracking folder.
        trust: whether the recorded code of `model.function` may be executed, where a metric has to
            be computed.
        settings: changes as keywords, a list for several values:
            `trainer__early_stopping__patience=[1, 3]`.

    Raises:
        ConfigError: a key that changes what is trained, or a value that cannot be.
        UnknownHashError: no run, or more than one experiment, has that hash.
        UnknownStudyError: no study, or several, have that name.
        RecordError: the run did not finish, or what is stored of it was changed.
        DataError: a metric has to be computed, and the images are missing.
        StoreError: the store cannot be read.
    """
    from cnn_sweeps.runs.composition.hydra_errors import as_config_error
    from cnn_sweeps.runs.epochs import what_if as runs
    from cnn_sweeps.runs.recorded.record import Record

    keywords = [f"{key.replace('__', '.')}={_choice(each)}" for key, each in settings.items()]
    given = [*_texts(changes), *keywords]
    where = [text for text in given if text.lstrip("+").startswith(("tracking.", "data."))]
    typed = [text for text in given if text not in where]
    with as_config_error(typed):
        questions = runs.parse_changes(typed)
    places, store, found = _asked_of(name, where, storage)
    if isinstance(found, Record):
        return runs.what_if(store, found, questions, places=places, trust=trust)
    from cnn_sweeps.sweeps.results.what_if import what_if_study

    return what_if_study(found, store, questions, places=places, trust=trust)


def compare(
    *words: str,
    metric: str = "val_accuracy",
    where: str = "",
    experiment: str | None = None,
    ascending: bool | None = None,
    all_runs: bool = False,
    top: int | None = None,
) -> Leaderboard:
    """Rank the runs of all studies, and single runs, by a metric.

    Args:
        words: prefixes of the hashes that are compared (of all where there are none), and
            `"tracking.dir=FOLDER"` or `"tracking.uri=URI"`.
        metric: what ranks them.
        where: only runs that fit, in MLflow's search syntax.
        experiment: only runs of this MLflow experiment.
        ascending: whether less is better; by the name of the metric when None.
        all_runs: a row for each run, and not one for each experiment.
        top: at least so many rows, if there are as many; of a large store no more is read than
            they take. All when None.

    Raises:
        ConfigError: an unknown metric or experiment, a filter that MLflow cannot read, or no row.
        UnknownHashError: there are no runs at all, or a hash fits none or several experiments.
        StoreError: the store cannot be read.
    """
    from cnn_sweeps.runs.recorded import lookup
    from cnn_sweeps.runs.recorded.leaderboard import FEW, Question, rank
    from cnn_sweeps.text.argument_names import option
    from cnn_sweeps.tracking import checked_prefix

    _text_arguments(metric=metric, where=where, experiment=experiment or "")
    if top is not None and not (isinstance(top, int) and top >= 1):
        raise ConfigError(f"top={top} is invalid: it takes a number of rows from 1.")
    instead = f"Type {option('experiment', 'NAME')} for the runs of one experiment."
    typed = [word for word in _texts(words) if "=" in word]
    store = lookup.open_store(_tracking(typed, instead=instead))
    question = Question(
        metric=metric,
        where=where,
        experiment=experiment,
        ascending=ascending,
        each=all_runs,
        top=top,
    )
    prefixes = [checked_prefix(word) for word in words if "=" not in word]
    board = rank(store, prefixes, question)
    if not board.whole or (top is not None and len(board.runs) > FEW):
        return board  # else every trial of a study would be read for a few rows
    return replace(board, warnings=_differences(board, store))


def reproduce(
    name: str | None = None,
    *overrides: str,
    run_id: str | None = None,
    folder: str | Path | None = None,
    trust: bool = False,
    tolerance: float | None = None,
) -> Reproduction:
    """Train the experiment of a hash again from scratch, and compare it with the record.

    Args:
        name: a unique prefix of its config hash.
        overrides: `"data.root=FOLDER"` and the like where the images lie elsewhere,
            `"model.weights=FILE"` where the pretrained weights do, and `"tracking.dir=FOLDER"` or
            `"tracking.uri=URI"`.
        run_id: this MLflow run, in place of `name`.
        folder: the run that `cnn-sweeps export` wrote there, in place of `name`.
        trust: whether the recorded code of `model.function` may run.
        tolerance: how far any metric may be apart in another environment.

    Raises:
        UnknownHashError: no run, or more than one experiment, has that hash.
        RecordError: what is stored of the run was changed, or cannot be done again.
        ConfigError: its model is the user's own and `trust` was not given, or no tolerance.
        DataError: the images are missing, or are not those of the run.
        RunFailedError: the training failed this time.
        StoreError: the store refuses.
    """
    from cnn_sweeps.config.schema import Tracking
    from cnn_sweeps.data import look_again
    from cnn_sweeps.data.files import expand_user
    from cnn_sweeps.runs import reproduce as runs
    from cnn_sweeps.runs.composition import validate
    from cnn_sweeps.runs.export import export
    from cnn_sweeps.runs.recorded import lookup

    look_again()
    if sum(given is not None for given in (name, run_id, folder)) != 1:
        raise ConfigError("give one of name, run_id and folder.")
    places, where = validate.places(_texts(overrides), weights=True)
    # A reproduction is logged beside the run that it is compared with.
    keys = [each.name for each in fields(Tracking) if folder or each.name != "experiment"]
    tracking = _tracking(where, *validate.PLACES, "model.weights=FILE", keys=keys)
    beside: Store | None = None
    if folder is not None:
        exported = expand_user(Path(folder))
        record, weights = export.read(exported), export.weights_of(exported)
        packed = [f"model.weights={weights}"] if weights else []
        places = [*packed, *places]  # the last counts: what was typed
    else:
        record, beside = runs.find_record(lookup.open_store(tracking, run_id or name), name, run_id)
    return runs.reproduce(record, tracking, beside, places=places, trust=trust, tolerance=tolerance)


def fork(
    name: str, *overrides: str, callbacks: Sequence[Callback] = (), **settings: Any
) -> RunResult:
    """Train an experiment as another was trained up to an epoch, with something changed then.

    Args:
        name: `HASH@8`: a unique prefix of a config hash, and the epoch; after the last one
            without `@8`.
        overrides: what is changed, as it is typed: `"trainer.optimizer.learning_rate=1e-4"`;
            `"trainer.epochs=12"` where there are to be more (or fewer) in all; `"data.root=FOLDER"`
            and `"tracking.dir=FOLDER"` as for a run.
        callbacks: see each epoch, after the log.
        settings: overrides as keywords; see `compose`.

    Raises:
        UnknownHashError: no run, or more than one experiment, has that hash.
        ConfigError: nothing is changed, what is given cannot be changed, or the epochs do not fit.
        RecordError: the run cannot be taken up.
        DataError: the images are missing.
        RunFailedError: training began and failed; the run is logged as failed.
        StoreError: the store refuses.
    """
    _check_callbacks(callbacks)
    made = plan_fork(name, *overrides, *_typed(settings))
    if made.is_parent:
        raise ConfigError(
            f"{name}: nothing is changed, so that this is {made.parent.name} itself.\n  Add what "
            'changes, such as "trainer.epochs=12"; cs.load gives the run as it is.'
        )
    from cnn_sweeps.tracking import Store

    store, parent = Store.open(made.config.tracking), made.parent.config
    return run_in(store, made.config, callbacks=callbacks, recorded=parent)


def plan_fork(name: str, *overrides: str) -> Fork:
    """What a fork would be, trained by nobody yet; see `fork`."""
    from cnn_sweeps.config.schema import Tracking
    from cnn_sweeps.data import look_again
    from cnn_sweeps.runs import fork as runs
    from cnn_sweeps.runs.composition.hydra_errors import as_config_error
    from cnn_sweeps.runs.recorded import lookup

    look_again()
    where = [
        text for text in _texts((name, *overrides)) if text.lstrip("+").startswith("tracking.")
    ]
    tracking = _tracking(where, keys=[each.name for each in fields(Tracking)])
    prefix, epoch = runs.parse_fork_point(name)
    store = lookup.open_store(tracking, prefix)
    record = lookup.record_of(store, lookup.one_run(store, prefix))
    changes = [text for text in overrides if text not in where]
    with as_config_error(changes):
        return runs.fork(record, epoch, changes, tracking)


def config_of(composed: DictConfig, typed: Sequence[str] = ()) -> Config:
    """The checked config of one run from what Hydra composed; warns of what has no effect.

    Args:
        composed: the config.
        typed: the overrides that it was composed with.

    Raises:
        ConfigError: a key, a type, a value or a combination is invalid.
    """
    from cnn_sweeps.runs.composition import validate
    from cnn_sweeps.sweeps.comparison.definition import refuse_as_run
    from cnn_sweeps.text.terminal import speaker

    values = validate.plain_values(composed)
    refuse_as_run(values)
    config = validate.make_config(values)
    for remark in validate.remarks_of(values, typed):
        speaker()(remark)
    return config


def run_in(
    store: Store,
    config: Config,
    *,
    callbacks: Sequence[Callback] = (),
    recorded: Config | None = None,
) -> RunResult:
    """Train a checked config and log it to an open store; see `run`, and `runs.run`."""
    from cnn_sweeps.data import look_again
    from cnn_sweeps.training.backend import quiet_stderr

    look_again()
    with quiet_stderr():
        from cnn_sweeps.runs.run import run as train
    return train(config, store, callbacks=callbacks, recorded=recorded)


def carry_out(request: SweepRequest, display: Display) -> SweepOutcome:
    """Carry out a checked sweep and write its report; see `sweep`."""
    from cnn_sweeps.data import look_again
    from cnn_sweeps.report import publish
    from cnn_sweeps.sweeps import controller

    look_again()
    return controller.sweep(request, display, publish)


def _one_of(name: str | None, run_id: str | None) -> str:
    """The one of the two that is given.

    Raises:
        ConfigError: both are, or neither.
    """
    if (name is None) == (run_id is None):
        raise ConfigError("give one of name and run_id.")
    return run_id or "" if name is None else name


def _asked_of(
    name: str | None, where: Sequence[str], storage: str | None, run_id: str | None = None
) -> tuple[list[str], Store, Record | SweepStudy]:
    """Where images lie now, the store, and the run or the study that is named.

    Raises:
        ConfigError: a name and a run id are given, or neither.
    """
    from cnn_sweeps.data import look_again
    from cnn_sweeps.runs.composition import validate
    from cnn_sweeps.runs.recorded import lookup

    look_again()
    named = _one_of(name, run_id)
    places, rest = validate.places(_texts((named, *where))[1:])
    tracking = _tracking(rest, *validate.PLACES)
    store = lookup.open_store(tracking, named)
    if name is None:
        return places, store, lookup.record_of(store, lookup.run_of_id(store, named))
    try:
        return places, store, lookup.record_of(store, lookup.one_run(store, name))
    except UnknownHashError as unknown:
        from cnn_sweeps.sweeps.study import stored_studies

        try:
            return places, store, stored_studies.load(name, tracking, storage)
        except UnknownStudyError:
            if re.fullmatch(HASH, name):
                raise unknown from None
            raise


def _differences(board: Leaderboard, store: Store) -> tuple[str, ...]:
    """Where studies in the folder of the store differ from the runs that are ranked."""
    studies = dict.fromkeys(filter(None, map(board.names.study, board.runs)))
    if not studies:
        return ()
    from cnn_sweeps.sweeps.results.runs import differences  # imports Optuna

    known = board.read
    return tuple(f"{name}: {said}" for name in studies for said in differences(name, store, known))


def _config(what: Sequence[Config | str], settings: Mapping[str, Any]) -> Config:
    """The config that was given, or that overrides describe."""
    from cnn_sweeps.config import Config

    configs = [each for each in what if isinstance(each, Config)]
    texts = _texts([each for each in what if not isinstance(each, Config)])
    if not configs:
        return compose(*texts, **settings)
    if len(configs) > 1 or texts or settings:
        raise ConfigError(
            "give one config, or overrides: a config is frozen. "
            "Compose another one with cs.compose(...)."
        )
    return configs[0]


def _tracking(where: Sequence[str], *also: str, **options: Any) -> Tracking:
    from cnn_sweeps.runs.composition.hydra_errors import as_config_error
    from cnn_sweeps.runs.composition.validate import compose_tracking

    with as_config_error(where):
        return compose_tracking(list(where), *also, **options)


def _check_callbacks(callbacks: Sequence[Callback]) -> None:
    """Refuse what is told of no epoch, before one is trained.

    Raises:
        ConfigError: a function, or an object without the method.
    """
    listed = isinstance(callbacks, Sequence)
    if not listed or not all(callable(getattr(each, "on_epoch", None)) for each in callbacks):
        raise ConfigError(
            f"callbacks={shorten(repr(callbacks), 60)} is invalid: it takes a list of objects, "
            "each with a method on_epoch(epoch)."
        )


def _text_arguments(**given: object) -> None:
    """Refuse arguments that are no text.

    Raises:
        ConfigError: naming the first.
    """
    for name, value in given.items():
        if not isinstance(value, str):
            raise ConfigError(
                f"{name}={shorten(repr(value), 60)} ({type(value).__name__}) is invalid: "
                "it takes text."
            )


def _texts(words: Sequence[Any]) -> list[str]:
    """Names and overrides, which are text.

    Raises:
        ConfigError: one is something else.
    """
    for each in words:
        if not isinstance(each, str):
            raise ConfigError(
                f"{shorten(repr(each), 60)} ({type(each).__name__}) is not text.\n  Type overrides "
                'as "model.filters=32" or model__filters=32, and a run as its hash, "3f2a".'
            )
    return list(words)


def _typed(settings: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Keywords as overrides: the option of a group first, then its keys."""
    from cnn_sweeps.config.fields import is_mapping

    texts = []
    for name, value in settings.items():
        key = f"{prefix}{str(name).replace('__', '.')}"
        if isinstance(value, Mapping) and is_mapping(key):  # its keys are the user's own
            texts.append(_readable(f"++{key}", _plain(value)))
        elif isinstance(value, Mapping):
            group = not prefix and "." not in key  # of the config: its name chooses the option
            options = [f"{key}={value['name']}"] if group and "name" in value else []
            rest = {k: v for k, v in value.items() if not (options and k == "name")}
            texts += [*options, *_typed(rest, f"{key}.")]
        else:
            # Keys of a user's own are added: parameters of an optimizer or a network, tags.
            own = "++" if {"params", "tags"} & set(key.split(".")[:-1]) else ""
            texts.append(_readable(f"{own}{key}", _plain(value)))
    return texts


def _readable(key: str, value: Any) -> str:
    """An override; Hydra's grammar has no way to write some names of keys, JSON in quotes has."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    from cnn_sweeps.sweeps.space.value import text_of

    text = f"{key}={text_of(value)}"
    if "{" not in text:
        return text
    try:
        OverridesParser.create().parse_override(text)
    except HydraException:
        return f"{key}={text_of(json.dumps(value, ensure_ascii=False))}"
    return text


def _swept(settings: Mapping[str, Any]) -> list[str]:
    """Keywords of a sweep as overrides: its settings, what is swept, the rest of an experiment."""
    from cnn_sweeps.sweeps.space.value import text_of

    params = settings.get("params")
    known = (*OPTIONS, *SETTINGS, "params")
    for name in settings:
        _refuse_misspelt(name, known)
    for name in OPTIONS:
        _text_arguments(**{name: settings.get(name) or ""})
    if params is not None:
        _refuse_unswept(params)
    return [
        *(f"hydra/sweeper/{name}={settings[name]}" for name in OPTIONS if settings.get(name)),
        *(
            f"hydra.sweeper.{name}={text_of(_plain(settings[name]))}"
            for name in SETTINGS
            if name in settings
        ),
        *(f"{key}={_choice(values)}" for key, values in (params or {}).items()),
        *_typed({name: value for name, value in settings.items() if name not in known}),
    ]


def _refuse_unswept(params: object) -> None:
    """Refuse `params` in which nothing is swept: the default space would be, which nobody typed.

    Raises:
        ConfigError: no key has several values or an expression.
    """
    values = map(_plain, params.values()) if isinstance(params, Mapping) else ()
    if not any(isinstance(each, str) or (isinstance(each, list) and each[1:]) for each in values):
        raise ConfigError(
            f"params={shorten(repr(params), 60)} sweeps nothing: it takes several values of a key, "
            'such as params={"model.filters": [16, 32]}.\n'
            "  Type one value as model__filters=16; leave params out for the default space."
        )


def _refuse_misspelt(name: str, known: Sequence[str]) -> None:
    """Refuse what looks like a setting of a sweep, and is none.

    Raises:
        ConfigError: with the one that is probably meant.
    """
    from cnn_sweeps.config import Config

    if "__" in name:  # a field of a group, such as model__params
        return
    near = get_close_matches(name, [*known, *(each.name for each in fields(Config))], n=1)
    if near and near[0] in known and near[0] != name:
        raise ConfigError(
            f"{name}: there is no such setting of a sweep. Did you mean {near[0]}?\n"
            f"  there are: {', '.join(known)}"
        )


def _plain(value: Any) -> Any:
    """What an override can say: a path is text; a tuple, a range, an array of NumPy a list."""
    if hasattr(value, "tolist"):  # of NumPy, a number as well; it is not imported for that
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | range):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value


def _choice(values: Any) -> Any:
    """A list of values as the sweep of them; an expression as it is."""
    from cnn_sweeps.sweeps.space.value import text_of

    values = _plain(values)
    if isinstance(values, list):
        return ",".join(map(text_of, values))
    return values if isinstance(values, str) else text_of(values)
