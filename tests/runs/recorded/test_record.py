"""What is on record of a run: read from plain values, and checked against its hash."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from configs import config, values
from records import DIGEST, record

from cnn_sweeps.config.loading import to_json
from cnn_sweeps.errors import RecordError
from cnn_sweeps.models.source import Source, SourceFile
from cnn_sweeps.provenance.identity import identify
from cnn_sweeps.runs.recorded.record import Record, check_finished, verify

CUSTOM = {"name": "custom", "function": "own_net_on_record:build"}
SOURCE = Source(path="own_net_on_record.py", content=b"def build(): ...\r\n")
BLOCKS = SourceFile(path="own_blocks_on_record.py", content=b"ACT = 'relu'\n")
SEVERAL = Source(
    path="own_net_on_record.py",
    content=b"from own_blocks_on_record import ACT\n",
    imports=(BLOCKS,),
)


def nothing(folder: str) -> dict[str, bytes]:
    """A place where no file of the user's is stored."""
    return {}


def stored(**changes: Any) -> dict[str, Any]:
    """A record as it comes back from JSON."""
    plain: dict[str, Any] = json.loads(json.dumps(record().to_json()))
    return plain | changes


def stored_in(**changes: Any) -> dict[str, Any]:
    """A record of another environment."""
    return stored(environment=stored()["environment"] | changes)


def read(
    plain: dict[str, Any] | None = None,
    made: Any = None,
    sources: Callable[[str], dict[str, bytes]] = nothing,
) -> Record:
    """A record of these plain values, of the small experiment."""
    return Record.read(plain or stored(), made or to_json(config()), sources)


def test_round_trip_through_json() -> None:
    """A record stored as JSON, with its config beside it, comes back equal."""
    assert read() == record()


def test_epochs_without_validation_come_back() -> None:
    """Where no images were held out, there is nothing to read of them."""
    epochs = [{**epoch, "val_loss": None, "val_accuracy": None} for epoch in stored()["epochs"]]
    assert read(stored(epochs=epochs)).epochs[0].metrics.keys().isdisjoint({"val_loss"})


def test_a_record_that_was_not_changed_passes() -> None:
    """Config and digest give the hash that they were stored under."""
    verify(read())


@pytest.mark.parametrize(
    ("made", "changes"),
    [
        pytest.param(values(trainer={"batch_size": 16}), {}, id="config"),
        pytest.param(values(), {"data_digest": "0" * 64}, id="digest"),
        pytest.param(values(), {"config_hash": "0" * 64}, id="hash"),
        pytest.param(values(), {"trajectory_hash": "0" * 64}, id="trajectory"),
    ],
)
def test_a_changed_record_is_refused(made: dict[str, Any], changes: dict[str, str]) -> None:
    """Whichever part was changed after the run, the hash tells."""
    with pytest.raises(RecordError, match="Run a{32} was changed after it was stored"):
        verify(read(stored(**changes), made))


def test_the_hash_that_does_not_fit_is_named() -> None:
    """Where only the trajectory hash was changed, the config hash is no news."""
    was = r"give the trajectory_hash [0-9a-f]{12}, but it is stored as 0{12}\."
    with pytest.raises(RecordError, match=was):
        verify(read(stored(trajectory_hash="0" * 64)))


def test_what_is_no_part_of_the_hash_may_be_another() -> None:
    """Thread counts and paths are the environment's, not the experiment's."""
    verify(read(made=values(trainer={"threads": 3}, tracking={"dir": "elsewhere"})))


@pytest.mark.parametrize("version", [2, "7", None, "new"])
def test_another_version_of_the_hash_is_refused(version: Any) -> None:
    """What the hash means is never guessed; the release that knows is named."""
    with pytest.raises(RecordError, match=r"version .* knows version 1.\nInstall .*\(0.1.0\)"):
        read(stored(schema_version=version))


def test_a_record_without_version_is_of_the_first() -> None:
    """Runs did not say so at first."""
    plain = stored()
    del plain["schema_version"]
    assert read(plain) == record()


@pytest.mark.parametrize(
    ("plain", "made", "said"),
    [
        pytest.param(stored(epochs=[{"number": 1}]), None, "'loss' is missing", id="epoch"),
        pytest.param(stored(environment={}), None, "is missing", id="environment"),
        pytest.param(stored(environment=None), None, "cannot be read", id="no-environment"),
        pytest.param(stored_in(threads="x"), None, "threads", id="threads"),
        pytest.param(stored_in(threads=-3), None, "less than nothing", id="negative"),
        pytest.param(stored_in(cpu_flags=7), None, "cpu_flags", id="flags"),
        pytest.param(stored(metrics=[1]), None, "cannot be read", id="metrics"),
        pytest.param(None, ["a list"], "cannot be read", id="config"),
    ],
)
def test_a_damaged_record_is_refused(plain: Any, made: Any, said: str) -> None:
    """What is missing or of another kind is said in one line."""
    with pytest.raises(RecordError, match=f"run a{{32}} cannot be read: .*{said}|{said}"):
        read(plain, made)


