"""`cnn-sweeps figures`: the pictures of a finished run once more."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from configs import config
from stores import Finished, copy_of, ready

from cnn_sweeps.cli import figures
from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.errors import ConfigError, DataError, StoreError, UnknownHashError
from cnn_sweeps.figures.choices import FIGURES
from cnn_sweeps.tracking import RunRecord, Store, artifacts
from cnn_sweeps.tracking.names import LEFT_OUT

NET = """
import keras

def build(input_shape, num_classes):
    return keras.Sequential([
        keras.Input(input_shape), keras.layers.Conv2D(2, 3, name="mine"), keras.layers.Flatten(),
        keras.layers.Dense(num_classes, activation="softmax"),
    ])
"""


@pytest.fixture(scope="module")
def searched(
    migrated_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Finished]:
    """A trial of a sweep, which has no pictures yet."""
    from cnn_sweeps.runs.run import TrialContext, run

    with ready(tmp_path_factory.mktemp("searched"), migrated_database) as tracking:
        result = run(config(), Store.open(tracking), trial=TrialContext(parent_run_id=None))
        yield Finished(home=tracking.dir, result=result)


@pytest.fixture
def store(searched: Finished, tmp_path: Path) -> Iterator[Store]:
    """A copy of its store."""
    with copy_of(searched.home, tmp_path) as copied:
        yield copied


@pytest.fixture
def tracking(store: Store) -> Tracking:
    """Where that is."""
    return Tracking(dir=store.dir)


@pytest.fixture
def trial(
    searched: Finished, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> RunRecord:
    """The trial, in the store of the current folder."""
    monkeypatch.chdir(tmp_path)
    return store.get(searched.result.run_id)


def pictures(store: Store, run: RunRecord) -> list[str]:
    """The names of a run's pictures."""
    listed = store.client.list_artifacts(run.run_id, "figures")
    return sorted(Path(file.path).stem for file in listed)


