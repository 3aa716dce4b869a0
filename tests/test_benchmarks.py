"""The benchmarks' command line, their reading of results and their tables; no clock."""

import math
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import optuna
import pytest
from configs import config
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState, create_trial
from stores import ready

from benchmarks import (
    files,
    gpu,
    grid,
    labels,
    machine,
    official_sweeper,
    overhead,
    queue,
    recipe,
    studies,
)
from benchmarks.__main__ import main, parser, ways
from benchmarks.points import GRIDS, Point
from benchmarks.table import markdown
from cnn_sweeps.config.schema import DigitsData
from cnn_sweeps.data import load
from cnn_sweeps.errors import DataError, RunFailedError
from cnn_sweeps.runs.recorded.leaderboard import Question, rank
from cnn_sweeps.tracking import Store

START = datetime(2025, 1, 1)  # noqa: DTZ001 -- Optuna's own times have no zone


def timing(way: str, seconds: float, load: float = 0.0, points: int = 27) -> grid.Timing:
    """What a way needed."""
    return grid.Timing(way=way, seconds=seconds, accuracies=(0.5,) * points, load=load)


def trial(number: int, ended: float, seconds: float = 1.0, **metrics: float) -> FrozenTrial:
    """A completed trial that ended so many seconds after the start."""
    made = create_trial(value=0.5, user_attrs={"metrics": {"train_seconds": 0.4, **metrics}})
    made.number = number
    made.datetime_complete = START + timedelta(seconds=ended)
    made.datetime_start = made.datetime_complete - timedelta(seconds=seconds)
    return made


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["grid"], ["bare", "ours", "again"]),
        (["grid", "--scratch", "--official"], ["bare", "ours", "again", "scratch", "official"]),
        (["grid", "--only", "bare"], ["bare"]),
        (["grid", "--only", "ours"], ["ours"]),
        (["official"], ["official"]),
    ],
    ids=" ".join,
)
def test_each_way_can_be_timed_alone_or_beside_others(
    typed: list[str], expected: list[str]
) -> None:
    """What is typed decides which ways run, the bare loop first."""
    assert ways(parser().parse_args(typed)) == expected


def test_further_overrides_are_kept_for_the_program() -> None:
    """What is typed after the options goes to cnn_sweeps as it is."""
    typed = ["grid", "--points", "small", "trainer.steps_per_execution=10", "seed=1"]
    asked = parser().parse_args(typed)
    assert asked.points == "small"
    assert asked.overrides == ["trainer.steps_per_execution=10", "seed=1"]


