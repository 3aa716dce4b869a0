"""The command line: what it refuses, how it says so, and with which exit code."""

import errno
import os
import re
import signal
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from hydra._internal.hydra import Hydra
from optuna.exceptions import StorageInternalError
from programs import on_a_full_disk, typed
from sqlalchemy.exc import OperationalError

from cnn_sweeps import __main__
from cnn_sweeps.cli import main
from cnn_sweeps.errors import StoreError
from cnn_sweeps.runs.composition import validate


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the program in this process; its exit code."""
    monkeypatch.setattr(sys, "argv", ["cnn-sweeps", *arguments])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    with pytest.raises(SystemExit) as ended:
        main.main()
    return int(ended.value.code or 0)


@pytest.mark.usefixtures("hydra_restore_singletons", "in_tmp")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["model.filters=0"], "model.filters=0 is invalid", id="value"),
        pytest.param(["model.filters=0", "--cfg", "job"], "model.filters=0 is invalid", id="cfg"),
        pytest.param(["model.filtrs=3"], "Did you mean model.filters?", id="key"),
        pytest.param(["modle=cnn"], "Did you mean model?", id="group"),
        pytest.param(["model=cmn"], "Did you mean model=cnn?", id="option"),
        pytest.param(["+model.own=1"], "model.own: there is no such key", id="added-key"),
        pytest.param(
            ["data=digits", "hydra.run.dir=/dev/null/runs"],
            "/dev/null/runs cannot be made or written",
            id="folder of Hydra",
        ),
        pytest.param(["model.conv_blocks=4"], "At most 3 blocks fit", id="geometry"),
        pytest.param(["data.validation_fraction=1.5"], "from 0 below 1", id="fraction"),
        pytest.param(["trainer.stop_at_loss=-1"], "a number from 0 or null", id="threshold"),
        pytest.param(["shwo"], "Did you mean show?", id="command"),
        pytest.param(
            ["tracking.dir=x", "show", "abcd"],
            "Type the command first: cnn-sweeps show",
            id="command-behind",
        ),
        pytest.param(["model.filters=[1,2"], "cannot be read", id="syntax"),
        pytest.param(["model.filters=1,2"], "Type cnn-sweeps -m model.filters=1,2", id="no-m"),
        pytest.param(["data=npz"], "data.path is required", id="mandatory"),
        pytest.param(["model.filters=${nowhere}"], "model.filters: ", id="interpolation"),
        pytest.param(["+experiment=x"], "experiment can be notebook_cnn", id="preset"),
        pytest.param(
            ["+experiment=notebok_dnn"],
            "+experiment=notebok_dnn is invalid: there is no such option. "
            "Did you mean +experiment=notebook_dnn?",
            id="preset-misspelt",
        ),
        pytest.param(
            ["-m", "hydra.sweeper.n_trials=a"], "hydra.sweeper.n_trials=a", id="hydra-value"
        ),
        pytest.param(["--config-dir", "nowhere"], "not found", id="config-dir"),
        pytest.param(["model=null"], "model can be cnn, custom, dnn", id="null-for-an-option"),
        pytest.param(["trainer=5"], "trainer can be default", id="number-for-an-option"),
        pytest.param(["trainer=[5]"], "trainer can be default", id="number-in-a-list"),
        pytest.param(
            ["trainer.optimizer=[sgd]"],
            "trainer.optimizer is a group of keys, and no list",
            id="list-for-a-group",
        ),
        pytest.param(
            ["-m", "hydra.sweeper.objectives=[val_loss]"],
            "Type 'hydra.sweeper.objectives={KEY: VALUE}'",
            id="list-of-objectives",
        ),
        pytest.param(["doctor", "seed=1"], "or trainer.threads=VALUE is", id="doctor-of-a-seed"),
        pytest.param(
            ["data=image_folder", "data.path=caf\udce9"],
            "data.path holds bytes that are no text in UTF-8.\n  Rename",
            id="bytes",
        ),
        pytest.param(
            ["data=image_folder", 'data.path="caf\udce9"'],
            "data.path holds bytes that are no text in UTF-8.\n  Rename",
            id="bytes-in-quotes",
        ),
        pytest.param(["data", "--run-id", ""], "--run-id: it is empty", id="empty-run-id"),
        pytest.param(["predict", "abcd", ""], "an argument: it is empty", id="empty-picture"),
        pytest.param(["cache", "clear", ""], "an argument: it is empty", id="empty-trajectory"),
        pytest.param(["report", ""], "an argument: it is empty", id="empty-study"),
        pytest.param(["export", "abcd", ""], "an argument: it is empty", id="empty-folder"),
        pytest.param(["figures", "abcd", "--output="], "--into: it is empty", id="empty-output"),
        pytest.param(["reproduce", "--from", ""], "--from: it is empty", id="empty-from"),
        pytest.param(["worker", "--storage", ""], "--storage: it is empty", id="no-storage"),
        pytest.param(
            ["report", "hydra.sweeper.storage="], "hydra.sweeper.storage= is empty", id="storage"
        ),
        pytest.param(["=3"], "'=3' is neither a command (show", id="no-key"),
        pytest.param(["model.filters=99999999999999"], "parameters", id="no-machine-holds-it"),
        pytest.param(["model.conv_blocks=99999999999"], "from 0 up to 1000", id="blocks"),
        pytest.param(
            ["model.filters=[8,true]"], "model.filters=[8,true] is invalid", id="in-a-list"
        ),
        pytest.param(["model=[cnn,dnn]"], "there is no such key", id="two-options"),
        pytest.param(["augment=[flip]"], "Type augment.flip=VALUE for the key", id="key-in-a-list"),
        pytest.param(["augment=[lite]"], "Did you mean augment=light", id="near-in-a-list"),
        pytest.param(["search=[x]"], "search can be architecture, depth", id="none-in-a-list"),
        pytest.param(["trainer=epochs"], "Type trainer.epochs=VALUE", id="key-for-an-option"),
        pytest.param(["augment=light,flip"], "augment can be light, none", id="several-options"),
        pytest.param(["data=npz", "data.path=no.npz"], "no.npz does not exist", id="no-file"),
        pytest.param(["data=image_folder", "data.path=no"], "no does not exist", id="no-folder"),
        pytest.param(["tracking.uri=file:///x"], "no longer stores runs", id="tracking-uri"),
        pytest.param(["show", "xyz"], "is not a config hash", id="show-no-hash"),
        pytest.param(["reproduce", "xyz"], "no run has a config hash", id="reproduce-no-store"),
        pytest.param(["diff", "abcd"], "an argument is missing", id="diff-of-one"),
        pytest.param(["export", "abcd", "out"], "no run has a config", id="export-no-store"),
        pytest.param(["reproduce", "--from", "x"], "x is not a folder that", id="from-nowhere"),
        pytest.param(["reprodcue"], "Did you mean reproduce?", id="command-misspelt"),
        pytest.param(["show", "abcd"], "no run has a config hash", id="show-without-a-store"),
        pytest.param(
            ["trainer.early_stopping.patience=2", "data.validation_fraction=0"],
            "holds out no images",
            id="combination",
        ),
        pytest.param(["-m", "model.filters=0,16"], "model.filters=0 is invalid", id="sweep-value"),
        pytest.param(["-m", "model.filtrs=4,8"], "no such key", id="sweep-key"),
        pytest.param(["-m", "search=x"], "search can be", id="search"),
        pytest.param(["-m", "search=depth,filters"], "type one search=NAME", id="two-searches"),
        pytest.param(
            ["-m", "+hydra.sweeper.objectives.acuracy=maximize"], "accuracy", id="objective"
        ),
        pytest.param(
            ["-m", "+hydra.sweeper.objectives.test_accuracy=maximize"], "test split", id="test"
        ),
        pytest.param(
            ["-m", "hydra.sweeper.objectives={acuracy: maximize}"], "accuracy", id="objectives"
        ),
        pytest.param(
            ["-m", "model.filters=4,8", "++model.filters=8,16"],
            "model.filters is swept twice (4,8 and 8,16): type one.",
            id="swept-twice",
        ),
        pytest.param(
            ["-m", "model.filters=4,8", "++model.filters=16"], "both swept", id="swept-and-set"
        ),
        pytest.param(["-m", "data.validation_fraction=0"], "validation split", id="no-split"),
        pytest.param(["-m", "hydra.sweeper.n_trials=0"], "n_trials=0 is invalid", id="budget"),
        pytest.param(["-m", "hydra/sweeper/sampler=tep"], "sampler", id="sampler"),
        pytest.param(
            ["-m", "model=custom", "model.function=os:getcwd"],
            "there is no such key",
            id="space-of-another-model",
        ),
    ],
)
def test_refusals_are_short_and_exit_with_2(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    """What cannot be done is refused in a few lines, before anything is written."""
    code = call(monkeypatch, *arguments)
    error = capsys.readouterr().err
    assert code == 2
    assert message in error
    assert error.startswith("cnn-sweeps: ")
    assert len(error.splitlines()) <= 4
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    "arguments", [["data=digits"], ["-m", "seed=1,2"], ["compare"], ["doctor"]]
)
def test_a_folder_that_was_deleted_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """As in a second terminal: nothing can be found from there."""
    Path("gone").mkdir()
    monkeypatch.chdir("gone")
    Path.cwd().rmdir()
    assert call(monkeypatch, *arguments) == 2
    assert "the current folder was deleted or moved.\n  Type cd" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "ordered"),
    [
        ("data=digits -m a=1,2", "-m data=digits a=1,2"),
        ("-m data=digits --config-dir x a=1", "-m --config-dir x data=digits a=1"),
        ("a=1 --cfg job b=2 --resolve", "--cfg job --resolve a=1 b=2"),
        ("a=1 --info b=2", "--info a=1 b=2"),
        ("a=1 --info defaults b=2", "--info defaults a=1 b=2"),
        ("a=1 --config-dir=x b=2", "--config-dir=x a=1 b=2"),
        ("a=1 --nonsense b=2", "--nonsense a=1 b=2"),
        ("a=-1 ~b", "a=-1 ~b"),
    ],
)
def test_options_may_stand_anywhere(typed: str, ordered: str) -> None:
    """Hydra takes overrides in one piece, behind the options."""
    assert main.options_first(typed.split()) == ordered.split()


@pytest.mark.usefixtures("hydra_restore_singletons", "in_tmp")
@pytest.mark.parametrize(
    ("argument", "as_list"),
    [
        pytest.param("model.filters=8,16", "or model.filters=[8,16] for a list", id="values"),
        pytest.param("model.filters=range(1,3)", None, id="range"),
    ],
)
def test_only_plain_values_could_have_been_meant_as_a_list(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    argument: str,
    as_list: str | None,
) -> None:
    """A sweep without -m is offered as a list where brackets around it make one."""
    assert call(monkeypatch, argument) == 2
    error = capsys.readouterr().err
    assert (as_list in error) if as_list else ("for a list" not in error)


@pytest.mark.usefixtures("hydra_restore_singletons", "in_tmp")
@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        pytest.param(signal.SIGINT, 130, "interrupted", id="ctrl-c"),
        pytest.param(signal.SIGTERM, 143, "terminated", id="scheduler"),
        pytest.param(signal.SIGHUP, 129, "closed", id="terminal"),
    ],
)
def test_signals_end_a_run_in_order(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
    code: int,
    said: str,
) -> None:
    """A signal passes through the run as Ctrl-C does, so that it is ended in MLflow too."""
    before = {each: signal.getsignal(each) for each in main.ENDED_BY}
    for each in before:  # in the background a shell may have them ignored
        ctrl_c = signal.default_int_handler if each == signal.SIGINT else signal.SIG_DFL
        signal.signal(each, ctrl_c)
    ended_in_order = []

    def app(_composed: object) -> dict[str, float]:
        try:
            signal.raise_signal(number)
        finally:
            ended_in_order.append(number)
        return {}

    monkeypatch.setattr(main, "app", app)
    try:
        assert call(monkeypatch) == code
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    assert said in capsys.readouterr().err
    assert ended_in_order == [number]


@pytest.mark.usefixtures("hydra_restore_singletons", "in_tmp", "migrated_database")
@pytest.mark.parametrize("stored", [0, 3])
def test_an_interrupted_run_says_what_is_stored_and_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stored: int
) -> None:
    """As a sweep does."""

    def run_in(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "run_in", run_in)
    monkeypatch.setattr("cnn_sweeps.runs.stored_epochs.stored_epochs", lambda _: stored)
    assert call(monkeypatch, "data=digits", "trainer.epochs=5") == 130
    said = "Stopped with 3 of 5 epochs stored. Run the same command to resume.\n"
    assert capsys.readouterr().out == (said if stored else "")


def test_ctrl_c_is_heard_while_the_program_is_imported(in_tmp: Path) -> None:
    """Nobody wants to see a traceback for having been quick."""
    (in_tmp / "hydra.py").write_text("raise KeyboardInterrupt\n")
    command = [sys.executable, "-m", "cnn_sweeps", "data=digits"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(in_tmp)},
    )
    assert (done.returncode, done.stderr) == (130, "cnn-sweeps: interrupted.\n")


@pytest.mark.parametrize(
    "argument",
    [
        "tracking.uri=postgresql://ann:s3cr3t@h/db?sslmode=require",
        "tracking.uri=postgresql://ann:s3,cr3t@h/db",
        "postgresql://ann:s3cr3t@h/db",
        "trackin.uri='postgresql://ann:s3cr3t@h/db'",
        "tracking.tags=postgresql://ann:s3cr3t@h/db",
        "tracking.uri='postgresql://h/db?user=ann&password=s3cr3t'",
    ],
)
@pytest.mark.usefixtures("hydra_restore_singletons", "in_tmp")
def test_no_refusal_shows_a_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], argument: str
) -> None:
    """Whatever is wrong with what was typed."""
    assert call(monkeypatch, argument) == 2
    shown = "".join(capsys.readouterr())
    assert "cnn-sweeps: " in shown
    assert "cr3t" not in shown


@pytest.mark.usefixtures("hydra_restore_singletons")
def test_errors_of_the_program_itself_keep_their_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only what Hydra raises about the command line is put into words."""
    monkeypatch.setattr(main, "app", lambda _composed: int("a mistake of ours"))
    monkeypatch.setattr(sys, "argv", ["cnn-sweeps"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    with pytest.raises(ValueError, match="a mistake of ours"):
        main.main()


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.EACCES, "Ask its owner"), (errno.EROFS, "Name another"), (errno.ENOSPC, "Free some")],
)
def test_a_file_that_the_system_denies_is_told_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], number: int, remedy: str
) -> None:
    """Whichever command it is; what is not there was forgotten by us, and shows where."""

    def denied(_: object) -> int:
        raise OSError(number, os.strerror(number), "/srv/mlruns/studies")

    monkeypatch.setattr("cnn_sweeps.cli.diff.main", denied)
    assert call(monkeypatch, "diff", "abcd", "abce") == 2
    said = f"/srv/mlruns/studies cannot be used: {os.strerror(number)}.\n  {remedy}"
    assert said in capfd.readouterr().err
    number = errno.ENOENT
    with pytest.raises(FileNotFoundError):
        call(monkeypatch, "diff", "abcd", "abce")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        pytest.param(StoreError("The store is full."), 2, "The store is full.", id="refusal"),
        pytest.param(KeyboardInterrupt(signal.SIGTERM), 143, "terminated.", id="signal"),
    ],
)
def test_what_was_noted_of_an_error_is_said_with_it(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    said: str,
) -> None:
    """Such as that a run could not be ended any more."""

    def ended(_: object) -> int:
        error.add_note("Run 1 stays RUNNING.")
        raise error

    monkeypatch.setattr("cnn_sweeps.cli.diff.main", ended)
    assert call(monkeypatch, "diff", "abcd", "abce") == code
    assert f"{said}\n  Run 1 stays RUNNING.\n" in capfd.readouterr().err


