"""What pruning buys: epochs spent and accuracy found, with and without, on Fashion-MNIST.

    python -m benchmarks.pruning

Every sweep is one call of the command line program, read back from its study. The sampler is
random and there is one worker, so that for one seed all pruners see the same trials in the same
order: what differs is the pruning. Accuracy is that of the validation split. An epoch that an
earlier sweep has trained is read and not trained again, so the sweeps are counted in epochs that
their trials went through, and not in seconds.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from benchmarks import machine
from benchmarks.table import markdown
from cnn_sweeps.errors import RunFailedError

PRUNERS = ("none", "median", "hyperband")
"""The first is what the others are measured by."""

SPACE = (
    "trainer.optimizer.learning_rate=tag(log,interval(1e-4,1e-1))",
    "model.filters=8,16,32",
    "model.dropout=interval(0.0,0.5)",
)


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much is swept.

    Attributes:
        trials: trials of a sweep.
        epochs: epochs of a trial, at most.
        seeds: sweeps with each pruner; seeds count from 0.
        limit: training images, of which a fifth is held out for validation.
    """

    trials: int
    epochs: int
    seeds: int
    limit: int


@dataclass(frozen=True, kw_only=True)
class SeedResult:
    """What one sweep spent and found.

    Attributes:
        epochs: epochs trained, those of pruned and failed trials included.
        pruned: trials that were given up.
        best: greatest validation accuracy of a trial that was carried to its end, from 0 to 1.
    """

    epochs: float
    pruned: float
    best: float


def main() -> None:
    """Sweep with each pruner and seed, then print the table."""
    parser = argparse.ArgumentParser(description="What pruning buys, on Fashion-MNIST.")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=6000)
    parser.add_argument("--folder", type=Path, help="where runs are kept; else they are removed")
    given = vars(parser.parse_args())
    folder, sizes = given.pop("folder"), Sizes(**given)
    print(f"{machine.describe()}, load {machine.load():.2f}", end="\n\n", flush=True)
    with TemporaryDirectory(prefix="cnn-sweeps-bench-") as scratch:
        folder = (folder or Path(scratch)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        print(table(compare(sizes, folder)))


def compare(sizes: Sizes, folder: Path) -> dict[str, list[SeedResult]]:
    """All sweeps, one after another: for each pruner, its outcome with each seed."""
    outcomes: dict[str, list[SeedResult]] = {pruner: [] for pruner in PRUNERS}
    for seed in range(sizes.seeds):
        for pruner in PRUNERS:
            print(f"seed {seed}, {pruner} ...", file=sys.stderr, flush=True)
            outcomes[pruner].append(sweep(pruner, seed, sizes, folder))
    return outcomes


def sweep(pruner: str, seed: int, sizes: Sizes, folder: Path) -> SeedResult:
    """One sweep by the command line program.

    Raises:
        RunFailedError: the program failed, or the study is not complete.
    """
    name = f"{pruner}-{seed}"
    journal = folder / f"{name}.journal"
    command = [sys.executable, "-m", "cnn_sweeps", "-m", *overrides(pruner, seed, sizes)]
    command += [f"tracking.dir={folder / 'mlruns'}", f"hydra.sweeper.study_name={name}"]
    command += [f"hydra.sweeper.storage={journal}"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 ours
    if done.returncode:
        raise RunFailedError(f"the sweep {name} failed:\n{done.stdout}{done.stderr}")
    return read(journal, name, sizes.trials)


def overrides(pruner: str, seed: int, sizes: Sizes) -> list[str]:
    """What is typed after `cnn-sweeps -m`."""
    return [
        *SPACE,
        f"seed={seed}",
        f"data.limit={sizes.limit}",
        "data.validation_fraction=0.2",
        f"trainer.epochs={sizes.epochs}",
        "trainer.steps_per_execution=10",
        "tracking.log_model=false",
        "hydra/sweeper/sampler=random",
        f"hydra/sweeper/pruner={pruner}",
        f"hydra.sweeper.n_trials={sizes.trials}",
        "hydra.sweeper.n_jobs=1",
    ]


def read(journal: Path, name: str, trials: int) -> SeedResult:
    """What the study of a finished sweep holds.

    Raises:
        RunFailedError: it has not as many finished trials as were asked for, or none complete.
    """
    storage = JournalStorage(JournalFileBackend(str(journal)))
    stored = optuna.load_study(study_name=name, storage=storage).get_trials(deepcopy=False)
    complete = [trial for trial in stored if trial.state is TrialState.COMPLETE]
    finished = sum(trial.state.is_finished() for trial in stored)
    if finished != trials or not complete:
        raise RunFailedError(
            f"the study {name} has {finished} finished trials of {trials}, {len(complete)} complete"
        )
    return SeedResult(
        epochs=sum(len(trial.intermediate_values) for trial in stored),
        pruned=sum(trial.state is TrialState.PRUNED for trial in stored),
        best=max(trial.value for trial in complete if trial.value is not None),
    )


def table(outcomes: dict[str, list[SeedResult]]) -> str:
    """One line for each seed and one for the mean, the pruners side by side."""
    head = ["seed"]
    for pruner in outcomes:
        head += [f"{pruner}: epochs", "pruned", "best val_accuracy"]
    by_seed = zip(*outcomes.values(), strict=True)
    rows = [[str(seed), *_cells(row)] for seed, row in enumerate(by_seed)]
    rows.append(["mean", *_cells([average(sweeps) for sweeps in outcomes.values()])])
    return markdown(head, rows)


def average(sweeps: Sequence[SeedResult]) -> SeedResult:
    """The mean over the seeds."""
    return SeedResult(
        epochs=mean(sweep.epochs for sweep in sweeps),
        pruned=mean(sweep.pruned for sweep in sweeps),
        best=mean(sweep.best for sweep in sweeps),
    )


def _cells(row: Sequence[SeedResult]) -> list[str]:
    """The cells of a line; epochs also as a share of the first pruner's."""
    first = row[0]
    cells = []
    for each in row:
        cells += [
            f"{each.epochs:.4g} ({each.epochs / first.epochs:.0%})",
            f"{each.pruned:.3g}",
            f"{each.best:.4f}",
        ]
    return cells


if __name__ == "__main__":
    main()