@pytest.mark.parametrize("typed", [[], ["nothing"], ["grid", "--points", "many"]], ids=str)
def test_what_is_not_possible_is_refused(
    typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """An unknown benchmark or grid ends with the possible ones."""
    with pytest.raises(SystemExit, match="2"):
        parser().parse_args(typed)
    assert "usage: python -m benchmarks" in capsys.readouterr().err


def test_the_grid_is_the_documented_one() -> None:
    """27 points and 63 epochs, each point once."""
    points = list(GRIDS["all"])
    assert len(points) == len(set(points)) == len(GRIDS["all"]) == 27
    assert sum(point.epochs for point in points) == 63
    assert points[0] == Point(filters=16, conv_blocks=1, epochs=1)


def test_the_grid_is_swept_in_hydras_words() -> None:
    """Several values are swept; one value is set, because a sweep over one is refused."""
    assert GRIDS["all"].overrides(grid.NAMES) == [
        "model.filters=16,32,64",
        "model.conv_blocks=1,2,3",
        "trainer.epochs=1,2,4",
    ]
    assert GRIDS["small"].overrides(grid.NAMES)[0] == "model.filters=16"


def test_the_bare_network_is_the_programs_own() -> None:
    """The contenders' network has as many parameters as the one that cnn_sweeps builds."""
    from benchmarks import classifier
    from cnn_sweeps.models import build

    for point in GRIDS["small"]:
        asked = {"filters": point.filters, "conv_blocks": point.conv_blocks}
        ours = config(model={**asked, "dense_units": classifier.DENSE_UNITS}).model
        built = build.build_model(ours, (28, 28, 1), classifier.CLASSES)
        assert classifier.network(point).count_params() == built.count_params()


def test_official_sweeper_gets_the_same_points() -> None:
    """Its command sweeps the grid's fields, as many trials as there are points."""
    python, images = Path("venv/bin/python"), Path("images.npz")
    command = official_sweeper.command(python, images, GRIDS["all"])
    assert command[1:4] == ["-m", "benchmarks.official_app", "-m"]
    assert "filters=16,32,64" in command
    assert "hydra.sweeper.n_trials=27" in command


def test_a_table_is_padded_markdown() -> None:
    """Columns are as wide as their widest cell; floats have two digits; None is a dash."""
    assert markdown(("way", "s"), [("a loop", 1.5), ("b", None), ("c", 12)]).splitlines() == [
        "| way    |    s |",
        "| ------ | ---: |",
        "| a loop | 1.50 |",
        "| b      |    – |",
        "| c      |   12 |",
    ]


def test_ratios_and_targets_are_told() -> None:
    """Each way is set against the bare loop and the official sweeper, ours against its aims."""
    told = grid.to_markdown([timing("bare", 200), timing("ours", 100), timing("official", 160)])
    row = next(line for line in told.splitlines() if grid.TITLES["ours"] in line)
    assert [cell.strip() for cell in row.split("|")[2:6]] == ["100", "–", "0.50", "0.62"]
    assert told.splitlines()[-2:] == [
        "ours / bare: 0.50, target 0.33: missed",
        "ours / official: 0.62, target 0.33: missed",
    ]


def test_what_a_sweep_takes_beside_its_epochs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wall time is set against the seconds of its epochs, spread over the cores."""
    monkeypatch.setattr(grid, "cores", lambda: 2)
    ours = replace(timing("ours", 60), trained=80.0, busy=110.0)
    told = grid.to_markdown([timing("bare", 200), ours, timing("again", 6)])
    row = next(line for line in told.splitlines() if grid.TITLES["ours"] in line)
    assert [cell.strip() for cell in row.split("|")[3:7]] == ["110", "0.30", "–", "1.50"]
    last = "ours / (thread seconds of its epochs / 2 cores): 1.50, target 1.25: missed"
    assert told.splitlines()[-1] == last


def test_the_seconds_that_a_sweep_has_trained(store: Store) -> None:
    """Those that its trials have paid for; a sweep's own run and single runs count nothing."""
    for kind, paid in (("trial", 1.5), ("trial", 0), ("trial", 2.25), ("run", 8), ("sweep", 9)):
        with store.start_run(kind, tags={"kind": kind, "train_seconds_paid": paid}):
            pass
    assert studies.train_seconds(store.dir.parent) == 3.75


def test_a_quick_trial_is_not_held_against_the_targets() -> None:
    """Two points are all start-up, so they prove nothing."""
    told = grid.to_markdown([timing("bare", 20, points=2), timing("ours", 30, points=2)])
    assert "target" not in told


def test_a_busy_machine_is_told() -> None:
    """Where other work ran before the first part, the seconds come with a warning."""
    assert "do not trust" in grid.to_markdown([timing("bare", 200, load=1000.0)])
    assert "do not trust" not in grid.to_markdown([timing("bare", 200, load=0.0)])


def test_commands_run_without_the_shells_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run id or tracking address of the shell stays out, a data folder holds anywhere."""
    shell = {"MLFLOW_RUN_ID": "1", "PATH": "/bin", "CNN_SWEEPS_DATA": "images"}
    given = grid.environment(shell)
    assert given["PATH"] == "/bin"
    assert "MLFLOW_RUN_ID" not in given
    assert Path(given["CNN_SWEEPS_DATA"]) == Path.cwd() / "images"


def test_a_failing_command_is_shown_with_its_last_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the program refused stands in the one message, and the exit code is not 0."""
    monkeypatch.setitem(
        grid.WAYS, "bare", lambda task: grid.timed(["sh", "-c", "echo no >&2; exit 3"], tmp_path)
    )
    monkeypatch.setattr(grid, "write_images", lambda path: None)
    assert main(["grid", "--only", "bare", "--folder", str(tmp_path)]) == 1
    assert "ended with 3:\n  no" in capsys.readouterr().err


def test_a_finished_sweep_is_not_timed_again(tmp_path: Path) -> None:
    """Continuing a complete study would cost nothing, so the folder has to be new."""
    with pytest.raises(RunFailedError, match="would cost nothing"):
        grid.run_ours(tmp_path, [])


def test_incomplete_work_is_not_timed(tmp_path: Path) -> None:
    """A study with fewer completed trials than points gives no figure."""
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "a.journal")))
    study = optuna.create_study(storage=storage, study_name="a")
    study.add_trial(create_trial(value=1.0))
    study.add_trial(create_trial(state=TrialState.FAIL))
    assert [t.number for t in studies.completed(tmp_path, expected=1)] == [0]
    with pytest.raises(RunFailedError, match="1 trials are complete where 2 were asked for"):
        studies.completed(tmp_path, expected=2)


