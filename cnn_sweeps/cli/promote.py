"""`cnn-sweeps promote HASH NAME`: register the model of a run in MLflow's registry."""

from collections.abc import Mapping, Sequence

from cnn_sweeps.cli import output
from cnn_sweeps.cli.arguments import Arguments
from cnn_sweeps.errors import RecordError
from cnn_sweeps.runs.composition.validate import compose_tracking
from cnn_sweeps.runs.recorded import lookup
from cnn_sweeps.runs.recorded.record import FINISHED
from cnn_sweeps.text.redact import without_password
from cnn_sweeps.tracking import RunRecord, Store, descriptions, model_files, registry
from cnn_sweeps.tracking.models import TAKES
from cnn_sweeps.tracking.names import CONFIG_HASH, DATA, DATA_DIGEST, NETWORK
from cnn_sweeps.training.backend import quiet_stderr

DESCRIPTION = "Takes {takes}; gives one probability for each class.\n\n{about}"
TAGS = (CONFIG_HASH, DATA_DIGEST, NETWORK, DATA)
"""Tags of a run that its model version has as well."""
ACCURACIES = ("val_accuracy", "test_accuracy")


def main(typed: list[str]) -> int:
    """Register the model of a hash, point the alias to it, and print how to load it; 0 then.

    Raises:
        UnknownHashError: no run, or more than one experiment, has that hash.
        ConfigError: the name or the alias is none that MLflow takes; or the model is the user's
            own, stored by an earlier version, and `--trust` was not given.
        RecordError: no run of that hash has finished, or its model was changed.
        StoreError: the store refuses.
    """
    parser = Arguments(
        "promote",
        "HASH NAME [--alias ALIAS]",
        "Register the stored model of a run in MLflow, as the next version of NAME. The same "
        "model again creates no new version. An alias, such as champion, "
        "is moved to this version.",
        names=(2, 2),
        hint="cnn-sweeps promote HASH NAME [--alias champion], or promote --run-id ID NAME",
    )
    parser.add_argument("--alias", metavar="ALIAS", help="a name for this version: champion")
    parser.add_argument(
        "--trust",
        action="store_true",
        help="execute the recorded code of model.function, to check a model that an earlier "
        "version stored",
    )
    parser.add_run_id()
    asked = parser.read(typed)
    wanted, name = asked.run_id or asked.names[0], asked.names[-1]
    registry.check_names(name, asked.alias)
    store = lookup.open_store(compose_tracking(asked.overrides), wanted)
    if asked.run_id:
        runs = [lookup.run_of_id(store, asked.run_id)]
    else:
        runs = lookup.runs_named(store, wanted)
    run = _promoted(store, runs)
    model_id = _checked(store, run, trust=asked.trust)
    run = store.get(run.run_id)  # what it had left to its epochs is stored with it now
    about = DESCRIPTION.format(
        takes=TAKES, about=descriptions.text_of(store.client, store.local, run)
    )
    version = registry.register(store, run, model_id, name, about, _tags(run))
    if asked.alias:
        registry.point(store, version, asked.alias)
    _print(store, run, version, asked.alias)
    return 0


def _promoted(store: Store, runs: Sequence[RunRecord]) -> RunRecord:
    """The run that represents its hash: one with a stored model, where there is one.

    Raises:
        RecordError: there is none.
    """
    finished = [run for run in runs if run.status == FINISHED and run.config_hash]
    finished = [run for run in finished if run.is_whole] or finished
    stored = [run for run in finished if model_files.has_model(store, run)]
    if finished:
        return lookup.newest_run(stored or finished)
    first = lookup.newest_run(runs)
    if first.config_hash is None:
        raise RecordError(
            f"Run {first.run_id} ({first.name}) is not an experiment, so it has no model.\n"
            "  Type the hash of one of its trials."
        )
    raise RecordError(
        f"Run {first.run_id} ({first.name}) is {first.status}: only the model of a finished "
        "run can be promoted."
    )


def _checked(store: Store, run: RunRecord, *, trust: bool) -> str:
    """The id of a run's stored model, every file of which is the one that was stored.

    Raises:
        RecordError: one was changed.
        StoreError: there is none, and the weights of the run are not stored either.
    """
    logged = model_files.find_model(store, run)
    if logged is None or not logged.recorded:
        with quiet_stderr():
            from cnn_sweeps.runs import stored_model  # noqa: PLC0415 -- TensorFlow
        stored_model.store_again(store, run, trust=trust)
        logged = model_files.model_of(store, run)
    model_files.check(store, run, logged)
    return logged.model_id


def _tags(run: RunRecord) -> Mapping[str, object]:
    """What a version is found by: what it is, and how good."""
    known = {tag: run.tags[tag] for tag in TAGS if tag in run.tags}
    return known | {name: f"{run.metrics[name]:.4f}" for name in ACCURACIES if name in run.metrics}


def _print(store: Store, run: RunRecord, version: registry.Version, alias: str | None) -> None:
    out = output.console()
    new = "new" if version.new else "already registered"
    out.print(f"{version.name}, version {version.number} ({new})")
    out.print(f"  {run.name}  MLflow run {run.run_id}")
    if alias:
        out.print(f"  alias {alias}: version {version.number}")
    address = f"{version.name}@{alias}" if alias else f"{version.name}/{version.number}"
    lines = (
        f'mlflow.set_tracking_uri("{without_password(store.uri)}")',
        f'model = mlflow.pyfunc.load_model("models:/{address}")',
    )
    out.print(f"  takes {TAKES}")
    out.print("load it in Python, after import mlflow:")
    for line in lines:
        # The terminal breaks a long line, so that it is copied as one.
        out.out(f"  {line}", highlight=False)
