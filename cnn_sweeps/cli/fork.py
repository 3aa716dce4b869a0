"""`cnn-sweeps fork HASH@8 KEY=VALUE ...`: continue a run after an epoch, changed."""

from cnn_sweeps import api
from cnn_sweeps.cli import output
from cnn_sweeps.cli.arguments import Arguments
from cnn_sweeps.runs.fork import Fork
from cnn_sweeps.text.format import pluralize
from cnn_sweeps.tracking import Store


def main(typed: list[str]) -> int:
    """Train a fork, or say what it would be; 0 when it is done.

    Raises:
        UnknownHashError: no run, or more than one experiment, has that hash.
        ConfigError: what is typed cannot be changed, or the epochs do not fit.
        RecordError: the run cannot be taken up.
        DataError: the images are missing.
        RunFailedError: the training failed.
        StoreError: the store refuses.
    """
    parser = Arguments(
        "fork",
        "HASH@EPOCH KEY=VALUE [trainer.epochs=TOTAL]",
        "Train an experiment as another was trained up to an epoch, with something changed from "
        "then on. What is known of the epochs before is read. Without @EPOCH, after its last.",
        names=(1, 1),
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what it would be and cost, and train nothing"
    )
    asked = parser.read(typed)
    made = api.plan_fork(asked.names[0], *asked.overrides)
    _print(made)
    if not asked.dry_run and not made.is_parent:
        store = Store.open(made.config.tracking)
        done = api.run_in(store, made.config, recorded=made.parent.config)
        output.run_ended(done, store)
    return 0


def _print(made: Fork) -> None:
    out, parent = output.console(), made.parent
    if made.is_parent:
        out.print(f"Nothing is changed: this is {parent.name} itself.")
        return
    out.heading(f"{made.identity.short} takes {parent.name} up after epoch {made.epoch}")
    for line in made.lines:
        out.print(f"  {line}", soft_wrap=True)
    cost = made.cost()
    if not cost:
        out.print(f"  getting there: the state after epoch {made.epoch} is stored")
        return
    seconds = sum(epoch.seconds for epoch in parent.epochs[made.epoch - cost : made.epoch])
    out.print(
        f"  getting there: {pluralize(cost, 'epoch')} trained again, about {seconds:.1f} s; the "
        "state is kept of the last epochs, of forks and of trajectory.keep_epochs",
        soft_wrap=True,
    )