def test_overhead_is_what_is_not_training() -> None:
    """Wall time less training; data and building are named, what is left is the rest."""
    cost = overhead.Cost.of(trial(0, ended=1.0, data_seconds=0.1, build_seconds=0.2))
    assert cost.overhead == pytest.approx(0.6)
    assert cost.rest == pytest.approx(0.3)
    assert "overhead 0.60 s on average, target 0.60: met" in overhead.costs_table([cost])


def test_the_curve_has_a_row_for_each_stretch() -> None:
    """Two workers: the wall time of a stretch is shared by the trials that ended in it."""
    ends = [(1.0, 0.1), (1.0, 0.1), (2.0, 0.2), (2.0, 0.2), (6.0, 0.9)]
    told = [
        trial(number, ended, resident_mb=100.0 + number, pid=number % 2, cpu_seconds=cpu)
        for number, (ended, cpu) in enumerate(ends)
    ]
    first, second, third = overhead.pieces(told, size=2)
    assert (first.last, first.ms, first.resident_mb, first.processes) == (2, 500.0, 100.5, 2)
    assert (second.last, second.ms) == (4, 500.0)
    assert (third.last, third.ms, third.processes) == (5, 4000.0, 1)
    assert [round(piece.cpu_ms) for piece in (first, second, third)] == [100, 100, 700]
    said = overhead.curve([first, second, third], "database")
    assert "\n1200.0 ms a trial, target 40: missed" in said
    assert "trial 5: 7.00 times the processor time, target 1.5: missed; +2 MiB" in said


def test_growth_is_told_around_the_trial_that_the_target_is_for() -> None:
    """However many were measured."""
    made = [
        overhead.Piece(last=last, ms=1.0, cpu_ms=cpu, resident_mb=100.0, processes=8)
        for last, cpu in ((100, 9.0), (2_600, 2.0), (5_100, 3.0), (7_600, 8.0))
    ]
    assert "with trial 5,000: 1.50 times" in overhead.curve(made)


def test_memory_now_is_at_most_the_peak() -> None:
    """The resident set is counted in MiB."""
    from cnn_sweeps.training.backend import peak_memory_mb

    assert 10 < machine.resident_mb() <= peak_memory_mb() + 1


@pytest.mark.slow
def test_trials_that_do_nothing_go_through_the_engines_workers(tmp_path: Path) -> None:
    """Two processes share a study, and every trial says which process and memory it had."""
    from benchmarks import engine

    done = engine.measure(tmp_path, trials=20, workers=2, sampler="grid")
    assert sorted(t.params["seed"] for t in done) == list(range(20))
    (piece,) = overhead.pieces(done)
    assert piece.resident_mb > 10


def test_a_run_is_copied_with_all_that_tells_runs_apart(
    tmp_path: Path, migrated_database: Path
) -> None:
    """A store of many runs in seconds, as `compare` reads it."""
    with ready(tmp_path, migrated_database) as tracking:
        store = Store.open(tracking)
        with store.start_run("one", tags={"config_hash": "0" * 64}) as run:
            run.log_metrics({"val_accuracy": 0.0})
        others = [
            {"run_uuid": f"{n:032x}", "config_hash": f"{n:064x}", "val_accuracy": n / 1e6}
            for n in (1, 2, 3)
        ]
        queue.copy_run(store.dir / "mlflow.db", run.run_id, others)
        board = rank(store, [], Question())
    found = [round(each.metrics["val_accuracy"] * 1e6) for each in board.runs]
    assert found == [3, 2, 1, 0]
    assert len({each.config_hash for each in board.runs}) == 4


