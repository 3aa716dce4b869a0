"""Cores that a process may use, of those that it sees."""

from pathlib import Path

import pytest

from cnn_sweeps.config.schema import TrainerConfig
from cnn_sweeps.data import control_groups
from cnn_sweeps.data import cores as module
from cnn_sweeps.data.cores import cores, cpu_share
from cnn_sweeps.provenance.environment import Environment
from cnn_sweeps.training import backend


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with 64 cores, and limits to be written below the folder."""
    monkeypatch.setattr(module, "visible_cores", lambda: 64)
    monkeypatch.setattr(backend, "visible_cores", lambda: 64)
    monkeypatch.setattr(control_groups, "TREE", tmp_path)
    monkeypatch.setattr(control_groups, "GROUPS", tmp_path / "groups")
    return tmp_path


@pytest.mark.parametrize(
    ("groups", "files", "here"),
    [
        pytest.param("0::/", {"cpu.max": "400000 100000"}, 4, id="container"),
        pytest.param("0::/pods/one", {"pods/cpu.max": "250000 100000"}, 3, id="group-around"),
        pytest.param("0::/", {"cpu.max": "50000 100000"}, 1, id="half-a-core"),
        pytest.param("0::/", {"cpu.max": "max 100000"}, 64, id="no-limit"),
        pytest.param("0::/", {"cpu.max": "9900000 100000"}, 64, id="more-than-there-are"),
        pytest.param(
            "5:cpu,cpuacct:/job\n4:memory:/",
            {"cpu/job/cpu.cfs_quota_us": "200000", "cpu/job/cpu.cfs_period_us": "100000"},
            2,
            id="version-1",
        ),
        pytest.param(
            "5:cpu,cpuacct:/",
            {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"},
            64,
            id="version-1-no-limit",
        ),
        pytest.param("0::/", {"cpu.max": ""}, 64, id="nothing-told"),
        pytest.param("", {}, 64, id="no-groups"),
    ],
)
def test_a_quota_of_time_limits_the_cores(
    tree: Path, groups: str, files: dict[str, str], here: int
) -> None:
    """Whoever works with more is stopped in each period; TensorFlow is told, and it is recorded."""
    (tree / "groups").write_text(groups)
    for name, content in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(content)
    assert cores() == here
    assert backend._wanted(TrainerConfig()).threads == (0 if here == 64 else here)
    assert backend._wanted(TrainerConfig(threads=8)).threads == 8
    taken = Environment.capture(threads=0, deterministic=True)
    assert (taken.cpu_count, taken.threads) == (here, 0)


def test_the_least_of_several_quotas_counts(tree: Path) -> None:
    """As Kubernetes sets them for a pod and its containers."""
    (tree / "groups").write_text("0::/pod/container")
    (tree / "pod" / "container").mkdir(parents=True)
    (tree / "pod" / "cpu.max").write_text("150000 100000")
    (tree / "pod" / "container" / "cpu.max").write_text("800000 100000")
    assert (cpu_share(), cores()) == (1.5, 2)
