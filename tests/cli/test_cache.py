"""`cnn-sweeps cache`: what is listed, checked and deleted, and what is said of it."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damage import damage
from PIL import Image
from plans import epoch

from cnn_sweeps.cli import cache, output
from cnn_sweeps.config.schema import FolderData, Tracking, Trajectory
from cnn_sweeps.data import folder_cache, load
from cnn_sweeps.data.manifest import Manifest
from cnn_sweeps.errors import ConfigError, StoreError, UnknownHashError
from cnn_sweeps.text.terminal import Output
from cnn_sweeps.tracking import Store
from cnn_sweeps.training.feature_cache import FeatureCache
from cnn_sweeps.trajectories.cache import TrajectoryStore
from cnn_sweeps.trajectories.lock import Lock

FIRST, SECOND = "abcd" + "1" * 60, "abcd" + "2" * 60
HERE, THERE = "5" * 64, "6" * 64
NOON = 1_764_072_000.0  # 2025-11-25 12:00 UTC

pytestmark = pytest.mark.usefixtures("in_tmp")


@pytest.fixture(autouse=True)
def defaults(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default settings without Hydra's help, unless a test asks for Hydra; no images yet."""
    monkeypatch.setenv(folder_cache.VARIABLE, "images")
    if "hydra_restore_singletons" not in request.fixturenames:
        monkeypatch.setattr(cache, "compose_trajectories", lambda _: (Tracking(), Trajectory()))


@pytest.fixture
def kept() -> TrajectoryStore:
    """Two trajectories, one of them in two environments."""
    store = TrajectoryStore.under(Path("mlruns"))
    for trajectory, environment, epochs in ((FIRST, HERE, 3), (SECOND, HERE, 1), (FIRST, THERE, 2)):
        entry = store.entry(trajectory, environment)
        entry.describe({"title": "cnn 4x1", "data": "digits"})
        for number in range(1, epochs + 1):
            state = {"model/0": np.zeros(100_000), "optimizer/0": np.zeros(1)}
            entry.put(epoch(number), state, run_id="run")
        moment = NOON + 60 * len(store.entries())
        os.utime(entry.folder / "history.json", (moment, moment))
    return store


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """The lines that a command prints when it ends well."""
    assert cache.main(list(arguments)) == 0
    return capsys.readouterr().out.splitlines()


