"""The user's own code of a sweep, which travels with its study."""

import sys
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState
from plans import FakeRun, plan, study

from cnn_sweeps.errors import ConfigError, RecordError
from cnn_sweeps.models.source import Source
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.study.attributes import PARENT
from cnn_sweeps.sweeps.study.slots import fill_queue
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.sweeps.workers import code, worker
from cnn_sweeps.sweeps.workers.code import (
    importable_code,
    notes_of_code,
    own_functions,
    store_code,
)
from cnn_sweeps.sweeps.workers.launcher import work_as_job
from cnn_sweeps.tracking import Store

NET = "travelling_net"
FUNCTION = f"{NET}:build"
CUSTOM = {"name": "custom", "function": FUNCTION}


@pytest.fixture
def home(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder that Python looks in; its path is put right afterwards."""
    monkeypatch.setattr(sys, "path", [str(in_tmp), *sys.path])
    return in_tmp


def written(folder: Path) -> None:
    """A network whose file imports another one."""
    (folder / f"{NET}.py").write_text("import travelling_blocks\n\ndef build(s, n): ...\n")
    (folder / "travelling_blocks.py").write_text("WIDTH = 3\n")


def travelling(home: Path, store: Store, **groups: Any) -> SweepStudy:
    """A study whose controller has stored its code."""
    written(home)
    groups = {"model": CUSTOM, "tracking": {"uri": store.address.uri}, **groups}
    made = study(home, plan({"trainer.batch_size": "choice(8,16)"}, **groups))
    with store.start_run("sweep", tags={}) as parent:
        store_code(made, parent)
    made.optuna_study.set_user_attr(PARENT, parent.run_id)
    return made


def elsewhere(home: Path) -> None:
    """Be where the files are not."""
    (home / f"{NET}.py").unlink()
    (home / "travelling_blocks.py").unlink()


def test_all_own_functions_of_a_sweep_are_found() -> None:
    """Of network, loss and metrics; a swept key has no other values than these."""
    swept = {
        "model.function": "choice(a_net:one,b.net:two)",
        "trainer.metrics": "choice([accuracy],[m:mean:min])",
    }
    made = plan(swept, model=CUSTOM, trainer={"loss": "my.losses:focal"})
    assert own_functions(made) == {
        "my.losses:focal": "trainer.loss",
        "a_net:one": "model.function",
        "b.net:two": "model.function",
        "m:mean": "trainer.metrics",
    }


def test_files_that_are_the_same_here_are_used(home: Path, store: Store) -> None:
    """Nothing has to be trusted, and nothing is laid in place."""
    made = travelling(home, store)
    before = list(sys.path)
    with importable_code(made, trust=False):
        assert sys.path == before


@pytest.mark.parametrize("here", ["nothing", "another"])
def test_stored_code_needs_trust(here: str, home: Path, store: Store) -> None:
    """The refusal says what is missing, where to read what is stored, and what to type."""
    made = travelling(home, store)
    elsewhere(home)
    if here == "another":
        (home / f"{NET}.py").write_text("def build(s, n): return 1\n")
    with (
        pytest.raises(ConfigError, match=rf"{NET}\.py is .*here\. The sweep study") as refused,
        importable_code(made, trust=False),
    ):
        pass
    assert "--trust" in str(refused.value)
    assert made.parent_run_id in str(refused.value)


def test_trusted_code_comes_first_and_goes_again(home: Path, store: Store) -> None:
    """The function has the files of the study, with what they import, inside the block alone."""
    made, told = travelling(home, store), list[str]()
    stored = Source.find(FUNCTION)
    elsewhere(home)
    (home / "travelling_blocks.py").write_text("WIDTH = 4\n")
    before = list(sys.path)
    with importable_code(made, trust=True, say=told.append):
        assert Source.find(FUNCTION) == stored
    assert sys.path == before
    assert Source.find(FUNCTION) is None
    assert told[0].startswith(f"model.function={FUNCTION}: runs {NET}.py of the study, sha256 ")


def test_changed_code_is_not_run(home: Path, store: Store) -> None:
    """What is stored has to have the digests that the study names."""
    made = travelling(home, store)
    elsewhere(home)
    run = store.reopen(made.parent_run_id or "")
    run.log_text("def build(s, n): steal()\n", f"source/{NET}/{NET}.py")
    with (
        pytest.raises(RecordError, match="nothing of it was run"),
        importable_code(made, trust=True),
    ):
        pass


def test_code_that_does_not_travel_is_missed_by_name(
    home: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too large a module is told when the sweep begins, and where a worker lacks it."""
    monkeypatch.setattr(code, "MOST_BYTES", 10)
    made = travelling(home, store)
    assert f"{NET}: 0.0 MB of code" in notes_of_code(made)[0]
    elsewhere(home)
    with (
        pytest.raises(ConfigError, match=f"no module {NET} here.*does not carry") as refused,
        importable_code(made, trust=True),
    ):
        pass
    assert f"a folder that holds {NET}.py" in str(refused.value)


def test_a_sweep_without_own_code_carries_none(home: Path, store: Store) -> None:
    """No attribute and no artifact; an installed function is the package's affair."""
    made = travelling(home, store, model={"name": "cnn"}, trainer={"loss": "keras.losses:mse"})
    assert code.CODE not in made.optuna_study.user_attrs
    assert notes_of_code(made) == []


def test_a_placed_worker_trusts_the_code_of_who_placed_it(home: Path, store: Store) -> None:
    """By the digest of the files that the controller has, and by no other."""
    made = travelling(home, store)
    mine = code.digest_here(made.plan)
    place = f"0/1@{home}/study.journal@study"
    elsewhere(home)
    for digest in ("", f"@{'0' * 64}"):
        with pytest.raises(ConfigError, match="running it executes its code"):
            work_as_job(f"{place}{digest}")
    work_as_job(f"{place}@{mine}")
    assert code.digest_here(plan()) == ""


def test_a_placed_worker_has_the_code_as_long_as_it_works(
    home: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each trial reads the files, for its hash and for its network."""
    made = travelling(home, store)
    fill_queue(made, Budget())
    mine = code.digest_here(made.plan)
    elsewhere(home)
    execute = FakeRun(lambda config: float(config.trainer.batch_size))
    monkeypatch.setattr(worker, "execute_of", lambda *_: execute)
    work_as_job(f"0/1@{home}/study.journal@study@{mine}")
    assert [trial.state for trial in made.trials()] == [TrialState.COMPLETE] * 2
