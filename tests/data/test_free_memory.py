"""Memory that is free, of the machine and of the groups that a process is in."""

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from cnn_sweeps.data import control_groups, free_memory
from cnn_sweeps.data.files import check_memory
from cnn_sweeps.errors import DataError

MACHINE = 8_000_000_000
SECOND = {"memory.max": "450000000", "memory.current": "400000000"}
FIRST = {"memory.limit_in_bytes": "450000000", "memory.usage_in_bytes": "400000000"}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with 8 GB, and limits to be written below the folder."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=MACHINE))
    monkeypatch.setattr(control_groups, "TREE", tmp_path)
    monkeypatch.setattr(control_groups, "GROUPS", tmp_path / "groups")
    return tmp_path


@pytest.mark.parametrize(
    ("groups", "folder", "files", "left"),
    [
        pytest.param("0::/", ".", SECOND, 50_000_000, id="container"),
        pytest.param("0::/user/job", "user/job", SECOND, 50_000_000, id="job"),
        pytest.param("0::/user/job", "user", SECOND, 50_000_000, id="group-around"),
        pytest.param("0::/host/only", ".", SECOND, 50_000_000, id="seen-from-inside"),
        pytest.param("4:memory:/job\n1:cpu:/", "memory/job", FIRST, 50_000_000, id="version-1"),
        pytest.param("4:memory:/host", "memory", FIRST, 50_000_000, id="version-1-inside"),
        pytest.param(
            "0::/",
            ".",
            {**SECOND, "memory.stat": "anon 1\ninactive_file 100000000\nactive_file 5"},
            150_000_005,
            id="cached-files",
        ),
        pytest.param("0::/", ".", {**SECOND, "memory.max": "max"}, MACHINE, id="no-limit"),
        pytest.param("0::/", ".", {**SECOND, "memory.max": "1"}, 0, id="above-the-limit"),
        pytest.param("", ".", {}, MACHINE, id="no-groups"),
    ],
)
def test_the_least_of_all_limits_counts(
    tree: Path, groups: str, folder: str, files: dict[str, str], left: int
) -> None:
    """Wherever it stands; what is only cached may be taken."""
    (tree / "groups").write_text(groups)
    (tree / folder).mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (tree / folder / name).write_text(content)
    assert free_memory.free_bytes() == left


@pytest.mark.parametrize(
    ("groups", "file", "content", "kills"),
    [
        pytest.param("0::/job", "job/memory.events", "oom 9\noom_kill 2", 2, id="version-2"),
        pytest.param(
            "4:memory:/job",
            "memory/job/memory.oom_control",
            "oom_kill_disable 0\nunder_oom 0\noom_kill 3",
            3,
            id="version-1",
        ),
        pytest.param("0::/", "vmstat", "nr_free_pages 8\noom_kill 4", 4, id="machine"),
        pytest.param("", "nothing", "", 0, id="unknown"),
    ],
)
def test_what_the_system_has_killed_is_counted(
    tree: Path,
    monkeypatch: pytest.MonkeyPatch,
    groups: str,
    file: str,
    content: str,
    kills: int,
) -> None:
    """In the group of this process, or on the machine where no group counts."""
    monkeypatch.setattr(free_memory, "MACHINE_KILLS", tree / "vmstat")
    (tree / "groups").write_text(groups)
    (tree / file).parent.mkdir(parents=True, exist_ok=True)
    (tree / file).write_text(content)
    assert free_memory.kills() == kills


def test_data_that_does_not_fit_a_container_is_refused(tree: Path) -> None:
    """The machine around it has room enough."""
    (tree / "groups").write_text("0::/")
    for name, content in SECOND.items():
        (tree / name).write_text(content)
    check_memory(49_000_000, "a.npz")
    with pytest.raises(DataError, match=r"needs 0\.2 GB of memory, and 0\.1 GB are free"):
        check_memory(200_000_000, "a.npz")


def test_a_system_that_cannot_have_memory_back_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only glibc has a function for it."""
    free_memory.give_back()
    for library in (object(), OSError()):

        def loaded(_: object, found: object = library) -> object:
            if isinstance(found, OSError):
                raise found
            return found

        monkeypatch.setattr("ctypes.CDLL", loaded)
        free_memory.give_back()