@pytest.mark.slow
def test_a_server_that_goes_away_in_a_command_is_told_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whichever command it is, and wherever in it."""

    def looked_up(_: object) -> int:
        try:
            raise OperationalError(
                "SELECT", {}, ConnectionError("the server closed the connection")
            )
        except OperationalError as error:
            raise StorageInternalError("An exception is raised during the commit.") from error

    monkeypatch.setattr("cnn_sweeps.cli.diff.main", looked_up)
    assert call(monkeypatch, "diff", "abcd", "abce") == 2
    said = capfd.readouterr().err
    assert "went away: the server closed the connection\n  Run the same command again" in said
    assert "Traceback" not in said


def test_a_crash_in_native_code_says_where(tmp_path: Path) -> None:
    """The shell says no more than that there was one."""
    (tmp_path / "my_nets.py").write_text("import os\n\ndef build(*_):\n    os.abort()\n")
    ended = typed(tmp_path, "data=digits", "model=custom", "model.function=my_nets:build")
    assert ended.returncode == -signal.SIGABRT
    first, *_ = ended.stderr.splitlines()
    assert first == "Fatal Python error: Aborted"
    assert re.search(r"my_nets\.py\", line 4 in build", ended.stderr), ended.stderr


@pytest.mark.usefixtures("hydra_restore_singletons")
@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        pytest.param(["--cfg", "job"], "conv_blocks: 2", id="cfg-job"),
        pytest.param(["--cfg", "job", "model=dnn"], "name: dnn", id="cfg-choice"),
        pytest.param(["--cfg", "hydra"], "CnnSweepsSweeper", id="cfg-hydra"),
        pytest.param(["--help"], "notebook_cnn", id="help"),
        pytest.param(["--hydra-help"], "--shell-completion", id="hydra-help"),
        pytest.param(["--version"], "cnn-sweeps 0", id="version"),
    ],
)
def test_hydras_own_flags_work(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    in_tmp: Path,
    arguments: list[str],
    shown: str,
) -> None:
    """Hydra's flags do what they do in any Hydra application, and leave nothing behind."""
    assert call(monkeypatch, *arguments) == 0
    printed = capsys.readouterr()
    assert shown in printed.out
    assert printed.err == ""
    assert not list(in_tmp.iterdir())