def test_a_trial_gets_its_pictures(
    store: Store, trial: RunRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    """Among its artifacts, where a search had left them out; what was made is said.

    A run whose pictures could be made at last lacks none.
    """
    assert pictures(store, trial) == []
    store.reopen(trial.run_id).set_tags({LEFT_OUT: "figures/layers.png was left out"})
    assert figures.main([str(trial.config_hash)[:8]]) == 0
    made = sorted({*FIGURES} - {"augmentation"})
    assert pictures(store, trial) == sorted([*made, "evaluation", "examples"])
    said = capsys.readouterr().out
    assert all(f"  figures/{name}.png\n" in said for name in made)
    assert said.splitlines()[0].endswith("  (validation images)")
    assert f"among the artifacts of MLflow run {trial.run_id}" in said
    assert LEFT_OUT not in store.get(trial.run_id).tags


@pytest.mark.slow
@pytest.mark.drawn
def test_pictures_are_replaced_by_those_of_other_choices(store: Store, trial: RunRecord) -> None:
    """Only those that show what was chosen change."""
    before, after = {}, {}
    names = ("layers", "filters", "samples")
    for kept, chosen in ((before, []), (after, ["--images=3", "--filter=1", "--layer=pool_1"])):
        assert figures.main(["--run-id", trial.run_id, *chosen]) == 0
        for name in names:
            kept[name] = artifacts.read_file(store, trial, f"figures/{name}.png")
    assert [name for name in names if before[name] != after[name]] == ["layers", "filters"]


def test_few_figures_leave_the_others_as_they_are(
    store: Store, trial: RunRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also the values that a report shows; one that there is nothing for says so."""
    asked = ["--run-id", trial.run_id, "--only", "roc,augmentation", "--split", "test"]
    assert figures.main(asked) == 1
    assert pictures(store, trial) == ["roc"]
    said = capsys.readouterr().out
    assert "(test images)" in said
    assert "figures/augmentation.png: the training images were not augmented" in said


def test_into_a_folder(store: Store, trial: RunRecord, tmp_path: Path) -> None:
    """The run stays as it is, and still lacks what it lacks."""
    store.reopen(trial.run_id).set_tags({LEFT_OUT: "figures/layers.png was left out"})
    asked = [str(trial.config_hash)[:8], "--output", "here/there", "--only", "samples,roc"]
    assert figures.main(asked) == 0
    files = {file.name for file in (tmp_path / "here" / "there").iterdir()}
    assert files == {"samples.png", "roc.png"}
    assert pictures(store, trial) == []
    assert LEFT_OUT in store.get(trial.run_id).tags


def test_a_folder_that_is_none_is_refused(trial: RunRecord, tmp_path: Path) -> None:
    """With what is in the way."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="--output file cannot be written"):
        figures.main(["--run-id", trial.run_id, "--output", "file"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--images", "0,359", "--split", "test"], "there are 359 test images"),
        (["--images", "0,20"], "there are 20 validation images"),
        (["--only", "roc,heat"], "there is no figure heat"),
        (["--filter", "4"], "filters are numbered 0 to 3"),
        (["--layer", "conv_2"], "Choose one of conv_1, pool_1"),
    ],
)
def test_choices_that_are_not_there_are_refused(
    store: Store, trial: RunRecord, arguments: list[str], said: str
) -> None:
    """Before anything is made."""
    with pytest.raises(ConfigError, match=said):
        figures.main(["--run-id", trial.run_id, *arguments])
    assert pictures(store, trial) == []


@pytest.mark.parametrize("text", ["x", "-1", "1.5", "1,,2", ""])
def test_what_is_no_number_is_refused(text: str) -> None:
    """Before anything is looked up."""
    with pytest.raises(ConfigError, match="is not an integer from 0"):
        figures.main(["abcd", f"--images={text}"])


@pytest.mark.usefixtures("store", "in_tmp")
@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        pytest.param(["beef"], UnknownHashError, id="unknown"),
        pytest.param(["--run-id", "0" * 32], UnknownHashError, id="unknown-run"),
        pytest.param([], ConfigError, id="nothing"),
    ],
)
def test_unknown_runs_are_refused(arguments: list[str], error: type[Exception]) -> None:
    """As by every command about runs."""
    with pytest.raises(error):
        figures.main(arguments)


@pytest.mark.slow
def test_a_run_without_a_model_is_refused(store: Store, tracking: Tracking) -> None:
    """With what would store one; no epoch of it is stored either."""
    from cnn_sweeps.runs.run import run

    untracked = {"log_model": False, "figures": False}
    done = run(config(tracking=untracked, trajectory={"reuse": False}, seed=9), store)
    told = rf"reproduce {done.identity.short} tracking.log_model=true to train it again"
    with pytest.raises(StoreError, match=told):
        figures.main(["--run-id", done.run_id, f"tracking.dir={tracking.dir}"])


def test_other_images_are_refused(
    store: Store, trial: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures of other data would say nothing of the run."""
    from dataclasses import replace

    from cnn_sweeps.data import load_cached

    true = load_cached(config().data)
    monkeypatch.setattr("cnn_sweeps.data.load_cached", lambda _: replace(true, digest="0" * 64))
    with pytest.raises(DataError, match="The images are not those of cnn 4x1 e1"):
        figures.main(["--run-id", trial.run_id])


@pytest.mark.slow
def test_a_users_own_code_runs_only_when_trusted(
    store: Store, tracking: Tracking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stored model may bring code along; its layers are known once it ran."""
    from cnn_sweeps.runs.run import run

    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "own_net_for_figures.py").write_text(NET)
    model = {"name": "custom", "function": "own_net_for_figures:build"}
    done = run(config(model=model, tracking={"figures": False}), store)
    asked = ["--run-id", done.run_id, "--output", "here", f"tracking.dir={tracking.dir}"]
    with pytest.raises(ConfigError, match="pass --trust to run it"):
        figures.main(asked)
    with pytest.raises(ConfigError, match="Choose one of .*mine"):
        figures.main([*asked, "--trust", "--layer", "another"])
