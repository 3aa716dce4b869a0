"""From the configuration to absolute addresses."""

from pathlib import Path

import pytest

from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.errors import StoreError
from cnn_sweeps.tracking.address import overrides, resolve


def test_default_is_sqlite_in_the_folder(in_tmp: Path) -> None:
    """Without a URI, database and artifacts are in `tracking.dir`, as absolute addresses."""
    address = resolve(Tracking(), {})
    assert address.uri == f"sqlite:///{in_tmp}/mlruns/mlflow.db"
    assert address.database == in_tmp / "mlruns" / "mlflow.db"
    assert address.artifacts == f"file://{in_tmp}/mlruns/artifacts"


def test_resolving_writes_nothing(in_tmp: Path) -> None:
    """Finding out where the store would be leaves the disk as it was."""
    resolve(Tracking(), {})
    assert list(in_tmp.iterdir()) == []


def test_variable_is_used_when_no_uri_is_given() -> None:
    """MLFLOW_TRACKING_URI counts where the configuration says nothing."""
    address = resolve(Tracking(), {"MLFLOW_TRACKING_URI": "http://localhost:5000"})
    assert (address.uri, address.artifacts) == ("http://localhost:5000", None)


def test_what_is_typed_leads_to_the_same_experiment_in_any_shell(
    monkeypatch: pytest.MonkeyPatch, in_tmp: Path
) -> None:
    """It is named as soon as either shell might mean another one."""
    here = resolve(Tracking())
    assert overrides(here, "cnn_sweeps") == []
    assert overrides(here, "course") == ["tracking.experiment=course"]
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "course")
    assert overrides(here, "course") == ["tracking.experiment=course"]
    assert overrides(here, "cnn_sweeps") == ["tracking.experiment=cnn_sweeps"]


def test_uri_wins_over_the_variable(tmp_path: Path) -> None:
    """What is configured goes before the environment."""
    uri = f"sqlite:///{tmp_path}/mine.db"
    address = resolve(Tracking(uri=uri), {"MLFLOW_TRACKING_URI": "http://localhost:5000"})
    assert address.uri == uri


def test_empty_variable_counts_as_unset(in_tmp: Path) -> None:
    """An empty MLFLOW_TRACKING_URI is no URI."""
    address = resolve(Tracking(), {"MLFLOW_TRACKING_URI": ""})
    assert address.database == in_tmp / "mlruns" / "mlflow.db"


def test_relative_sqlite_becomes_absolute(in_tmp: Path) -> None:
    """A relative file is taken from the working directory, its options stay."""
    address = resolve(Tracking(uri="sqlite:///x/runs.db?timeout=5"), {})
    assert address.uri == f"sqlite:///{in_tmp}/x/runs.db?timeout=5"
    assert address.database == in_tmp / "x" / "runs.db"


@pytest.mark.parametrize(
    "typed",
    [Tracking(dir=Path("../runs")), Tracking(uri="sqlite:///../runs/mlflow.db")],
    ids=["dir", "uri"],
)
def test_a_folder_above_is_named_without_the_one_that_it_was_typed_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, typed: Tracking
) -> None:
    """That one may be gone when the address is used."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert resolve(typed, {}).database == tmp_path / "runs" / "mlflow.db"


def test_a_folder_above_that_a_link_leads_to_is_found_through_the_link(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As the system finds it; the link itself keeps its name elsewhere."""
    (tmp_path / "large" / "disk").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "large" / "disk")
    monkeypatch.chdir(tmp_path)
    assert resolve(Tracking(dir=Path("link/../runs")), {}).dir == tmp_path / "link" / ".." / "runs"
    assert resolve(Tracking(dir=Path("large/../link/runs")), {}).dir == tmp_path / "link" / "runs"


def test_home_is_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`~` in the folder is the user's home."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve(Tracking(dir=Path("~/runs")), {}).dir == tmp_path / "runs"


@pytest.mark.parametrize("folder", ["/data/50%", "/data/really?"])
def test_folder_that_no_uri_can_name(folder: str) -> None:
    """A folder that MLflow would take for another one is refused before anything is made."""
    with pytest.raises(StoreError, match="has % or [?] in it: /data/.*/mlflow.db"):
        resolve(Tracking(dir=Path(folder)), {})


def test_database_server_keeps_artifacts_in_the_folder(in_tmp: Path) -> None:
    """A database holds no files, so they go where a local store's would."""
    address = resolve(Tracking(uri="postgresql://ann:secret@db/runs"), {})
    assert address.artifacts == f"file://{in_tmp}/mlruns/artifacts"


def test_message_hides_the_password() -> None:
    """The address as shown to a person has no password in it."""
    address = resolve(Tracking(uri="postgresql+psycopg2://ann:secret@db/runs"), {})
    assert str(address) == "postgresql+psycopg2://ann:***@db/runs"


@pytest.mark.parametrize(
    ("uri", "remedy"),
    [
        pytest.param("mlruns", "Type tracking.dir=FOLDER", id="folder"),
        pytest.param("file:///data/mlruns", "Type tracking.dir=FOLDER", id="file"),
        pytest.param("ftp://host/x", "known are sqlite://, postgresql://", id="scheme"),
        pytest.param("sqlite://", "tracking.uri=sqlite:///FILE.db", id="sqlite-no-file"),
        pytest.param("sqlite:///~/x.db", "called ~ .*\n.*=sqlite:////.*/x.db", id="sqlite-home"),
        pytest.param(
            "sqlite:///file:/a/x.db?mode=ro&uri=true",
            "called file: .*\n.*=sqlite:////a/x.db",
            id="file",
        ),
        pytest.param("sqlite:///:memory:", "nothing would be stored", id="sqlite-memory"),
        pytest.param("sqlite:////data/a%20b/x.db", "Choose another folder", id="sqlite-percent"),
    ],
)
def test_unusable_uri_is_refused(uri: str, remedy: str) -> None:
    """A URI that cannot hold runs is refused with what to type instead."""
    with pytest.raises(StoreError, match=remedy):
        resolve(Tracking(uri=uri), {})


@pytest.mark.parametrize("name", ["runs.db", "sub/runs.db", "./runs.db"])
def test_a_variable_that_depends_on_the_folder_is_typed_in_full(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Pasted in another folder, a relative address would name another database."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{name}")
    typed = overrides(resolve(Tracking()), Tracking().experiment)
    assert typed == [
        f"tracking.uri=sqlite:///{in_tmp / name}",
        f"tracking.dir={in_tmp / 'mlruns'}",
    ]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{in_tmp / name}")
    assert overrides(resolve(Tracking()), Tracking().experiment) == []


def test_a_folder_whose_name_is_no_text_is_refused(tmp_path: Path) -> None:
    """SQLite could not be told it; `~/Bücher` of another time, in Latin-1."""
    folder = tmp_path / "B\udcfccher"
    with pytest.raises(StoreError, match=r"B\\udcfccher.* no text in UTF-8"):
        resolve(Tracking(dir=folder), {})