def test_the_help_has_a_line_for_each_command() -> None:
    """Whoever types nothing but `--help` finds all of them."""
    told = (Path(validate.config_dir()) / "config.yaml").read_text(encoding="utf-8")
    assert [name for name in main.COMMANDS if f"  cnn-sweeps {name} " not in told] == []
    assert [name for name in (*main.FLAGS, "--version") if f" {name} " not in told] == []


def test_hydras_info_works(tmp_path: Path) -> None:
    """In a process of its own: it is logged, and Hydra configures logging for that."""
    done = subprocess.run(
        [sys.executable, "-m", "cnn_sweeps", "--info", "searchpath"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "conf" in done.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("hydra_restore_singletons")
@pytest.mark.parametrize(
    ("arguments", "times"),
    [
        pytest.param(["--cfg", "job"], 1, id="shown"),
        pytest.param(["-c", "job", "model=dnn"], 1, id="short"),
        pytest.param(["model.filters=0", "--cfg", "job"], 1, id="refused"),
        pytest.param(["--cfg", "job", "--resolve"], 2, id="for an option of Hydra's"),
        pytest.param(["model.filters=0"], 1, id="a run refused"),
        pytest.param(["-m", "model.filters=0,16"], 1, id="a sweep refused"),
        pytest.param(["hydra.mode=MULTIRUN", "model.filters=0,16"], 2, id="a mode that is typed"),
    ],
)
def test_a_config_is_composed_once(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], times: int
) -> None:
    """Composing is the longest part of showing a config, after the imports."""
    composed = []
    compose = Hydra.compose_config
    monkeypatch.setattr(
        Hydra, "compose_config", lambda *a, **k: composed.append(a) or compose(*a, **k)
    )
    call(monkeypatch, *arguments)
    assert len(composed) == times


@pytest.mark.usefixtures("hydra_restore_singletons")
@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param([], id="defaults"),
        pytest.param(["data=digits", "trainer.epochs=3", "hydra.sweeper.n_trials=2"], id="changed"),
        pytest.param(["+experiment=notebook_cnn", "tracking.dir=/x y"], id="preset"),
    ],
)
def test_a_config_is_shown_as_hydra_shows_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], overrides: list[str]
) -> None:
    """What is composed once here is what Hydra composes and writes by itself."""
    assert call(monkeypatch, "--cfg", "job", *overrides) == 0
    ours = capsys.readouterr().out
    monkeypatch.setattr(main, "_show_composed", lambda _arguments: False)
    assert call(monkeypatch, "--cfg", "job", *overrides) == 0
    assert ours == capsys.readouterr().out