def test_a_record_of_a_newer_version_is_refused_as_that() -> None:
    """A field that is not known here was not changed: somebody has another cnn-sweeps."""
    said = r"newer version of cnn_sweeps: trainer.new is not known here.\nNothing .*\(0.1.0\)"
    with pytest.raises(RecordError, match=said):
        read(stored(), values(trainer={"new": 1}))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"status": "FAILED"}, id="failed"),
        pytest.param({"weights_sha256": None}, id="no-weights"),
        pytest.param({"epochs": ()}, id="no-epochs"),
    ],
)
def test_only_a_finished_run_can_be_done_again(changes: dict[str, Any]) -> None:
    """What came to no end leaves nothing to compare with."""
    with pytest.raises(RecordError, match="only a finished run"):
        check_finished(record(**changes))


def custom(source: Source | None, *, hashed: Source = SOURCE) -> Record:
    """A record of a user's own network, stored with these files."""
    made = config(model=CUSTOM)
    identity = identify(made, DIGEST, source=hashed)
    return record(config=made, identity=identity, source=source)


@pytest.mark.parametrize("source", [SOURCE, SEVERAL], ids=["one", "several"])
def test_the_files_of_a_users_own_function_are_read(in_tmp: Path, source: Source) -> None:
    """Their bytes are those that the hash covers, whatever lies in the current folder."""
    (in_tmp / "own_net_on_record.py").write_text("something else")
    made = custom(source, hashed=source)
    found = {each.path: each.content for each in source.files}
    again = read(json.loads(json.dumps(made.to_json())), to_json(made.config), lambda _: found)
    assert again == made
    verify(again)


def test_a_changed_file_of_a_users_own_is_refused() -> None:
    """Another content gives another hash."""
    changed = replace(SOURCE, content=b"def build(): import os")
    with pytest.raises(RecordError, match="config, digest of the data and source give"):
        verify(custom(changed))


@pytest.mark.parametrize(
    "imports",
    [
        pytest.param((), id="missing"),
        pytest.param((replace(BLOCKS, content=b"ACT = 'tanh'\n"),), id="changed"),
        pytest.param((*SEVERAL.imports, replace(BLOCKS, path="more.py")), id="more"),
    ],
)
def test_changed_imports_of_a_users_own_are_refused(imports: tuple[SourceFile, ...]) -> None:
    """Every file that was stored counts, and no other is let in."""
    with pytest.raises(RecordError, match="config, digest of the data and source give"):
        verify(custom(replace(SEVERAL, imports=imports), hashed=SEVERAL))


def test_a_record_without_its_imports_is_that_of_an_earlier_version(
    monkeypatch: pytest.MonkeyPatch, in_tmp: Path
) -> None:
    """The file of the function alone was hashed then; whether it was stored or is here."""
    monkeypatch.setattr("sys.path", ["", *sys.path])
    for each in SEVERAL.files:
        (in_tmp / each.path).write_bytes(each.content)
    alone = replace(SEVERAL, imports=())
    verify(custom(alone, hashed=alone))
    verify(custom(None, hashed=alone))
    verify(custom(None, hashed=SEVERAL))


def test_the_digest_of_the_network_is_no_part_of_the_hash() -> None:
    """It is known once the network is built, and comes back with the record."""
    made = custom(SOURCE)
    built = replace(made, identity=replace(made.identity, network_sha256="f" * 64))
    verify(built)
    found = {SOURCE.path: SOURCE.content}
    assert read(built.to_json(), to_json(made.config), lambda _: found) == built


def test_a_file_that_was_not_stored_has_to_be_here(
    monkeypatch: pytest.MonkeyPatch, in_tmp: Path
) -> None:
    """The file in the current folder will do, with the content that it had."""
    monkeypatch.setattr("sys.path", ["", *sys.path])
    with pytest.raises(RecordError, match="did not store the file of model.function=own_net"):
        verify(custom(None))
    (in_tmp / SOURCE.path).write_bytes(SOURCE.content)
    verify(custom(None))


def test_a_name_that_is_no_module_leads_nowhere() -> None:
    """A stored name must not become a path out of the folder that it belongs to."""
    with pytest.raises(RecordError, match="not of the form package.module:function"):
        read(made=values(model={"name": "custom", "function": "/etc/passwd:x"}))