def test_readings_say_whether_the_target_is_met() -> None:
    """By the slower of the two ways."""
    one = queue.Reading(what="compare", local=1.0, server=5.0, target=4.0)
    said = queue.to_markdown([one, queue.Reading(what="show", local=1.0, server=2.0)], 5_000)
    assert said.endswith("\ncompare: 5.0 s, target 4: missed")
    assert "seconds, 5,000 runs" in said


def training(accuracy: float, seconds: float = 10.0, epoch: float = 1.0) -> recipe.Training:
    """What a training came to."""
    return recipe.Training(
        accuracy=accuracy,
        seconds=seconds,
        cpu=2 * seconds,
        epoch=epoch,
        epochs=2,
        onednn=accuracy < 0.9,
        process=10 + 2 * epoch,
    )


TASK = recipe.Task(folder=Path("x"), images=5_000, test=10_000, epochs=8, seeds=3)


def test_a_recipe_is_judged_by_pairs_of_seeds() -> None:
    """Differences of 1, 0 and 2 points: mean 1, standard error 0.577, t 2.92 for two degrees."""
    found = {
        recipe.KERAS: [training(0.5), training(0.6), training(0.7)],
        recipe.LIGHT: [training(0.51, 8.0, 1.08), training(0.6, 8.0), training(0.72, 8.0)],
        recipe.CACHED: [training(0.9, epoch=1.2)],
        recipe.NONE: [training(0.9)],
    }
    assert recipe.lower_bound([1, 0, 2]) == pytest.approx(1 - 2.9200 / 3**0.5, abs=1e-3)
    said = recipe.report(found, TASK)
    assert "+1.00 points (+1.00, +0.00, +2.00)" in said
    assert "lower 95 % bound: -0.69, target -0.5: missed" in said
    assert "time, ours / Keras: 0.80, target 0.90: met" in said
    assert "an epoch, light / none: 1.08, target 1.10: met" in said
    assert "an epoch, ours / Keras with .cache(): 0.90" in said
    (light,) = (
        line for line in said.splitlines() if line.startswith("| cnn_sweeps, augment=light")
    )
    (cached,) = (line for line in said.splitlines() if line.startswith("| the same with .cache()"))
    assert (light.split("|")[-2].strip(), cached.split("|")[-2].strip()) == ("on", "off")


@pytest.mark.parametrize(("minutes", "epochs"), [(math.inf, 8), (12, 8), (3, 6), (0.1, 2)])
def test_a_recipe_trains_for_as_many_epochs_as_there_is_time(minutes: float, epochs: int) -> None:
    """Six trainings of 10 s and 1.2 * 2 s an epoch, beside two further ones of 14 s and 12 s."""
    timed = [training(0.9, epoch=2.0), training(0.9, epoch=1.0)]
    assert recipe.epochs_within(60 * minutes, TASK, timed) == epochs


def test_a_recipe_that_ends_early_tells_what_it_has() -> None:
    """Pairs of seeds as far as there are any, and nothing of ways that were not trained."""
    none = {way: [] for way in recipe.TITLES}
    one = none | {recipe.KERAS: [training(0.5), training(0.6)], recipe.LIGHT: [training(0.52)]}
    assert "accuracy, ours less Keras: +2.00 points (+2.00)" in recipe.report(one, TASK)
    assert "light / none" not in recipe.report(one, TASK)
    assert "0 seeds" in recipe.report(none, TASK)


def test_one_seed_has_no_bound() -> None:
    """Nothing is claimed of it."""
    assert recipe.lower_bound([3.0]) == float("-inf")


