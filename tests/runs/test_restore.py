"""A recorded run made ready to be trained on this machine."""

import os
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from configs import config
from records import environment, record

from cnn_sweeps.config.schema import ArchiveData, NpzData, Tracking
from cnn_sweeps.errors import ConfigError, RecordError
from cnn_sweeps.models import imports
from cnn_sweeps.models.source import Source, SourceFile
from cnn_sweeps.provenance.environment import ONEDNN, cores, set_flags
from cnn_sweeps.provenance.identity import identify
from cnn_sweeps.runs.recorded.record import Record
from cnn_sweeps.runs.restore import importable_source, not_recorded, recorded_flags, restored_config

SOURCE = Source(path="own_net_to_restore.py", content=b"def build(): ...\n")
CUSTOM = {"name": "custom", "function": "own_net_to_restore:build"}
HERE = Tracking(dir=Path("here"))


def custom(source: Source | None = SOURCE, function: str = "own_net_to_restore:build") -> Record:
    """A record of a user's own network."""
    return record(config=config(model={**CUSTOM, "function": function}), source=source)


@pytest.fixture
def own_path(monkeypatch: pytest.MonkeyPatch, in_tmp: Path) -> Path:
    """An empty current folder that Python looks in, and a path that is put right afterwards."""
    monkeypatch.setattr(sys, "path", [str(in_tmp), *sys.path])
    return in_tmp


def test_the_experiment_is_restored_and_the_machine_is_followed() -> None:
    """Every field of the hash is as recorded; where it is logged and shown is not."""
    made = config(trainer={"progress": "bar"}, tracking={"dir": "there", "log_model": False})
    again = restored_config(record(config=made), HERE, [])
    assert identify(again, "d" * 64) == identify(made, "d" * 64)
    assert (again.tracking.dir, again.tracking.log_model) == (Path("here"), False)
    stored = restored_config(record(config=made), Tracking(log_model=True), [])
    assert stored.tracking.log_model is True
    assert again.trainer.progress == "auto"
    assert made.trajectory.reuse
    assert not again.trajectory.reuse


@pytest.mark.parametrize(
    ("asked", "recorded", "threads"),
    [
        pytest.param(3, cores(), 3, id="as-asked"),
        pytest.param(0, cores(), 0, id="as-many-cores"),
        pytest.param(0, cores() + 3, cores() + 3, id="other-cores"),
    ],
)
def test_as_many_threads_as_there_were(asked: int, recorded: int, threads: int) -> None:
    """All cores of another machine are so many threads on this one."""
    made = record(environment=environment(threads=asked, cpu_count=recorded))
    assert restored_config(made, HERE, []).trainer.threads == threads


def test_epochs_of_others_are_not_read() -> None:
    """A run is reproduced by training every epoch of it."""
    made = config(trajectory={"store": "all", "audit": 0.5})
    again = restored_config(record(config=made), HERE, []).trajectory
    assert (again.store, again.audit, again.reuse) == (None, 0.0, False)


def test_images_may_lie_elsewhere() -> None:
    """Where they are is no part of the experiment."""
    file = record(config=config(data={"name": "npz", "path": "there.npz"}))
    data = restored_config(file, HERE, ["data.path=here.npz"]).data
    assert isinstance(data, NpzData)
    assert data.path == Path("here.npz")
    archive = record(config=config(data={"name": "mnist"}))
    data = restored_config(archive, HERE, ["data.root=a=b"]).data
    assert isinstance(data, ArchiveData)
    assert data.root == Path("a=b")
    quoted = restored_config(archive, HERE, ["data.root='my images, all'"]).data
    assert isinstance(quoted, ArchiveData)
    assert quoted.root == Path("my images, all")


@pytest.mark.parametrize(
    ("name", "place", "known"),
    [
        pytest.param("npz", "data.root=x", "data.path can be set", id="not-of-this-kind"),
        pytest.param("mnist", "data.limit=3", "data.root can be set", id="not-a-place"),
        pytest.param("digits", "data.path=x", "none of its keys can be set", id="nowhere"),
    ],
)
def test_what_defines_the_experiment_cannot_be_said(name: str, place: str, known: str) -> None:
    """The rest of the data is as it was recorded."""
    data = {"name": name, "path": "x"} if name == "npz" else {"name": name}
    with pytest.raises(ConfigError, match=f"{place} cannot be overridden: .*{known}"):
        restored_config(record(config=config(data=data)), HERE, [place])


