"""Runs found by a filter in MLflow's search syntax, across experiments."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from cnn_sweeps.errors import ConfigError, StoreError, UnknownStudyError
from cnn_sweeps.text.argument_names import option
from cnn_sweeps.text.suggestions import did_you_mean
from cnn_sweeps.tracking.errors import said_by
from cnn_sweeps.tracking.names import PARENT, STUDY_NAME
from cnn_sweeps.tracking.records import RunRecord
from cnn_sweeps.tracking.selection import Selection
from cnn_sweeps.tracking.store import EXPERIMENTS_PER_SEARCH, Store

MOST = 20
"""Studies that a refusal lists."""
WHOLE = 20_000
"""Runs of a local store that are read as a whole: it takes less than MLflow's import and order."""
EVERY = Selection()
"""Any run."""
SYNTAX = (
    "The syntax is MLflow's: metrics.NAME, params.NAME or tags.NAME, then = != > >= < <= or LIKE, "
    "and between two conditions.\n"
    "Text and params stand in single quotes: metrics.val_accuracy > 0.9 and "
    "params.model.filters = '64'"
)


def matching_runs(
    store: Store,
    where: str = "",
    experiment: str | None = None,
    selection: Selection = EVERY,
) -> list[RunRecord]:
    """The runs that a filter lets through, newest first.

    Args:
        store: where to look.
        where: in MLflow's search syntax.
        experiment: name of the experiment that they are in; None for all active ones.
        selection: what else is true of them.

    Raises:
        ConfigError: MLflow cannot read the filter, or there is no such experiment.
        StoreError: the store refuses.
    """
    return runs_within(store, where, ids_of(store, experiment), selection)


def runs_within(
    store: Store, where: str, chosen: Sequence[str], selection: Selection = EVERY
) -> list[RunRecord]:
    """The same in experiments whose ids are known (`ids_of`), which asks no server for them."""
    if not where.strip():
        return store.select(selection, chosen)
    with _readable(where):
        return store.search(" AND ".join(filter(None, (where, selection.to_filter()))), chosen)


def ordered_runs(
    store: Store, where: str, experiment: str | None, order: Sequence[str], *, size: int
) -> Iterator[tuple[list[RunRecord], bool]]:
    """The same in an order of MLflow's, page by page; see `Store.in_order`.

    Where a server cannot order them, for it searches few experiments at a time, all are one page.
    So are the runs of a local store, where they are not too many: they come as `matching_runs` has
    them.

    Raises:
        ConfigError: see `matching_runs`.
        StoreError: see `matching_runs`.
    """
    chosen = ids_of(store, experiment)
    count = None if where.strip() else store.count(chosen)
    if count is not None and count <= WHOLE:
        yield store.select(EVERY, chosen), True
        return
    with _readable(where):
        if len(chosen) > EXPERIMENTS_PER_SEARCH:
            yield store.search(where, chosen), True
        else:
            yield from store.in_order(where, chosen, order, size=size)


def ids_of(store: Store, experiment: str | None) -> list[str]:
    """The ids of all active experiments, or of one.

    Raises:
        ConfigError: there is no such experiment.
        StoreError: the store refuses.
    """
    ids = store.experiments()
    if experiment is not None and experiment not in ids:
        hint = did_you_mean(experiment, ids)
        raise ConfigError(
            f"there is no experiment {experiment!r} in {store.address}.{hint}\n"
            f"There are: {', '.join(sorted(ids))}"
        )
    return list(ids.values()) if experiment is None else [ids[experiment]]


@contextmanager
def _readable(where: str) -> Iterator[None]:
    """Say of a filter that MLflow cannot read what it may be."""
    try:
        yield
    except StoreError as error:
        if getattr(error.__cause__, "error_code", "") != "INVALID_PARAMETER_VALUE":
            raise
        reason = said_by(error.__cause__ or error)
        raise ConfigError(
            f"{option('where')} {where!r} cannot be read: {reason}\n{SYNTAX}"
        ) from error


def sweeps(store: Store) -> dict[str, str]:
    """The name of each study, by the run id of its sweep."""
    return {run.run_id: run.tags[STUDY_NAME] for run in _sweeps(store)}


def sweep(store: Store, name: str | None) -> RunRecord | None:
    """The newest run of a study; without a name of any, None where there is none.

    Args:
        store: where to look, in all its experiments.
        name: of the study, or a prefix that no other one has.

    Raises:
        UnknownStudyError: no study, or several, have that name.
    """
    newest: dict[str, RunRecord] = {}
    for run in _sweeps(store):
        newest.setdefault(run.tags[STUDY_NAME], run)
    if name is None:
        return next(iter(newest.values()), None)
    found = [name] if name in newest else [study for study in newest if study.startswith(name)]
    if len(found) == 1:
        return newest[found[0]]
    said = f"is a prefix of {len(found)} studies" if found else "is not a study"
    listed = "".join(f"\n  {study}" for study in [*(found or newest)][:MOST])
    raise UnknownStudyError(f"{name} {said} with runs in {store.address}.{listed}")


def _sweeps(store: Store) -> list[RunRecord]:
    """The runs of all sweeps, the newest first."""
    return store.select(Selection(begins={STUDY_NAME: ""}, without=[PARENT]))
