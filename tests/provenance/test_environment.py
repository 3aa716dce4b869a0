"""The environment of a run."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from cnn_sweeps.provenance import code as own_checkout
from cnn_sweeps.provenance import environment
from cnn_sweeps.provenance.environment import Environment


def capture() -> Environment:
    """The environment of the test."""
    return Environment.capture(threads=2, deterministic=True)


def git(*arguments: str) -> str:
    """Run git in the working directory."""
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    command = ["git", *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def no_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has not imported TensorFlow or Keras."""
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.delitem(sys.modules, "keras", raising=False)


@pytest.mark.usefixtures("no_tensorflow")
def test_capture_imports_nothing_heavy() -> None:
    """Versions are known without importing the packages."""
    captured = capture()
    assert captured.packages["tensorflow"].count(".") >= 1
    assert captured.packages["cnn-sweeps"]
    assert (captured.devices, captured.precision) == ((), None)
    assert "tensorflow" not in sys.modules


def test_capture_keeps_what_was_asked_for() -> None:
    """Threads and determinism are the run's own settings."""
    captured = Environment.capture(threads=3, deterministic=False)
    assert (captured.threads, captured.deterministic) == (3, False)


def test_devices_of_an_imported_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Devices, thread counts and precision are read where TensorFlow is loaded."""
    gpu = SimpleNamespace(device_type="GPU")
    tf = SimpleNamespace(
        config=SimpleNamespace(
            threading=SimpleNamespace(
                get_intra_op_parallelism_threads=lambda: 1,
                get_inter_op_parallelism_threads=lambda: 4,
            ),
            list_physical_devices=lambda: [SimpleNamespace(device_type="CPU"), gpu],
            experimental=SimpleNamespace(
                get_device_details=lambda _: {"device_name": "A100"},
                tensor_float_32_execution_enabled=lambda: False,
            ),
            optimizer=SimpleNamespace(
                get_jit=lambda: "autoclustering",
                get_experimental_options=lambda: {
                    "disable_model_pruning": False,
                    "layout_optimizer": False,
                },
            ),
            functions_run_eagerly=lambda: False,
        )
    )
    policy = SimpleNamespace(dtype_policy=lambda: SimpleNamespace(name="mixed_bfloat16"))
    monkeypatch.setitem(sys.modules, "tensorflow", tf)
    monkeypatch.setitem(sys.modules, "keras", SimpleNamespace(config=policy))
    captured = capture()
    assert captured.devices == ("CPU", "GPU A100")
    assert (captured.intra_op_threads, captured.inter_op_threads) == (1, 4)
    assert captured.precision == "mixed_bfloat16"
    settings = {name: v for name, v in captured.variables.items() if name.startswith("tf.")}
    assert settings == {
        "tf.config.optimizer.jit": "autoclustering",
        "tf.config.optimizer": "{'layout_optimizer': False}",
        "tf.config.no_tensor_float_32": "True",
    }


@pytest.mark.parametrize(
    ("text", "name", "flags"),
    [
        pytest.param(
            "model name\t: Xeon\nflags\t\t: fpu avx2 fma\n\nmodel name\t: Xeon\n",
            "Xeon",
            ("avx2", "fma"),
            id="x86",
        ),
        pytest.param("Features\t: fp asimd sve\n", None, ("asimd", "sve"), id="arm"),
        pytest.param(None, None, (), id="not-linux"),
    ],
)
def test_processor(
    text: str | None,
    name: str | None,
    flags: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The processor is named, with the instruction sets that choose kernels and no others."""
    if text is not None:
        (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(environment, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(environment.platform, "processor", lambda: "some processor")
    captured = capture()
    assert (captured.cpu, captured.cpu_flags) == (name or "some processor", flags)


def test_cores_without_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a process cannot be bound to cores, all count."""
    monkeypatch.delattr(environment.os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(environment.os, "cpu_count", lambda: 12)
    assert capture().cpu_count == 12


def test_onednn_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oneDNN switch is recorded as set, and as the default where it is not."""
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    assert capture().onednn == "default"
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert capture().onednn == "0"


def test_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An absent package is left out."""
    monkeypatch.setattr(environment, "PACKAGES", ("numpy", "no-such-package"))
    assert list(capture().packages) == ["numpy"]


@pytest.mark.usefixtures("in_tmp")
def test_no_repository(monkeypatch: pytest.MonkeyPatch, in_tmp: Path) -> None:
    """Outside a repository, with the package from a wheel, there is no commit."""
    monkeypatch.setattr(own_checkout, "OWN_CHECKOUT", in_tmp)
    captured = capture()
    assert (captured.git_commit, captured.git_dirty) == (None, None)


def test_commit_of_our_own_checkout(monkeypatch: pytest.MonkeyPatch, in_tmp: Path) -> None:
    """Outside a repository the commit is that of the checkout the package lies in."""
    checkout, elsewhere = in_tmp / "checkout", in_tmp / "elsewhere"
    checkout.mkdir()
    elsewhere.mkdir()
    monkeypatch.chdir(checkout)
    git("init", "-q")
    git("commit", "-qm", "first", "--allow-empty")
    commit = git("rev-parse", "HEAD")
    monkeypatch.chdir(elsewhere)
    monkeypatch.setattr(own_checkout, "OWN_CHECKOUT", checkout)
    assert (capture().git_commit, capture().git_dirty) == (commit, False)


def test_a_checkout_around_a_virtual_environment_is_not_ours(
    monkeypatch: pytest.MonkeyPatch, in_tmp: Path
) -> None:
    """An installed wheel takes no commit from the repository that its .venv lies in."""
    packages = in_tmp / "theirs" / "packages"
    packages.mkdir(parents=True)
    monkeypatch.chdir(in_tmp / "theirs")
    git("init", "-q")
    git("commit", "-qm", "first", "--allow-empty")
    monkeypatch.chdir(in_tmp)
    monkeypatch.setattr(own_checkout, "OWN_CHECKOUT", packages)
    assert capture().git_commit is None


@pytest.mark.usefixtures("in_tmp")
def test_repository_without_commits(monkeypatch: pytest.MonkeyPatch, in_tmp: Path) -> None:
    """A repository in which nothing was committed has no commit."""
    monkeypatch.setattr(own_checkout, "OWN_CHECKOUT", in_tmp)
    git("init", "-q")
    assert capture().git_commit is None


def test_commit_and_changes(in_tmp: Path) -> None:
    """The commit is known, and whether tracked files differ from it; new files do not count."""
    git("init", "-q")
    (in_tmp / "a.py").write_text("1")
    git("add", ".")
    git("commit", "-qm", "first")
    (in_tmp / "untracked.py").write_text("1")
    assert (capture().git_commit, capture().git_dirty) == (git("rev-parse", "HEAD"), False)
    (in_tmp / "a.py").write_text("2")
    assert capture().git_dirty is True


def test_commit_of_a_worker(in_tmp: Path) -> None:
    """What a worker trains is of the commit at its start; after it git is asked again."""
    git("init", "-q")
    git("commit", "-qm", "first", "--allow-empty")
    first = git("rev-parse", "HEAD")
    with own_checkout.commit_asked_once():
        assert capture().git_commit == first
        git("commit", "-qm", "second", "--allow-empty")
        assert capture().git_commit == first
    assert capture().git_commit == git("rev-parse", "HEAD") != first


def test_no_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without git is no obstacle."""
    monkeypatch.setenv("PATH", "")
    assert capture().git_commit is None


def test_round_trip_through_json() -> None:
    """An environment stored as JSON comes back equal."""
    captured = capture()
    assert Environment.from_dict(json.loads(json.dumps(captured.as_dict()))) == captured


def test_difference_names_what_differs() -> None:
    """Only what differs is named, packages one by one, those on one side only too."""
    here = replace(capture(), packages={"keras": "3.15.1", "numpy": "2.4.6"}, threads=1)
    there = replace(here, packages={"keras": "3.16.0", "torch": "2.9"}, threads=2)
    assert here.difference(there) == {
        "threads": (1, 2),
        "packages.keras": ("3.15.1", "3.16.0"),
        "packages.numpy": ("2.4.6", None),
        "packages.torch": (None, "2.9"),
    }


def test_no_difference() -> None:
    """An environment does not differ from itself."""
    assert capture().difference(capture()) == {}


def test_variables_that_choose_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only those that are set are recorded, and each is a difference of its own."""
    for name in environment.set_flags():
        monkeypatch.delenv(name)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    without = capture()
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert capture().variables == {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    assert without.difference_in_numerics(capture()) == {
        "variables.ONEDNN_MAX_CPU_ISA": (None, "AVX2")
    }


@pytest.mark.parametrize(
    "name",
    [
        *("TF_XLA_FLAGS", "XLA_FLAGS", "TF_CUDNN_USE_AUTOTUNE", "CUBLAS_WORKSPACE_CONFIG"),
        *("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "DNNL_DEFAULT_FPMATH_MODE", "OMP_SCHEDULE"),
        *("TF_SET_ONEDNN_FPMATH_MODE", "TF_USE_DETERMINISTIC_SEGMENT_REDUCTIONS"),
        *("TF_DISABLE_SEGMENT_REDUCTION_OP_DETERMINISM_EXCEPTIONS", "MKL_CBWR"),
        "TF_AUTO_MIXED_PRECISION_GRAPH_REWRITE_LEVEL",
        *("GLIBC_TUNABLES", "GOMP_CPU_AFFINITY", "BLIS_NUM_THREADS"),
        *("TF_GPU_THREAD_MODE", "NPY_DISABLE_CPU_FEATURES", "VECLIB_MAXIMUM_THREADS"),
    ],
)
def test_every_variable_that_may_move_bits_is_recorded(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And differs from a record that was made without it, or that did not look at it."""
    without = capture()
    monkeypatch.setenv(name, "2")
    early = replace(without, watching=1)
    assert without.difference_in_numerics(capture()) == {f"variables.{name}": (None, "2")}
    assert early.difference_in_numerics(capture()) == {f"variables.{name}": ("not recorded", "2")}
    assert early.difference_in_numerics(without) == {}


@pytest.mark.parametrize(
    "name",
    [
        *("TF_VAR_db_password", "TF_TOKEN_app_terraform_io", "TF_CPP_MIN_LOG_LEVEL", "TF_CONFIG"),
        *("ONEDNN_VERBOSE", "CUDNN_LOGDEST_DBG", "KMP_INIT_AT_FORK", "CUDA_VISIBLE_DEVICES"),
    ],
)
def test_what_moves_no_bit_is_nobodys_business(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords of other programs least of all."""
    monkeypatch.setenv(name, "secret")
    assert "secret" not in capture().variables.values()


@pytest.mark.parametrize(("name", "empty"), [("variables", {}), ("code", None), ("watching", 1)])
def test_environment_stored_without_what_came_later_is_read(name: str, empty: object) -> None:
    """Early ones did not record everything."""
    stored = {key: value for key, value in capture().as_dict().items() if key != name}
    assert getattr(Environment.from_dict(stored), name) == empty


def test_what_moves_no_bit_is_no_difference_in_bits() -> None:
    """Names, the kernel, the commit and the packages around the computation do not count."""
    here = replace(capture(), platform="Linux-6.1.0-x86_64-with-glibc2.36", python="3.11.7")
    there = replace(
        here,
        hostname="other",
        platform="Linux-5.15.0-91-generic-x86_64-with-glibc2.36",
        python="3.11.9",
        packages={**here.packages, "mlflow": "9.9", "optuna": "9.9"},
        git_commit="c0ffee",
        git_dirty=True,
        code="c0de" * 4,
    )
    assert len(here.difference(there)) > 5
    assert here.difference_in_numerics(there) == {}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        pytest.param({"packages": {"keras": "0.1"}}, "packages.keras", id="package"),
        pytest.param({"python": "3.99.0"}, "python", id="python"),
        pytest.param({"platform": "Linux-6-x86_64-with-musl1.2"}, "system", id="library"),
        pytest.param({"platform": "macOS-14.5-arm64-arm-64bit"}, "system", id="system"),
        pytest.param({"cpu": "another"}, "cpu", id="cpu"),
        pytest.param({"cpu_flags": ("sve",)}, "cpu_flags", id="flags"),
        pytest.param({"devices": ("GPU",)}, "devices", id="devices"),
        pytest.param({"threads": 99}, "threads", id="threads"),
        pytest.param({"deterministic": False}, "deterministic", id="determinism"),
        pytest.param({"onednn": "1"}, "onednn", id="onednn"),
    ],
)
def test_what_may_move_bits_is_named(changes: dict[str, object], name: str) -> None:
    """Each part that takes part in the computation counts."""
    here = capture()
    assert name in here.difference_in_numerics(replace(here, **changes))  # type: ignore[arg-type]


def test_threads_are_those_that_there_are() -> None:
    """All of two cores are the same two threads as two of eight."""
    all_of_two = replace(capture(), threads=0, intra_op_threads=0, cpu_count=2)
    two_of_eight = replace(all_of_two, threads=2, intra_op_threads=2, cpu_count=8)
    all_of_eight = replace(all_of_two, cpu_count=8)
    assert all_of_two.difference_in_numerics(two_of_eight) == {}
    assert all_of_two.difference_in_numerics(all_of_eight) == {"threads": (2, 8)}


def test_other_pixels_of_the_same_files_excuse_other_bits() -> None:
    """They are recorded where files name the data, and nothing changes for all other data."""
    plain = capture()
    here = replace(plain, decoded="1" * 64)
    assert Environment.from_dict(json.loads(json.dumps(here.as_dict()))).decoded == "1" * 64
    there = replace(plain, decoded="2" * 64)
    assert here.difference_in_numerics(there) == {"decoded": ("1" * 64, "2" * 64)}
    assert (
        here.difference_in_numerics(replace(here, packages={**here.packages, "pillow": "1"})) == {}
    )
    assert "decoded" not in plain.numerics


def test_what_makes_a_network_computes_where_it_does() -> None:
    """Another KerasHub may give other bits; whoever does not use it is not asked for it."""
    here = capture()
    assert not set(environment.NETWORKS) & here.packages.keys()
    assert here.numerics["packages"].keys() == set(environment.COMPUTING)
    old, new = (replace(here, packages={**here.packages, "keras-hub": v}) for v in ("0.1", "0.2"))
    assert old.difference_in_numerics(new) == {"packages.keras-hub": ("0.1", "0.2")}
    assert len({each.software for each in (here, old, new)}) == 3


def test_a_run_is_reused_with_what_made_its_network_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """And one whose network another version made is not."""
    from cnn_sweeps.tracking import finished_runs

    here = capture()
    installed = {**here.packages, "keras-hub": "0.2"}
    monkeypatch.setattr(
        environment, "versions_of", lambda names: {n: installed[n] for n in names if n in installed}
    )
    ours = finished_runs._software_here()
    made = [replace(here, packages={**here.packages, "keras-hub": v}) for v in ("0.1", "0.2")]
    assert [each.software in ours for each in (here, *made)] == [True, False, True]