@pytest.mark.usefixtures("no_tensorflow")
def test_flags_are_set_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that were set are set again, and those that were not are removed."""
    monkeypatch.setenv(ONEDNN, "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "SSE41")
    recorded = environment(onednn="0", variables={"ONEDNN_MAX_CPU_ISA": "AVX2"})
    with recorded_flags(recorded) as overridden:
        assert (os.environ[ONEDNN], os.environ["ONEDNN_MAX_CPU_ISA"]) == ("0", "AVX2")
        assert "OMP_NUM_THREADS" not in os.environ
    assert overridden == {ONEDNN: "1", "OMP_NUM_THREADS": "7", "ONEDNN_MAX_CPU_ISA": "SSE41"}
    with recorded_flags(environment()):
        assert ONEDNN not in os.environ
    assert {name: os.environ[name] for name in overridden} == overridden


@pytest.mark.usefixtures("no_tensorflow")
def test_what_tensorflow_has_read_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that imported it inside the block goes on with that, and says so of its runs."""
    monkeypatch.setenv(ONEDNN, "1")
    with recorded_flags(environment(onednn="0")):
        monkeypatch.setitem(sys.modules, "tensorflow", ModuleType("tensorflow"))
    assert set_flags()[ONEDNN] == "0"
    with recorded_flags(environment(onednn="0")):
        assert os.environ[ONEDNN] == "0"
    with pytest.raises(ConfigError, match="process of its own"), recorded_flags(environment()):
        pytest.fail("it runs with other kernels")


