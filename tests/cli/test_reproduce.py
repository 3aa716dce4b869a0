"""Doing a run again, end to end on real digits: the verdicts, and what is refused."""

import contextlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from configs import config
from programs import begun, typed
from services import mlflow_server
from stores import Finished, close, copy_of, ready

from cnn_sweeps.cli import export as exporting
from cnn_sweeps.cli import main
from cnn_sweeps.cli import reproduce as command
from cnn_sweeps.config.schema import CnnModel, Config, Tracking
from cnn_sweeps.errors import ConfigError, DataError, RecordError, StoreError, UnknownHashError
from cnn_sweeps.provenance.environment import Environment
from cnn_sweeps.runs import reproduce
from cnn_sweeps.runs.composition import validate
from cnn_sweeps.runs.recorded import lookup
from cnn_sweeps.runs.recorded.record import FINISHED, Record
from cnn_sweeps.tracking import RunRecord, Store

TINY = (
    *("data=digits", "data.limit=200", "tracking.figures=false"),
    *("model.filters=4", "model.conv_blocks=1"),
)
LOSS = """\
from keras import losses, ops


def smooth(y_true, y_pred):
    labels = ops.one_hot(y_true, y_pred.shape[1])
    return losses.categorical_crossentropy(labels, y_pred, label_smoothing=0.1)
"""
NET = """
import keras

def build(input_shape, num_classes, units=4):
    return keras.Sequential([
        keras.Input(input_shape), keras.layers.Flatten(),
        keras.layers.Dense(units, activation="relu"),
        keras.layers.Dense(num_classes, activation="softmax"),
    ])
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, migrated_database: Path) -> Iterator[Path]:
    """A store with one run of two epochs; copy it, do not write to it."""
    from cnn_sweeps.runs.run import run

    folder = tmp_path_factory.mktemp("made") / "mlruns"
    folder.mkdir()
    shutil.copy(migrated_database, folder / "mlflow.db")
    tiny = config(trainer={"epochs": 2}, tracking={"experiment": "mine", "log_model": False})
    run(tiny, Store.open(Tracking(dir=folder, experiment="mine")))
    yield folder
    close(f"sqlite:///{folder / 'mlflow.db'}")


@pytest.fixture
def copied(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The same store in the current folder, where it was copied to."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(made, "mlruns")
    yield Store.open(Tracking())
    close(f"sqlite:///{tmp_path / 'mlruns' / 'mlflow.db'}")


@pytest.fixture
def original(copied: Store) -> RunRecord:
    """The run in it."""
    (run,) = copied.client.search_runs([_experiment(copied)])
    return copied.get(run.info.run_id)


@pytest.fixture
def as_recorded(
    copied: Store, original: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> list[Config]:
    """A training that comes out, in another run, as the run was before a test tampers with it.

    What it was asked to train is in the list afterwards.
    """
    now, asked = lookup.record_of(copied, original), list[Config]()

    def trained(record: Record, config: Config, store: Store) -> Record:
        asked.append(config)
        with store.start_run("again", tags={"reproduces": record.run_id}) as run:
            return replace(now, run_id=run.run_id, environment=here)

    here = Environment.capture(threads=0, deterministic=True)
    monkeypatch.setattr(reproduce, "_trained", trained)
    return asked


def _experiment(store: Store) -> str:
    found: str = store.client.get_experiment_by_name("mine").experiment_id
    return found


def hash_of(run: RunRecord) -> str:
    """The first digits of a run's hash."""
    return str(run.config_hash)[:8]


