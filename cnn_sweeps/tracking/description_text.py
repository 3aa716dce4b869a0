"""The descriptions of experiments and runs as text: Markdown for MLflow's pages.

The pages show the first four lines or so of a description and hide the rest behind a button, so
that what matters most comes first.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cnn_sweeps.provenance.identity import SHOWN
from cnn_sweeps.text.format import pluralize
from cnn_sweeps.text.markdown import (
    block,
    bullets,
    code,
    file_link,
    picture_links,
    plain_text,
    run_link,
)
from cnn_sweeps.tracking.names import (
    CHOSEN,
    CURVES_FILE,
    DATA,
    EPOCHS_REUSED,
    EPOCHS_TRAINED,
    MODEL_FROM,
    NETWORK,
    REPRODUCED_BY,
    REPRODUCES,
    REPRODUCTION_VERDICT,
    REUSED_FROM,
    SECONDS_PAID,
    TRAINED_BY,
    VERDICT,
)
from cnn_sweeps.tracking.records import RunRecord, stop_reason
from cnn_sweeps.training.epoch import AVERAGED

EXPERIMENT = """\
Image classifiers that cnn-sweeps has trained.

- A run is named after its network, its epochs and its config hash: `cnn 64x2 e5 · 3f2a9c1b7d20` \
has two convolutions of 64 filters and five epochs. Equal hashes mean equal experiments.
- A sweep is a run, and its trials are its child runs: click + at `sweep NAME`. Its description \
holds the ranking, and its artifacts the report.
- Filter with the tags: `tags.kind = "trial"` (or `run`, `sweep`, `reproduction`), \
`tags.study_name`, `tags.network`, `tags.data`, `tags.config_hash LIKE "3f2a%"`.
- Sort by the column `val_accuracy` for the best run. The test split is scored for single runs, \
for the winners of a sweep, and for all trials of an exercise.