def test_a_recipe_gets_the_first_images_of_each_class(tmp_path: Path) -> None:
    """The same number of each, as near as that is possible; too many are refused."""
    for split, name in (("train", "cat"), ("train", "dog"), ("test", "cat"), ("test", "dog")):
        folder = tmp_path / "unpacked" / split / name
        folder.mkdir(parents=True)
        for number in range(4):
            (folder / f"{number}.jpg").touch()
    task = replace(TASK, folder=tmp_path, images=5, test=2)
    recipe.photographs(task)
    made = sorted(
        str(file.relative_to(task.photographs)) for file in task.photographs.rglob("*.j*")
    )
    assert made == [
        *("test/cat/0.jpg", "test/dog/0.jpg", "train/cat/0.jpg", "train/cat/1.jpg"),
        *("train/dog/0.jpg", "train/dog/1.jpg", "train/dog/2.jpg"),
    ]
    with pytest.raises(DataError, match=r"cat has 4 images, not 50; ask for fewer"):
        recipe.photographs(replace(task, images=100))


def test_wrong_labels_that_were_found_are_counted() -> None:
    """The aim is on two sets; of the third one its number is told."""
    sets = [(labels.DIGITS, 47), (labels.FASHION, 40), (labels.CIFAR, 30)]
    said = labels.report(
        [labels.Found(name=n, images=1_000, flipped=50, right=r, accuracy=0.8) for n, r in sets]
    )
    assert said.splitlines()[-2:] == [
        "digits: 0.94, target 0.9: met",
        "Fashion-MNIST: 0.80, target 0.9: missed",
    ]
    assert "| CIFAR-10      |  1,000 |" in said


def test_flipped_labels_are_others(tmp_path: Path) -> None:
    """A share of them, of the training images alone."""
    flipped = labels.write_flipped(
        tmp_path / "x.npz", ["data=digits", "data.validation_fraction=0"]
    )
    clean = load(DigitsData(validation_fraction=0.0))
    with np.load(tmp_path / "x.npz") as stored:
        assert set(np.flatnonzero(stored["y_train"] != clean.y_train).tolist()) == flipped
        assert np.array_equal(stored["y_test"], clean.y_test)
    assert len(flipped) == round(labels.FLIPPED * len(clean.y_train))


def test_many_files_are_compared_with_few() -> None:
    """The second start, and the memory beyond what few files take."""

    def start(seconds: float, pss: float) -> files.Start:
        return files.Start(images=9, start=seconds, pss=pss, files=0.3, read=1.0, cpu=2.0)

    found = {
        files.FIRST: start(60, 3.0),
        files.SECOND: start(9, 3.2),
        files.SMALL: start(7, 2.8),
    }
    said = files.report(found)
    assert "second start 9.0 s, target 10: met" in said
    assert "memory +0.40 GB, target 0.3: missed" in said


def test_image_files_are_written_once(tmp_path: Path) -> None:
    """Ten classes of different images; what is there is left."""
    folder = files.write_images(tmp_path / "x", 30)
    first = {file: file.read_bytes() for file in folder.rglob("*.jpg")}
    assert (len(first), len(set(first.values())), len(list(folder.iterdir()))) == (30, 30, 10)
    files.write_images(folder, 31)
    assert {file: file.read_bytes() for file in first} == first


def test_workers_of_a_gpu_are_compared_by_their_weights() -> None:
    """A trial that comes out otherwise is seen, and ways that had no time are counted."""
    task = gpu.Task(
        folder=Path(), trials=2, images=300, epochs=1, workers=(1, 2), ends=time.monotonic()
    )
    way = gpu.Way(seconds=6.0, weights={0: "a", 1: "b"}, memory_mb=1234.0, busy=50.0)
    other = replace(way, weights={0: "a", 1: "c"}, memory_mb=None, busy=None)
    told = gpu.report(task, {"one after another": way, "1 on the card": other})
    assert "20.00 |      100 |   1,234 |    50 |          yes |" in told
    assert "|       – |     – |           NO |" in told
    assert "2 ways left out" in told


@pytest.mark.slow(minutes=2)
def test_the_benchmark_of_a_gpu_runs_without_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tiny trials on the CPU: one after another, and by two workers of which one is killed."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpu.main(["--dry-run", "--minutes", "60"]) == 0
    told = capsys.readouterr().out
    assert told.count("yes |") == 2
    assert "2, one killed" in told