@pytest.mark.usefixtures("hydra_restore_singletons")
def test_a_users_own_groups_are_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """`--config-dir` adds options to the shipped groups."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "tiny.yaml").write_text("defaults: [cnn]\nfilters: 2\n")
    assert call(monkeypatch, "--config-dir", str(tmp_path), "model=tiny", "--cfg", "job") == 0
    assert "filters: 2" in capsys.readouterr().out


@pytest.mark.usefixtures("hydra_restore_singletons")
def test_a_users_own_group_is_checked_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A wrong value in a user's own file is refused like one that is typed."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "tiny.yaml").write_text("name: cnn\nfilters: none\n")
    assert call(monkeypatch, "--config-dir", str(tmp_path), "model=tiny", "--cfg", "job") == 2
    assert "model.filters=none is invalid" in capsys.readouterr().err


def test_module_and_command_are_the_same_program() -> None:
    """`cnn-sweeps` calls what `python -m cnn_sweeps` calls."""
    (command,) = entry_points(group="console_scripts", name="cnn-sweeps")
    assert command.load() is __main__.main


def test_a_terminal_without_unicode_is_no_obstacle(tmp_path: Path) -> None:
    """Where the output knows ASCII only, other characters are replaced, not refused."""
    done = subprocess.run(
        [sys.executable, "-m", "cnn_sweeps", "--cfg", "job", "tracking.experiment='a·b'"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"experiment: a?b" in done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a file that is always full")
def test_a_full_disk_under_the_output_is_said(tmp_path: Path) -> None:
    """Not with a traceback, and not with exit code 0 either."""
    done = on_a_full_disk(tmp_path, "--cfg", "job")
    said = "cnn-sweeps: standard output cannot be written: No space left on device.\n"
    assert (done.returncode, done.stderr) == (1, said)


def test_output_that_nobody_reads_is_no_error_of_ours(tmp_path: Path) -> None:
    """The work goes on silently when a pipe is closed, as for `| head`."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "cnn_sweeps", "--version"],
            cwd=tmp_path,
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")


