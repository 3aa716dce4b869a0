"""`python -m benchmarks grid|official|overhead|queue|recipe|data|labels|pretrained`: tables."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import files, grid, machine, overhead, recipe
from benchmarks.points import GRIDS
from cnn_sweeps.errors import CnnSweepsError

LABELLED = {"digits": "digits", "fashion_mnist": "Fashion-MNIST", "cifar10": "CIFAR-10"}
"""What `labels` calls its data sets, by what is typed."""
WORKERS = 2
TRIALS = 500


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = made.add_subparsers(dest="command", required=True)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--points", choices=GRIDS, default="all", help="epochs: 90; small: 2, a trial"
    )
    shared.add_argument("--folder", type=Path, help="scratch folder that is kept; else temporary")
    shared.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="further overrides for cnn_sweeps"
    )
    compare = commands.add_parser(
        "grid", parents=[shared], help="points of Fashion-MNIST, side by side"
    )
    chosen = compare.add_mutually_exclusive_group()
    chosen.add_argument("--official", action="store_true", help="the official sweeper as well")
    chosen.add_argument("--only", choices=grid.WAYS, help="this way alone")
    compare.add_argument("--scratch", action="store_true", help="ours without reuse as well")
    commands.add_parser(
        "official", parents=[shared], help="the same grid, the official sweeper alone"
    )
    cost = commands.add_parser(
        "overhead", parents=[shared], help="what a trial costs beyond training"
    )
    cost.add_argument("--only", choices=("trials", "engine"), help="this part alone")
    cost.add_argument("--trials", type=int, default=TRIALS, help="trials that do nothing (500)")
    cost.add_argument("--workers", type=int, default=WORKERS, help="for them (2); 0: this process")
    cost.add_argument("--sampler", default="grid", help="for them: grid, random, tpe, ...")
    cost.add_argument("--storage", metavar="URL", help="a database for them; else a journal")
    queue = commands.add_parser(
        "queue", help="what a trial costs the queue as it grows, and reading many runs"
    )
    queue.add_argument("--folder", type=Path, help="scratch folder that is kept; else temporary")
    for name, default, told in (
        ("trials", 10_000, "trials that do nothing, on a journal"),
        ("in-database", 5_000, "the same on PostgreSQL"),
        ("sampled", 1_000, "the same proposed by TPE"),
        ("runs", 5_000, "runs of the store that is read"),
        ("workers", 8, "worker processes"),
    ):
        queue.add_argument(f"--{name}", type=int, default=default, help=f"{told} ({default})")
    begun = commands.add_parser(
        "pretrained", parents=[shared], help="pretrained backbones, and heads on frozen features"
    )
    begun.add_argument("--few", required=True, help="folder of images that are of interest")
    begun.add_argument("--many", required=True, help="folder of images to pretrain on")
    begun.add_argument("--limit", type=int, default=10_000, help="images of these (10000)")
    begun.add_argument("--side", type=int, default=160, help="pixels for MobileNetV2 (160)")
    begun.add_argument("--epochs", type=int, default=12, help="of each training (12)")
    _add_images(commands)
    return made


def _add_images(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """What is measured on image files."""
    scratch = argparse.ArgumentParser(add_help=False)
    scratch.add_argument("--folder", type=Path, help="scratch folder that is kept; else temporary")
    trained = commands.add_parser(
        "recipe", parents=[scratch], help="augmented training of photographs, beside plain Keras"
    )
    trained.add_argument("--images", type=int, default=5_000, help="training images (5000)")
    trained.add_argument("--test", type=int, default=10_000, help="test images (10000)")
    trained.add_argument("--epochs", type=int, default=7, help="of each training, at most (7)")
    trained.add_argument("--minutes", type=float, default=11, help="for all of it (11)")
    trained.add_argument("--seeds", type=int, default=5, help="trainings of each way (5)")
    wrong = commands.add_parser(
        "labels", parents=[scratch], help="wrong labels among the images that are suspected"
    )
    wrong.add_argument("--only", choices=LABELLED, help="this data set alone")
    many = commands.add_parser(
        "data", parents=[scratch], help="start and memory of a sweep on many image files"
    )
    many.add_argument("--images", type=int, default=100_000, help="image files (100000)")
    many.add_argument("--workers", type=int, default=4, help="workers (4)")


def ways(asked: argparse.Namespace) -> list[str]:
    """What `grid` and `official` time, in order."""
    if asked.command == "official":
        return [grid.OFFICIAL]
    if asked.only:
        return [asked.only]
    ours = [grid.OURS, grid.AGAIN, *([grid.SCRATCH] if asked.scratch else [])]
    return [grid.BARE, *ours, *([grid.OFFICIAL] if asked.official else [])]


def run_grid(asked: argparse.Namespace, folder: Path) -> None:
    """Compare the ways, and print one table."""
    task = grid.Task(
        points=asked.points,
        folder=folder,
        images=folder / "images.npz",
        overrides=tuple(asked.overrides),
    )
    print(grid.to_markdown(grid.compare(ways(asked), task)))


def run_overhead(asked: argparse.Namespace, folder: Path) -> None:
    """Measure the cost of real trials, then of trials that do nothing."""
    if asked.only != "engine":
        costs = overhead.measure_trials(folder / "digits", asked.points, asked.overrides)
        print(overhead.costs_table(costs), end="\n\n")
    if asked.only != "trials":
        from benchmarks import engine  # noqa: PLC0415 -- imports optuna

        print(f"load before: {machine.load():.2f}", end="\n\n")
        trials = engine.measure(
            folder / "engine",
            trials=asked.trials,
            workers=asked.workers,
            sampler=asked.sampler,
            storage=asked.storage,
        )
        where = "database" if asked.storage else "journal"
        print(overhead.curve(list(overhead.pieces(trials)), where))


def run_queue(asked: argparse.Namespace, folder: Path) -> None:
    """Measure studies of many trials and a store of many runs; a table each, as it is known."""
    from benchmarks import queue  # noqa: PLC0415 -- imports optuna

    task = queue.Task(
        folder=folder,
        trials=asked.trials,
        in_database=asked.in_database,
        sampled=asked.sampled,
        runs=asked.runs,
        workers=asked.workers,
    )
    for table in queue.studies(task):
        print(table, end="\n\n", flush=True)
    print(queue.to_markdown(queue.readings(task), task.runs))


def run_recipe(asked: argparse.Namespace, folder: Path) -> None:
    """Train photographs in each way, and print one table, also where a training fails."""
    task = recipe.Task(
        folder=folder,
        images=asked.images,
        test=asked.test,
        epochs=asked.epochs,
        seeds=asked.seeds,
        minutes=asked.minutes,
    )
    found: dict[str, list[recipe.Training]] = {way: [] for way in recipe.TITLES}
    try:
        for way, training in recipe.compare(task):
            found[way].append(training)
    finally:
        print(recipe.report(found, task))


def run_data(asked: argparse.Namespace, folder: Path) -> None:
    """Sweep over many and over few image files, and print one table."""
    print(files.report(files.compare(folder, images=asked.images, workers=asked.workers)))


def run_labels(asked: argparse.Namespace, folder: Path) -> None:
    """Flip labels, look for them, and print one table."""
    from benchmarks import labels  # noqa: PLC0415 -- imports MLflow

    names = [LABELLED[asked.only]] if asked.only else list(LABELLED.values())
    print(labels.report(list(labels.measure(folder, names))))


def run_pretrained(asked: argparse.Namespace, folder: Path) -> None:
    """Measure accuracies with and without pretraining, and what a head on features costs."""
    from benchmarks import pretrained  # noqa: PLC0415 -- imports MLflow

    few, many = (["data=image_folder", f"data.path={path}"] for path in (asked.few, asked.many))
    images = pretrained.Images(
        few=few,
        many=[*many, f"data.limit={asked.limit}"],
        side=asked.side,
        epochs=asked.epochs,
    )
    print(pretrained.accuracies(images, folder), end="\n\n", flush=True)
    print(pretrained.costs(images, folder))


COMMANDS = {
    "grid": run_grid,
    "official": run_grid,
    "overhead": run_overhead,
    "queue": run_queue,
    "recipe": run_recipe,
    "data": run_data,
    "labels": run_labels,
    "pretrained": run_pretrained,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; the exit code."""
    asked = parser().parse_args(arguments)
    print(f"{machine.describe()}, load {machine.load():.2f}", end="\n\n", flush=True)
    try:
        with TemporaryDirectory(prefix="cnn-sweeps-bench-") as temporary:
            folder = (asked.folder or Path(temporary)).absolute()
            folder.mkdir(parents=True, exist_ok=True)
            COMMANDS[asked.command](asked, folder)
    except CnnSweepsError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