def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test if anything is trained."""
    monkeypatch.setattr(
        "cnn_sweeps.runs.run.run", lambda *_, **__: pytest.fail("something was trained")
    )


def artifact(store: Store, run: RunRecord, path: str) -> Path:
    """The file of an artifact, to be tampered with."""
    return store.dir / "artifacts" / run.run_id / "artifacts" / path


def edit(file: Path, old: str, new: str) -> None:
    """Replace a text that is there."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_the_same_bits_in_a_copied_store(
    copied: Store, original: RunRecord, made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A copy of a store reproduces its run bit for bit; both runs know of each other."""
    assert command.main([hash_of(original)]) == 0
    shown = capsys.readouterr().out
    assert "\nbit-identical\n" in shown
    assert "10 metrics and the final weights" in shown
    (again,) = copied.client.search_runs(
        [_experiment(copied)], f"tags.reproduces = '{original.run_id}'"
    )
    assert again.data.tags["epochs_reused"] == "0"
    assert "reused_from" not in again.data.tags
    assert again.data.tags["verdict"] == "bit-identical"
    tags = copied.get(original.run_id).tags
    assert tags["reproduced_by"] == again.info.run_id
    assert tags["reproduction_verdict"] == "bit-identical"
    assert artifact(copied, copied.get(again.info.run_id), "config.yaml").exists()
    there = Store.open(Tracking(dir=made))
    assert "reproduced_by" not in there.get(original.run_id).tags


@pytest.mark.usefixtures("as_recorded")
def test_as_json(original: RunRecord, capsys: pytest.CaptureFixture[str]) -> None:
    """A machine gets one object and nothing else, with a run id in the place of a hash too."""
    arguments = ["--run-id", original.run_id, "--json", "--tolerance", "0.5"]
    assert command.main(arguments) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["verdict"], told["exit_code"]) == ("bit-identical", 0)
    assert (told["run_id"], told["config_hash"]) == (original.run_id, original.config_hash)


@pytest.mark.parametrize("deleted", ["run", "experiment"])
def test_what_was_deleted_is_refused_before_anything_is_trained(
    deleted: str, copied: Store, original: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A verdict could not be logged with it; the command restores it."""
    no_training(monkeypatch)
    if deleted == "run":
        copied.client.delete_run(original.run_id)
    else:
        copied.client.delete_experiment(original.experiment_id)
    match = rf"(?s)was deleted.*mlflow {deleted}s restore"
    with pytest.raises(UnknownHashError, match=match) as refused:
        command.main(["--run-id", original.run_id])
    assert str(refused.value).count("\n") == 1
    with pytest.raises(UnknownHashError, match="was deleted"):
        command.main([original.run_id])