def denied_to(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let nobody read a folder, not even who may read all."""
    scandir = os.scandir

    def denied(path: Any) -> Any:
        if Path(path) == folder.absolute():
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)


@pytest.mark.parametrize("action", ["list", "verify", "clear"])
@pytest.mark.parametrize("shared", [False, True])
def test_a_folder_that_cannot_be_read_is_not_called_empty(
    kept: TrajectoryStore,
    monkeypatch: pytest.MonkeyPatch,
    action: str,
    shared: bool,
) -> None:
    """Nobody knows what is in it."""
    place = Path("all") if shared else kept.folder
    place.mkdir(exist_ok=True)
    if shared:
        asked = Tracking(), Trajectory(store=place)
        monkeypatch.setattr(cache, "compose_trajectories", lambda _: asked)
    denied_to(monkeypatch, place)
    where = f"{'trajectory.store' if shared else 'tracking.dir'}=FOLDER"
    with pytest.raises(StoreError, match=f"{place} cannot be used: permission .*with {where}"):
        cache.main([action])


def test_a_folder_in_it_that_cannot_be_read_is_told(
    kept: TrajectoryStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What remains is listed; that all files are intact cannot be said."""
    inner = kept.entry(FIRST, HERE).folder
    denied_to(monkeypatch, inner)
    assert cache.main([]) == 0
    shown = capsys.readouterr()
    assert f"left out, since it cannot be read: {inner.absolute()} (1 folder in all)" in shown.err
    assert SECOND[:12] in shown.out
    with pytest.raises(StoreError, match=f"{inner} cannot be used: permission denied"):
        cache.main(["verify"])


@pytest.mark.parametrize("arguments", [[], ["list"]], ids=["by default", "list"])
def test_a_row_for_each_and_how_much_there_is(
    kept: TrajectoryStore, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """Plain columns where no terminal is, the first to go at the top, and the sum below."""
    head, *rows, total = said(capsys, *arguments)
    assert head.split("  ")[0] == "trajectory"
    assert [" ".join(row.split()) for row in rows] == [
        "abcd11111111 cnn 4x1 digits 3 2.4 2025-11-25 12:01 555555555555",
        "abcd22222222 cnn 4x1 digits 1 0.8 2025-11-25 12:02 555555555555",
        "abcd11111111 cnn 4x1 digits 2 1.6 2025-11-25 12:03 666666666666",
    ]
    assert total == "3 trajectories, 6 epochs; 4.8 MB of 5 GB (trajectory.max_gb)"


def test_own_images_are_named(kept: TrajectoryStore, capsys: pytest.CaptureFixture[str]) -> None:
    """By their folder, where the run that was trained on them is there."""
    with Store.open(Tracking()).start_run("r", tags={}) as run:
        run.log_params({"data.path": "/srv/own photos"})
    for name, run_id in ((FIRST, run.run_id), (SECOND, "0" * 32)):
        entry = kept.entry(name, "7" * 64)
        entry.describe({"title": "cnn 4x1", "data": "image_folder"})
        entry.put(epoch(1), {"model/0": np.zeros(1), "optimizer/0": np.zeros(1)}, run_id=run_id)
    shown = "\n".join(" ".join(line.split()) for line in said(capsys))
    assert "cnn 4x1 image_folder own photos 1 " in shown
    assert "cnn 4x1 image_folder 1 " in shown
    rows = json.loads("".join(said(capsys, "--json")))["entries"]
    assert [row["data_path"] for row in rows if "data_path" in row] == ["/srv/own photos"]
    (kept.folder.parent / "mlflow.db").write_bytes(b"no database")
    assert "image_folder" in "".join(said(capsys))


@pytest.fixture
def frozen(kept: TrajectoryStore) -> str:
    """The digest of what two trajectories share, of 4 MB."""
    for name in (FIRST, SECOND):
        entry, state = (
            kept.entry(name, HERE),
            {"model/0": np.zeros(9), "model/1": np.zeros(500_000)},
        )
        entry.put(epoch(len(entry.history()) + 1), state, run_id="run", unchanged=["model/1"])
    (digest,) = kept.frozen.sizes
    return digest


def test_frozen_weights_are_counted_once(frozen: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The rows have what is their own, the sum has all."""
    *rows, total, shared = said(capsys)
    assert shared == "frozen weights, stored once for all that share them: 4.0 MB"
    assert total == "3 trajectories, 8 epochs; 8.8 MB of 5 GB (trajectory.max_gb)"
    assert sum(float(row.split()[-4]) for row in rows[1:]) == pytest.approx(4.8)
    told = json.loads("".join(said(capsys, "--json")))
    assert [each["sha256"] for each in told["frozen"]] == [frozen]


def test_damaged_frozen_weights_are_found(
    kept: TrajectoryStore, frozen: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With each trajectory that has them."""
    damage(kept.frozen.path(frozen))
    assert cache.main(["verify"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [f"frozen/{frozen}.npz is damaged" in line for line in lines] == [True, True, False]


def test_frozen_weights_go_with_the_last_that_has_them(
    kept: TrajectoryStore, frozen: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And what that frees is said."""
    said(capsys, "clear", "abcd1")
    assert kept.frozen.sizes.keys() == {frozen}
    assert said(capsys, "clear") == ["1 trajectory deleted, 4.8 MB freed."]
    assert kept.frozen.sizes == {}


def test_a_terminal_gets_a_table_with_lines(
    kept: TrajectoryStore, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As other commands show theirs."""
    monkeypatch.setattr(output, "console", lambda: Output(force_terminal=True, width=120))
    assert "┃" in said(capsys)[1]


def test_one_trajectory_can_be_asked_for(
    kept: TrajectoryStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """With all its environments."""
    assert len(said(capsys, "list", "abcd1")) == 4
    assert "1 epoch;" in said(capsys, "list", "ABCD2")[-1]


@pytest.mark.usefixtures("hydra_restore_singletons")
def test_another_folder_and_another_size_can_be_asked_about(
    kept: TrajectoryStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """As for a run."""
    Path("mlruns").rename("elsewhere")
    lines = said(capsys, "tracking.dir=elsewhere", "trajectory.max_gb=0.5")
    assert lines[-1].endswith("of 0.5 GB (trajectory.max_gb)")


@pytest.mark.parametrize("action", ["list", "verify", "clear"])
def test_nothing_there_is_said(capsys: pytest.CaptureFixture[str], action: str) -> None:
    """That is no error, and makes no folder."""
    place = Path("mlruns/trajectories").absolute()
    assert said(capsys, action) == [f"the cache in {place} is empty."]
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(
            ["lst"], r"^unexpected arguments: lst\n  Type cnn-sweeps cache \[list", id="word"
        ),
        pytest.param(
            ["clear", "abcd1", "abcd2"], r"unexpected arguments: clear abcd1 abcd2", id="two hashes"
        ),
        pytest.param(["abcd1"], r"unexpected arguments: abcd1", id="no action"),
    ],
)
def test_what_is_not_possible_is_refused(
    kept: TrajectoryStore, arguments: list[str], message: str
) -> None:
    """In a line that says what is; nothing is deleted."""
    with pytest.raises(ConfigError, match=message):
        cache.main(arguments)
    assert len(kept.entries()) == 3


@pytest.mark.usefixtures("hydra_restore_singletons")
def test_only_where_to_look_can_be_set() -> None:
    """An experiment is not what this is about."""
    with pytest.raises(ConfigError, match=r"only tracking\.KEY=VALUE or trajectory\.KEY=VALUE is"):
        cache.main(["model=dnn"])


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        pytest.param("ffff", r"no trajectory hash begins with ffff, in .*mlruns", id="unknown"),
        pytest.param(
            "abcd", r"matches 2 trajectory hashes; type more digits:\n  abcd1", id="several"
        ),
        pytest.param("abc", r"'abc' is not a trajectory hash: type 4 to 64", id="too short"),
    ],
)
@pytest.mark.parametrize("action", ["list", "verify", "clear"])
def test_a_hash_of_nothing_is_refused(
    kept: TrajectoryStore, action: str, prefix: str, message: str
) -> None:
    """Least of all is everything deleted instead."""
    with pytest.raises(UnknownHashError, match=message):
        cache.main([action, prefix])
    assert len(kept.entries()) == 3


def test_what_is_whole_is_said_to_be(
    kept: TrajectoryStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every file was read for it."""
    assert said(capsys, "verify") == ["3 trajectories checked: all files are intact."]


def test_what_is_damaged_is_reported_and_set_aside(
    kept: TrajectoryStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """With exit code 1, for scripts."""
    folder = kept.entry(FIRST, HERE).folder
    damage(folder / "weights" / "0002.npz")
    (folder / "optimizer" / "0003.npz").unlink()
    assert cache.main(["verify"]) == 1
    missing, damaged, sum_of_it = capsys.readouterr().out.splitlines()
    assert missing == "abcd11111111 555555555555  optimizer/0003.npz is missing"
    assert damaged == "abcd11111111 555555555555  weights/0002.npz is damaged"
    assert sum_of_it.startswith("3 trajectories checked: damaged files are quarantined, and their")
    assert (folder / "weights" / "0002.npz.damaged").exists()
    assert cache.main(["verify", "abcd2"]) == 0


def test_clearing_deletes_and_says_how_much(
    kept: TrajectoryStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """All, or one trajectory in all its environments."""
    assert said(capsys, "clear", "abcd1") == ["2 trajectories deleted, 4.0 MB freed."]
    assert [entry.trajectory_hash for entry in kept.entries()] == [SECOND]
    assert said(capsys, "clear") == ["1 trajectory deleted, 0.8 MB freed."]
    assert kept.entries() == []


def test_what_is_in_use_stays(kept: TrajectoryStore, capsys: pytest.CaptureFixture[str]) -> None:
    """And is said to."""
    with Lock(kept.entry(SECOND, HERE).folder) as lock:
        assert lock.acquire()
        deleted, stays = said(capsys, "clear")
    assert deleted == "2 trajectories deleted, 4.0 MB freed."
    assert stays == "abcd22222222 not deleted: in use, or not writable."
    assert [entry.trajectory_hash for entry in kept.entries()] == [SECOND]


def answer(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    """What a command answers to a program."""
    assert cache.main([*arguments, "--json"]) == code
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert told.pop("folder") == str(Path("mlruns/trajectories").absolute())
    return told


def test_a_program_is_told_the_same(
    kept: TrajectoryStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """All digits, bytes, and a time with its zone."""
    told = answer(capsys)
    assert told["max_gb"] == 5.0
    assert told["bytes"] == kept.size
    second = kept.entry(SECOND, HERE)
    assert told["entries"][1] == {
        "trajectory_hash": SECOND,
        "environment": "5" * 12,
        "title": "cnn 4x1",
        "data": "digits",
        "epochs": 1,
        "bytes": second.size,
        "last_used": "2025-11-25T12:02:00+00:00",
    }
    assert answer(capsys, "verify") == {"checked": 3, "faults": []}
    damage(second.folder / "weights" / "0001.npz")
    (fault,) = answer(capsys, "verify", code=1)["faults"]
    assert (fault["trajectory_hash"], fault["fault"]) == (SECOND, "damaged")
    with Lock(second.folder) as lock:
        assert lock.acquire()
        told = answer(capsys, "clear")
    assert [entry["trajectory_hash"] for entry in told["deleted"]] == [FIRST, FIRST]
    assert [entry["trajectory_hash"] for entry in told["stay"]] == [SECOND]
    assert told["freed_bytes"] > 4_000_000


def test_nothing_there_is_nothing_for_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    """An empty list, no message."""
    assert answer(capsys) == {"max_gb": 5.0, "bytes": 0, "entries": []}
    assert answer(capsys, "clear") == {"freed_bytes": 0, "deleted": [], "stay": []}


def test_an_entry_that_nobody_described_is_listed(
    kept: TrajectoryStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its title is nobody's to guess; what looks like markup is none."""
    (kept.entry(SECOND, HERE).folder / "about.json").unlink()
    strange = json.dumps({"title": "[bold]x", "data": 7})
    (kept.entry(FIRST, HERE).folder / "about.json").write_text(strange)
    _head, first, second, *_ = said(capsys)
    assert second.split()[:4] == ["abcd22222222", "-", "-", "1"]
    assert first.split()[1:3] == ["[bold]x", "7"]


@pytest.fixture
def images(in_tmp: Path) -> Path:
    """Twelve photographs, decoded into the default cache."""
    for number in range(12):
        file = in_tmp / "pets" / "ab"[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (200, number, 0)).save(file)
    load(FolderData(path=in_tmp / "pets"))
    return in_tmp / "images"


def test_decoded_images_are_listed_with_their_size(
    images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where no epoch is cached, and in another folder when that is named."""
    empty, _, _, row, total = said(capsys)
    assert empty.endswith("is empty.")
    assert " 12 " in row
    assert "28x28x3" in row
    assert str(images.parent / "pets") in row
    assert total.startswith("decoded images in images/decoded; 0.0 MB")
    (listed,) = json.loads("\n".join(said(capsys, "--json")))["images"]
    assert (listed["shape"], listed["resize"]) == ([12, 28, 28, 3], "stretch")
    assert len(said(capsys, "data.cache=elsewhere")) == 1


def test_verify_reads_images_and_files_again(
    images: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is damaged is deleted; files whose size and time have not changed are named."""
    assert "0 damaged" in said(capsys, "verify")[-1]
    (file,) = images.glob("decoded/*/images.npy")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    monkeypatch.setattr(Manifest, "changed", lambda _: iter(["pets/a/0.png"]))
    assert cache.main(["verify"]) == 1
    out = capsys.readouterr().out
    assert "1 damaged and deleted" in out
    assert "pets/a/0.png has changed, while its size and time have not" in out
    assert not list(images.glob("decoded/*/images.npy"))
    assert not list(images.glob("manifests/*.npz"))


def test_a_file_that_changed_is_named_once_the_images_are_deleted(
    images: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit code is not all that tells of it."""
    said(capsys, "clear")
    monkeypatch.setattr(Manifest, "changed", lambda _: iter(["pets/a/0.png"]))
    assert cache.main(["verify"]) == 1
    assert capsys.readouterr().out.startswith("pets/a/0.png has changed")


def test_clear_deletes_the_images_too(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And says so."""
    assert "1 set of decoded images deleted, 0.0 MB freed." in said(capsys, "clear")
    assert not list(images.glob("decoded/*"))


def test_features_of_backbones_are_listed_checked_and_deleted(
    in_tmp: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside the decoded images, in the same folder."""
    kept = FeatureCache(folder=in_tmp / "images", title="pretrained MobileNetV2 on pets")
    for key in ("one", "two"):
        kept.write(key, [np.zeros((4, 2)), np.zeros((1, 2))])
    assert "2 sets of backbone features in images/features; 0.0 MB (data.cache_gb)" in said(capsys)
    listed = json.loads("\n".join(said(capsys, "--json")))["features"]
    assert [each["title"] for each in listed] == [kept.title] * 2
    (kept.entry("one").folder / "val.npy").write_bytes(b"")
    assert cache.main(["verify"]) == 1
    assert "1 damaged set of backbone features deleted." in capsys.readouterr().out
    assert "1 set of backbone features deleted, 0.0 MB freed." in said(capsys, "clear")
    assert not list(in_tmp.glob("images/features/*"))


def test_what_killed_processes_have_left_is_listed_and_deleted(
    in_tmp: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Images and features that were never whole; `clear HASH` is not about them."""
    for name in ("decoded/k1.part-999999", "features/k2.part-3f2a"):
        left = in_tmp / "images" / name
        left.mkdir(parents=True)
        (left / "train.npy").write_bytes(bytes(10**6))
    assert said(capsys)[-1] == "left in images by killed processes: 2.0 MB"
    assert json.loads("\n".join(said(capsys, "--json")))["leftover_bytes"] == 2 * 10**6
    assert said(capsys, "clear")[-1] == "What killed processes had left deleted, 2.0 MB freed."
    assert not list(in_tmp.glob("images/*/*"))