`cnn-sweeps show HASH` prints a run, `cnn-sweeps reproduce HASH` trains it again and compares.
"""
"""Of an experiment, where nobody has written anything else."""
ACCURACIES = {
    "test_accuracy": "test accuracy",
    "val_accuracy": "validation accuracy",
    "accuracy": "training accuracy",
}
OTHERS = (REUSED_FROM, REPRODUCES, REPRODUCED_BY)
"""Tags with the id of another run, to which a description leads."""


@dataclass(frozen=True, kw_only=True)
class Others:
    """The other runs that a run names, as far as they are in its store.

    Attributes:
        runs: by id; one that was deleted, or that is in the store of somebody else, is not there.
        drawn: ids of those that have learning curves.
    """

    runs: Mapping[str, RunRecord] = field(default_factory=dict)
    drawn: Collection[str] = ()

    def link(self, text: str, run_id: str) -> str:
        """A link to one of them; of one that is not there its id."""
        if run := self.runs.get(run_id):
            return run_link(text, run.experiment_id, run_id)
        return f"{text} ({code(run_id[:SHOWN])}, which is not here)"


def left_curves_to(run: RunRecord, pictures: Sequence[str]) -> list[str]:
    """The run with the curves of one that trained nothing and has none, the last of several."""
    left = run.tags.get(EPOCHS_TRAINED) == "0" and CURVES_FILE not in pictures
    return run.tags.get(TRAINED_BY, "").split()[-1:] if left else []


def of_run(run: RunRecord, pictures: Sequence[str] = (), others: Others | None = None) -> str:
    """The description of a run that trained an experiment, or was to; empty for any other.

    Args:
        run: as it is stored, its config hash among the tags.
        pictures: paths of its artifacts that are pictures.
        others: what is there of the runs that it names.
    """
    if run.config_hash is None:
        return ""
    others = others or Others()
    summary = [*_summary(run), *_reuse(run, others), *_elsewhere(run, pictures, others)]
    parts = [_outcome(run), _verdict(run, others), _name(run), bullets(summary)]
    parts += [picture_links(run.experiment_id, run.run_id, pictures), block(_commands(run))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _outcome(run: RunRecord) -> str:
    """How it ended, and how good it is."""
    tags = run.tags
    if run.status == "FAILED":
        return f"**Failed**: {plain_text(tags.get('error', 'unknown reason'))}"
    if "pruned_epoch" in tags:
        reason = plain_text(tags.get("pruned_reason", "by the sweep"))
        return f"**Pruned** after epoch {plain_text(tags['pruned_epoch'])}: {reason}"
    if "stopped_reason" in tags:
        return f"**Stopped**: {plain_text(tags['stopped_reason'])}"
    if run.status != "FINISHED":
        return "**Interrupted**." if run.end else "**Running.**"
    known = [
        f"{name} **{run.metrics[key]:.4f}**"
        for key, name in ACCURACIES.items()
        if key in run.metrics
    ]
    ended = "Finished" if run.is_whole else "**Stopped** by a callback"
    return f"{ended}: {', '.join(known) or 'no accuracy was logged'}."


def _verdict(run: RunRecord, others: Others) -> str:
    """Whether it was done again, or does another again, and with what verdict."""
    tags = run.tags
    if REPRODUCES in tags:
        original = others.link("another run", tags[REPRODUCES])
        said = plain_text(tags[VERDICT]) if VERDICT in tags else "no verdict yet"
        return f"Reproduction of {original}: **{said}**."
    if REPRODUCED_BY in tags:
        again = others.link("another run", tags[REPRODUCED_BY])
        return (
            f"Reproduced by {again}: **{plain_text(tags.get(REPRODUCTION_VERDICT, 'unknown'))}**."
        )
    return ""


def _name(run: RunRecord) -> str:
    """What it is."""
    known = [plain_text(run.tags[tag]) for tag in (NETWORK, DATA) if tag in run.tags]
    return f"Config hash {code(_short(run))}: {' on '.join(known) or 'unknown'}."


def _summary(run: RunRecord) -> Iterator[str]:
    """Epochs, size and time."""
    tags, metrics = run.tags, run.metrics
    if "epochs" in metrics:
        best = metrics.get("best_epoch", metrics["epochs"])
        kept = f"; the weights are those of epoch {best:.0f}" if best < metrics["epochs"] else ""
        if metrics.get(AVERAGED):
            kept = f"; the weights are the {plain_text(tags.get(CHOSEN, 'average'))}"
        number, why = (
            pluralize(int(metrics["epochs"]), "epoch"),
            plain_text(stop_reason(tags) or ""),
        )
        yield f"{why if number in why else f'{number}: {why}' if why else number}{kept}"
    if "trainable_params" in metrics:
        frozen = f", {metrics['frozen_params']:,.0f} frozen" if "frozen_params" in metrics else ""
        yield pluralize(int(metrics["trainable_params"]), "trainable parameter") + frozen
    if "train_seconds" in metrics:
        whole = f", {metrics['total_seconds']:.1f} s in all" if "total_seconds" in metrics else ""
        yield f"{metrics['train_seconds']:.1f} s of training{whole}"


def _reuse(run: RunRecord, others: Others) -> Iterator[str]:
    """What was known before."""
    tags = run.tags
    paid = f"; {float(tags.get(SECONDS_PAID, 0)):.1f} s of training in this run"
    if REUSED_FROM in tags:
        known = others.link("a finished run", tags[REUSED_FROM])
        yield f"reused: a copy of {known} of the same experiment, nothing was trained"
    elif int(tags.get(EPOCHS_REUSED, 0)):
        reused = pluralize(int(tags[EPOCHS_REUSED]), "epoch")
        trained = plain_text(tags.get(EPOCHS_TRAINED, "the others"))
        yield f"{reused} from cache, {trained} trained{paid}"


def _elsewhere(run: RunRecord, pictures: Sequence[str], others: Others) -> Iterator[str]:
    """Where the curves and the model are that a run has left to those it has its epochs from."""
    for run_id in left_curves_to(run, pictures):
        trained = others.runs.get(run_id)
        running = trained is not None and trained.status == "RUNNING"
        drawn = code(f"cnn-sweeps figures {_short(run)}")
        if trained and (running or run_id in others.drawn):
            link = file_link("learning curves", trained.experiment_id, run_id, CURVES_FILE)
            once = ", once it has finished" if running else ""
            trainer = f"{link} of the run that trained these epochs{once}"
            yield f"{trainer}; {drawn} draws those of this one"
        else:
            yield f"{drawn} draws the learning curves"
    if MODEL_FROM in run.tags:
        stored = code(f"cnn-sweeps promote {_short(run)} NAME")
        yield f"model: {plain_text(run.tags[MODEL_FROM])}, from cache; {stored} stores it here"


def _commands(run: RunRecord) -> list[str]:
    short = _short(run)
    again = [f"cnn-sweeps reproduce {short}"] if run.is_whole else []
    return [f"cnn-sweeps show {short}", *again]


def _short(run: RunRecord) -> str:
    return (run.config_hash or "")[:SHOWN]