def test_a_store_that_cannot_be_written_is_refused_before(
    copied: Store, original: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training without a verdict is none."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy import event

    no_training(monkeypatch)
    engine = SqlAlchemyStore._engine_map[copied.uri]
    event.listen(
        engine, "connect", lambda connection, _: connection.execute("PRAGMA query_only = 1")
    )
    engine.dispose()
    with pytest.raises(StoreError, match="cannot be written"):
        command.main(["--run-id", original.run_id])


def test_variables_that_are_overridden_are_named(
    original: RunRecord, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what was recorded of them."""
    monkeypatch.setattr(
        reproduce, "recorded_flags", lambda _: contextlib.nullcontext({"XLA_FLAGS": "--x=1"})
    )
    monkeypatch.setattr(reproduce, "_trained", lambda record, *_: record)
    assert command.main([hash_of(original)]) == 0
    assert "  overridden: your XLA_FLAGS=--x=1, recorded without it\n" in capsys.readouterr().out


def test_defaults_that_changed_since_change_nothing(
    original: RunRecord,
    as_recorded: list[Config],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The recorded config is whole: what is a default today does not matter."""
    conf = tmp_path / "conf"
    shutil.copytree(validate.config_dir(), conf)
    edit(conf / "trainer" / "default.yaml", "batch_size: 32 ", "batch_size: 7 ")
    edit(conf / "model" / "cnn.yaml", "kernel_size: 3 ", "kernel_size: 5 ")
    monkeypatch.setattr(validate, "config_dir", lambda: str(conf))
    assert command.main([hash_of(original)]) == 0
    (asked,) = as_recorded
    assert isinstance(asked.model, CnnModel)
    assert (asked.trainer.batch_size, asked.model.kernel_size) == (32, 3)


@pytest.mark.usefixtures("as_recorded")
def test_another_environment_with_the_same_numbers_but_other_weights(
    copied: Store, original: RunRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    """What differs in the environment is named."""
    file = artifact(copied, original, "environment.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), "cpu": "another"}))
    copied.client.set_tag(original.run_id, "weights_sha256", "0" * 64)
    assert command.main([hash_of(original)]) == 0
    said = "equal within tolerance: the environment differs in cpu (another, now "
    assert said in capsys.readouterr().out


@pytest.mark.usefixtures("as_recorded")
def test_other_numbers_are_different(
    copied: Store, original: RunRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first epoch and metric that differ are named; the exit code is 1."""
    copied.client.log_metric(original.run_id, "val_loss", 0.25, step=2)
    assert command.main([hash_of(original)]) == 1
    shown = capsys.readouterr().out
    assert "different: first at epoch 2, val_loss: 0.25 recorded, " in shown
    assert "this should not happen" in shown
    assert copied.get(original.run_id).tags["reproduction_verdict"] == "different"


def test_a_changed_config_is_refused(
    copied: Store, original: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything runs."""
    no_training(monkeypatch)
    edit(artifact(copied, original, "config.yaml"), "batch_size: 32", "batch_size: 16")
    with pytest.raises(RecordError, match="was changed after it was stored"):
        command.main([hash_of(original)])
    assert len(copied.client.search_runs([_experiment(copied)])) == 1


@pytest.mark.parametrize("tag", ["data_digest", "trajectory_hash"])
def test_a_changed_tag_is_refused(
    copied: Store, original: RunRecord, monkeypatch: pytest.MonkeyPatch, tag: str
) -> None:
    """The hash covers the digest of the data."""
    no_training(monkeypatch)
    copied.client.set_tag(original.run_id, tag, "0" * 64)
    with pytest.raises(RecordError, match="was changed after it was stored"):
        command.main([hash_of(original)])


def test_another_version_of_the_hash_is_refused(copied: Store, original: RunRecord) -> None:
    """A run says which version it was stored with; one that is not known is never guessed."""
    assert original.tags["schema_version"] == "1"
    copied.client.set_tag(original.run_id, "schema_version", "2")
    with pytest.raises(RecordError, match="stored with version 2 of the hash"):
        command.main([hash_of(original)])


def test_a_run_that_did_not_finish_is_refused(copied: Store, original: RunRecord) -> None:
    """It is said what became of it."""
    copied.client.set_terminated(original.run_id, "FAILED")
    with pytest.raises(RecordError, match=f"Run {original.run_id} .* is FAILED: only a finished"):
        command.main([hash_of(original)])


@pytest.mark.usefixtures("copied")
@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        pytest.param(["beef"], UnknownHashError, id="unknown"),
        pytest.param(["--run-id", "0" * 32], UnknownHashError, id="unknown-run"),
        pytest.param([], ConfigError, id="nothing"),
        pytest.param(["beef", "--run-id", "0" * 32], ConfigError, id="both"),
        pytest.param(["beef", "model.filters=3"], ConfigError, id="another-experiment"),
        pytest.param(["--from", "nowhere"], RecordError, id="no-folder"),
    ],
)
def test_what_cannot_be_done_is_refused(arguments: list[str], error: type[Exception]) -> None:
    """Unknown names and wrong arguments are errors of the input."""
    with pytest.raises(error):
        command.main(arguments)


@pytest.mark.usefixtures("in_tmp")
@pytest.mark.parametrize("arguments", [["--tolerance", "-1"], ["--tolerance", "x"], ["--no"]])
def test_wrong_options_are_refused(arguments: list[str]) -> None:
    """By the parser, as any other input that is invalid."""
    with pytest.raises(ConfigError, match="Type cnn-sweeps reproduce --help"):
        command.main(["abcd", *arguments])


@pytest.fixture
def images(in_tmp: Path) -> Callable[..., Path]:
    """Writes an NPZ file of random images, with a seed."""

    def write(name: str, seed: int) -> Path:
        random = np.random.default_rng(seed)
        arrays = {}
        for half, count in (("train", 60), ("test", 20)):
            arrays[f"x_{half}"] = random.integers(0, 256, (count, 8, 8), dtype=np.uint8)
            arrays[f"y_{half}"] = np.arange(count) % 2
        np.savez(in_tmp / name, **arrays)
        return in_tmp / name

    return write


def trained(store: Store, **groups: Any) -> str:
    """The hash of a run of one epoch."""
    from cnn_sweeps.runs.run import run

    return run(config(tracking={"log_model": False}, **groups), store).identity.short


class BegunError(Exception):
    """Training would begin here."""


def begin(config: Config, *_: object, **__: object) -> None:
    """Stands for `run`."""
    raise BegunError(config.data)


@pytest.mark.slow
def test_data_that_moved_is_found_and_data_that_changed_is_refused(
    store: Store, images: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where images lie may be said; what they are is checked by their digest."""
    file = images("images.npz", 1)
    short = trained(store, data={"name": "npz", "path": str(file), "validation_fraction": 0.2})
    arguments = [short, f"tracking.dir={store.dir}"]
    file.rename(file.with_name("moved.npz"))
    with pytest.raises(DataError, match=r"images.npz does not exist.*\n.* add data.path=PATH\."):
        command.main(arguments)
    monkeypatch.setattr("cnn_sweeps.runs.run.run", begin)
    with pytest.raises(BegunError, match=r"moved\.npz"):
        command.main([*arguments, "data.path=moved.npz"])
    images("other.npz", 2)
    with pytest.raises(DataError, match=f"images are not those of .*{short}: their digest is"):
        command.main([*arguments, "data.path=other.npz"])


@pytest.fixture
def own_net(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A user's own function in the current folder; forgotten afterwards."""
    monkeypatch.setattr(sys, "path", [str(in_tmp), *sys.path])
    (in_tmp / "own_net_again.py").write_text(NET)
    yield
    sys.modules.pop("own_net_again", None)
    sys.modules.pop("own_loss_again", None)


@pytest.fixture(scope="module")
def trained_own_net(
    migrated_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Finished]:
    """A run of that function, whose file is elsewhere by now."""
    from cnn_sweeps.runs.run import run

    folder = tmp_path_factory.mktemp("own_net")
    (folder / "own_net_again.py").write_text(NET)
    (folder / "own_loss_again.py").write_text(LOSS)
    loss = {"loss": "own_loss_again:smooth"}
    own = {"name": "custom", "function": "own_net_again:build"}
    with ready(folder, migrated_database) as tracking:
        with pytest.MonkeyPatch.context() as path:
            path.syspath_prepend(folder)
            asked = config(tracking={"log_model": False}, model=own, trainer=loss)
            done = run(asked, Store.open(tracking))
        sys.modules.pop("own_net_again", None)
        sys.modules.pop("own_loss_again", None)
        yield Finished(home=tracking.dir, result=done)


@pytest.fixture
def own_store(trained_own_net: Finished, own_net: None, in_tmp: Path) -> Iterator[Store]:
    """A copy of its store, beside the file."""
    with copy_of(trained_own_net.home, in_tmp) as copied:
        yield copied


@pytest.fixture
def own(trained_own_net: Finished) -> str:
    """Its hash."""
    return trained_own_net.result.identity.short


@pytest.mark.slow
@pytest.mark.usefixtures("own_store")
def test_foreign_code_runs_only_when_it_is_trusted(own: str, in_tmp: Path) -> None:
    """With --trust the recorded file is imported, also where the one here has changed."""
    with pytest.raises(ConfigError, match="(?s)again:smooth; importing .*pass --trust to"):
        command.main([own])
    assert not {"own_net_again", "own_loss_again"} & sys.modules.keys()
    (in_tmp / "own_net_again.py").write_text("raise RuntimeError('changed')")
    assert command.main([own, "--trust"]) == 0


def test_changed_foreign_code_is_refused(own_store: Store, own: str, in_tmp: Path) -> None:
    """Neither a stored file that was changed nor another one in its place is trained."""
    (run,) = own_store.find(own)
    stored = artifact(own_store, run, "source/own_net_again.py")
    edit(stored, "relu", "tanh")
    arguments = [own, "--trust"]
    with pytest.raises(RecordError, match="its config, digest of the data and source give"):
        command.main(arguments)
    stored.unlink()
    edit(in_tmp / "own_net_again.py", "relu", "tanh")
    with pytest.raises(RecordError, match="did not store the file of model.function=own_net_again"):
        command.main(arguments)


def test_changed_foreign_losses_are_refused(own_store: Store, own: str) -> None:
    """The files of the loss are held to the hash as those of the network are."""
    (run,) = own_store.find(own)
    stored = artifact(own_store, run, "loss_source/own_loss_again.py")
    edit(stored, "0.1", "0.2")
    with pytest.raises(RecordError, match="its config, digest of the data and source give"):
        command.main([own, "--trust"])
    stored.unlink()
    with pytest.raises(RecordError, match="did not store the file of trainer.loss=own_loss_again"):
        command.main([own, "--trust"])


@pytest.mark.usefixtures("as_recorded")
def test_an_exported_run_is_done_again_elsewhere(
    original: RunRecord,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    migrated_database: Path,
) -> None:
    """Without the store that it came from, and logged to another one."""
    assert exporting.main([hash_of(original), "out dir"]) == 0
    assert "cnn-sweeps reproduce --from 'out dir'" in capsys.readouterr().out
    written = {path.name for path in Path("out dir").iterdir()}
    assert written == {"config.yaml", "record.json", "requirements.txt", "README.md"}
    shutil.move("out dir", tmp_path / "taken")
    shutil.rmtree("mlruns")
    Path("elsewhere").mkdir()
    shutil.copy(migrated_database, "elsewhere/mlflow.db")
    assert command.main(["--from", "taken", "tracking.dir=elsewhere"]) == 0
    (again,) = Store.open(Tracking(dir=Path("elsewhere"))).tagged({"reproduces": original.run_id})
    assert again.tags["verdict"] == "bit-identical"
    assert not Path("mlruns").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("own_store")
def test_an_exported_run_brings_its_foreign_code(own: str, in_tmp: Path) -> None:
    """The file is in the folder, and is the one that is trained."""
    exporting.main([own, "out"])
    assert Path("out/source/own_net_again.py").read_text() == NET
    assert Path("out/loss_source/own_loss_again.py").read_text() == LOSS
    assert "--from . --trust" in Path("out/README.md").read_text()
    (in_tmp / "own_net_again.py").unlink()
    with pytest.raises(ConfigError, match="pass --trust"):
        command.main(["--from", "out"])
    assert command.main(["--from", "out", "--trust"]) == 0
    edit(Path("out/source/own_net_again.py"), "relu", "tanh")
    with pytest.raises(RecordError, match="was changed after it was stored"):
        command.main(["--from", "out", "--trust"])


@pytest.mark.usefixtures("hydra_restore_singletons", "as_recorded")
@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        pytest.param(["reproduce", "HASH"], 0, "bit-identical", id="same"),
        pytest.param(["reproduce", "beef"], 2, "begins with beef", id="unknown"),
        pytest.param(["diff", "HASH", "HASH"], 0, "config: no difference", id="diff"),
        pytest.param(["diff", "HASH", "HASH", "--json"], 0, '"config": {}', id="diff-as-json"),
        pytest.param(["diff", "HASH"], 2, "Type cnn-sweeps diff HASH HASH", id="diff-of-one"),
        pytest.param(["export", "HASH", "out"], 0, "reproduce --from out", id="export"),
        pytest.param(["export", "HASH", "."], 2, ". is not empty", id="export-into-a-used-folder"),
        pytest.param(["show", "HASH"], 0, "1 run", id="show"),
    ],
)
def test_exit_codes(
    original: RunRecord,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
    code: int,
    said: str,
) -> None:
    """The program says by its exit code how a command ended."""
    words = [hash_of(original) if word == "HASH" else word for word in command]
    monkeypatch.setattr(sys, "argv", ["cnn-sweeps", *words])
    with pytest.raises(SystemExit) as ended:
        main.main()
    printed = capsys.readouterr()
    assert ended.value.code == code
    assert said in (printed.err if code else printed.out)


@pytest.mark.usefixtures("as_recorded")
def test_a_difference_is_an_exit_code_of_its_own(
    copied: Store, original: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1 for a training that came out different."""
    copied.client.set_tag(original.run_id, "weights_sha256", "0" * 64)
    monkeypatch.setattr(sys, "argv", ["cnn-sweeps", "reproduce", hash_of(original)])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 1


@pytest.mark.slow(minutes=1)
@pytest.mark.usefixtures("tracking")  # a store that is there: migrating one takes seconds
def test_a_single_run_in_a_fresh_process(tmp_path: Path) -> None:
    """With one thread, other kernels and dropout: restored, whatever is set now."""
    extra = ("trainer.threads=1", "model.dropout=0.3", "trainer.epochs=2")
    said = begun(tmp_path, *TINY, *extra, TF_ENABLE_ONEDNN_OPTS="1").well()
    short = said.split("show ")[1].split()[0]
    (tmp_path / "mlruns").rename(tmp_path / "moved")
    told = json.loads(begun(tmp_path, "reproduce", short, "--json", "tracking.dir=moved").well())
    assert (told["verdict"], told["environment"]) == ("bit-identical", {})


@pytest.mark.slow(minutes=1)
@pytest.mark.usefixtures("tracking")  # a store that is there: migrating one takes seconds
def test_trials_of_a_sweep_in_fresh_processes(tmp_path: Path) -> None:
    """A worker's threads are restored; the winner's test scores are compared, others have none."""
    typed(tmp_path, "-m", *TINY[:3], "model.filters=4,8", "trainer.epochs=1").well()
    store = Store.open(Tracking(dir=tmp_path / "mlruns"))
    runs = store.client.search_runs([store.experiment_id])
    trials = [RunRecord.of(run) for run in runs if "config_hash" in run.data.tags]
    assert [run.status for run in trials] == [FINISHED, FINISHED]
    compared = {}
    for trial in trials:
        told = json.loads(typed(tmp_path, "reproduce", str(trial.config_hash), "--json").well())
        assert (told["verdict"], told["environment"]) == ("bit-identical", {})
        compared["test_loss" in trial.metrics] = told["metrics_compared"]
    assert compared == {True: 6, False: 4}


@pytest.mark.slow(minutes=1)
def test_a_run_on_a_remote_server(migrated_database: Path, tmp_path: Path) -> None:
    """Everything comes from the server and goes there: nothing is left in the current folder."""
    with mlflow_server(tmp_path / "server", database=migrated_database) as server:
        check_nothing_is_left(tmp_path, MLFLOW_TRACKING_URI=server.url)


def check_nothing_is_left(tmp_path: Path, **at: str) -> None:
    """Make a run in one folder; reproduce, compare and export it in another."""
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir()
    other.mkdir()
    (own / "own_net_afar.py").write_text(NET)
    custom = ("model=custom", "model.function=own_net_afar:build", *TINY[:3], "trainer.epochs=1")
    short = typed(own, *custom, **at).well().split("show ")[1].split()[0]
    told = typed(other, "reproduce", short, "--json", "--trust", **at).well()
    assert json.loads(told)["verdict"] == "bit-identical"
    assert "no difference" in typed(other, "diff", short, short, **at).well()
    assert "source" not in typed(other, "export", short, "out", **at).well()
    assert (other / "out" / "source" / "own_net_afar.py").read_text() == NET
    assert [path.name for path in other.iterdir()] == ["out"]


@pytest.mark.parametrize("typed", ["trainer.threads=1", "model=dnn", "seed=1"])
def test_what_cannot_be_changed_is_refused_with_all_that_can(typed: str) -> None:
    """Where the runs are, and where images and pretrained weights are now."""
    places = "data.root=FOLDER or data.path=PLACE or model.weights=FILE"
    possible = rf"only tracking.KEY=VALUE or {places} is allowed"
    with pytest.raises(ConfigError, match=rf"{typed} is invalid here: {possible}"):
        command.main(["abcd", typed])