def test_shell_completion_offers_options() -> None:
    """Completing a group offers its options, as Hydra's completion script asks for them."""
    environment = {**os.environ, "COMP_LINE": "cnn-sweeps model=", "COMP_POINT": "17"}
    asked = subprocess.run(
        [sys.executable, "-m", "cnn_sweeps", "-sc", "query=bash"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert {"model=cnn", "model=dnn"} <= set(asked.stdout.split())


@pytest.mark.parametrize(
    ("typed", "starts"),
    [
        pytest.param(["-m", "model.filters=2,4"], True, id="a sweep"),
        pytest.param(["--multirun"], True, id="the default space"),
        pytest.param(["model.filters=2"], False, id="a run"),
        pytest.param(["-m", "--dry-run", "seed=1,2"], False, id="a dry run"),
        pytest.param(["-m", "seed=1,2", "hydra.sweeper.n_jobs=0"], False, id="its workers"),
        pytest.param(["-m", "hydra/launcher=joblib", "seed=1,2"], False, id="a launcher"),
        pytest.param(["-m", "seed=1,2", "tracking.dir=x"], False, id="another folder"),
        pytest.param(["show", "3f2a"], False, id="a command"),
    ],
)
def test_workers_are_made_ready_for_what_is_sure_to_need_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: list[str], *, starts: bool
) -> None:
    """What they import goes on while the command is read; not where studies are already."""
    monkeypatch.chdir(tmp_path)
    assert __main__.starts_workers(typed) == starts
    Path("mlruns", "studies").mkdir(parents=True)
    assert not __main__.starts_workers(typed)