@pytest.mark.parametrize(
    "name",
    [
        *("TF_XLA_FLAGS", "XLA_FLAGS", "TF_CUDNN_DETERMINISTIC", "TF_SET_ONEDNN_FPMATH_MODE"),
        *("CUBLAS_WORKSPACE_CONFIG", "MKL_NUM_THREADS", "TF_USE_CUBLASLT"),
    ],
)
@pytest.mark.usefixtures("no_tensorflow")
def test_a_variable_of_the_users_is_overridden(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the record says that it was not set; a record that knows nothing of it lets it be."""
    monkeypatch.setenv(name, "--fast")
    with recorded_flags(environment()) as overridden:
        assert name not in os.environ
    assert overridden == {name: "--fast"}
    with recorded_flags(environment(watching=1)) as overridden:
        assert os.environ[name] == "--fast"
    assert overridden == {}
    with recorded_flags(environment(variables={name: "--fast=2"})):
        assert os.environ[name] == "--fast=2"


@pytest.mark.usefixtures("no_tensorflow")
def test_a_record_sets_no_other_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may come from anywhere: no other names, and no places of another machine."""
    flags = "--xla_gpu_cuda_data_dir=/tmp/theirs"
    others = {"LD_PRELOAD": "theirs.so", "OMP_TOOL_LIBRARIES": "theirs.so"}
    recorded = environment(variables={**others, "XLA_FLAGS": flags})
    with recorded_flags(recorded):
        assert not {*others, "XLA_FLAGS"} & os.environ.keys()
    for trap in ("theirs", "--xla_gpu_cuda_data_dir=theirs", "--a=1 theirs", "--xla_dump_to=x"):
        with recorded_flags(environment(variables={"XLA_FLAGS": trap, "TF_XLA_FLAGS": trap})):
            assert not {"XLA_FLAGS", "TF_XLA_FLAGS"} & os.environ.keys()
    monkeypatch.setenv("XLA_FLAGS", flags)
    with recorded_flags(recorded) as overridden:
        assert (os.environ["XLA_FLAGS"], overridden) == (flags, {})


@pytest.fixture
def no_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has not imported TensorFlow, and no variables of its own."""
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    for name in set_flags():
        monkeypatch.delenv(name)


def test_other_networks_need_no_trust() -> None:
    """What this package builds is no foreign code."""
    with importable_source(record(), trust=False) as laid:
        assert not laid


def test_foreign_code_needs_to_be_trusted(own_path: Path) -> None:
    """Nothing is laid where it could be imported before the user has said so."""
    with (
        pytest.raises(
            ConfigError, match="importing it executes its code.\nRead it first .* pass trust=True"
        ),
        importable_source(custom(), trust=False),
    ):
        pytest.fail("it was let in")
    assert not list(own_path.iterdir())


def test_the_same_file_here_is_taken(own_path: Path) -> None:
    """With the files around it, on which it may depend."""
    (own_path / SOURCE.path).write_bytes(SOURCE.content)
    with importable_source(custom(), trust=True) as laid:
        assert not laid


@pytest.mark.parametrize("content", [None, b"def build(): changed\n"], ids=["absent", "changed"])
def test_the_recorded_file_is_laid_before_others(own_path: Path, content: bytes | None) -> None:
    """What was trained is imported, wherever the author's file is now."""
    if content:
        (own_path / SOURCE.path).write_bytes(content)
    with importable_source(custom(), trust=True) as laid:
        assert laid
        assert Source.find("own_net_to_restore:build") == SOURCE


PACKAGE = Source(
    path="own_net_to_restore/nets.py",
    content=b"from .blocks import ACT\n",
    imports=(
        SourceFile(path="own_net_to_restore/__init__.py", content=b""),
        SourceFile(path="own_net_to_restore/blocks.py", content=b"ACT = 'relu'\n"),
    ),
)
SEVERAL = Source(
    path="own_net_to_restore.py",
    content=b"from own_blocks_to_restore import ACT\n",
    imports=(SourceFile(path="own_blocks_to_restore.py", content=b"ACT = 'relu'\n"),),
)


@pytest.mark.parametrize("change", ["absent", "changed", "same"])
@pytest.mark.parametrize(
    ("source", "function"),
    [
        pytest.param(SEVERAL, "own_net_to_restore:ACT", id="modules"),
        pytest.param(PACKAGE, "own_net_to_restore.nets:ACT", id="package"),
    ],
)
def test_all_recorded_files_are_laid_before_others(
    own_path: Path, source: Source, function: str, change: str
) -> None:
    """What it imports is restored with it, a package as well; what is here stays as it is."""
    here = () if change == "absent" else source.files
    for each in here:
        (own_path / each.path).parent.mkdir(exist_ok=True)
        (own_path / each.path).write_bytes(each.content)
    edited = own_path / source.imports[-1].path
    if change == "changed":
        edited.write_text("ACT = 'tanh'\n")
    made = custom(source, function)
    before = list(sys.path)
    with importable_source(made, trust=True) as laid, imports.fresh_modules(Source.find(function)):
        assert laid == (change != "same")
        assert import_module(function.partition(":")[0]).ACT == "relu"
        assert not_recorded(made) == ()
    assert sys.path == before
    assert (Source.find(function) == source) == (change == "same")


def test_what_an_earlier_version_did_not_store_is_named(own_path: Path) -> None:
    """The file of the function alone was stored; what it imports is taken as it is here."""
    for each in SEVERAL.files:
        (own_path / each.path).write_bytes(each.content)
    made = custom(replace(SEVERAL, imports=()))
    with importable_source(made, trust=True) as laid:
        assert not laid
        assert not_recorded(made) == ("own_blocks_to_restore.py",)
    assert not_recorded(custom(SEVERAL)) == ()


def test_a_changed_module_of_a_package_is_refused(own_path: Path) -> None:
    """A package comes as a whole: one file of it cannot be laid over the one that is there."""
    (own_path / "own_package").mkdir()
    (own_path / "own_package" / "__init__.py").touch()
    (own_path / "own_package" / "nets.py").write_text("changed\n")
    made = custom(Source(path="own_package/nets.py", content=b"recorded"), "own_package.nets:build")
    with (
        pytest.raises(RecordError, match="here is not the one that was trained"),
        importable_source(made, trust=True),
    ):
        pytest.fail("another file was let in")


def test_a_file_that_was_not_stored_was_checked_before(own_path: Path) -> None:
    """Then the one here is the one that was trained."""
    with importable_source(custom(source=None), trust=True) as laid:
        assert not laid
