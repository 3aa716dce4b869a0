"""What is written into a run."""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow.entities import DatasetInput, Run
from mlflow.exceptions import MlflowException
from records import environment
from stores import logged_text

from cnn_sweeps.data.dataset import Dataset
from cnn_sweeps.errors import StoreError
from cnn_sweeps.provenance.environment import Environment
from cnn_sweeps.tracking import RunRecord, Store, TrackedRun
from cnn_sweeps.training.epoch import TrainingCost

ENVIRONMENT = environment(packages={"keras": "3.15.1"}, git_dirty=True)


@pytest.fixture
def run(store: Store) -> TrackedRun:
    """A run to write into."""
    with store.start_run("r", tags={}) as run:
        return run


def stored(run: TrackedRun) -> Run:
    """The run as MLflow has it."""
    return run.client.get_run(run.run_id)


def tags(run: TrackedRun) -> Mapping[str, str]:
    """The run's tags."""
    return RunRecord.of(stored(run)).tags


@pytest.fixture
def calls(run: TrackedRun, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, int]]:
    """How many params, metrics and tags each call to log values has had."""
    made: list[tuple[int, int, int]] = []
    log_batch = run.client.log_batch

    def noting(run_id: str, *, params: Any, metrics: Any, tags: Any, synchronous: bool) -> None:
        made.append((len(params), len(metrics), len(tags)))
        log_batch(run_id, metrics, params, tags, synchronous)

    monkeypatch.setattr(run.client, "log_batch", noting)
    return made


def test_what_belongs_together_is_logged_in_one_call(
    run: TrackedRun, calls: list[tuple[int, int, int]]
) -> None:
    """Nothing before the end of the block, and the last value of a tag."""
    with run.together() as batch:
        batch.log_params({"a": 1, "b": 2})
        batch.set_tags({"told": "first"})
        batch.log_metrics({"loss": 0.5})
        batch.log_metrics({"loss": 0.25}, step=1)
        batch.set_tags({"told": "last", "more": True})
        assert calls == []
    assert calls == [(2, 2, 2)]
    data = stored(run).data
    assert (data.params, data.metrics) == ({"a": "1", "b": "2"}, {"loss": 0.25})
    assert (data.tags["told"], data.tags["more"]) == ("last", "true")


def test_an_error_does_not_lose_what_waits(run: TrackedRun) -> None:
    """It is logged, and the error passes."""

    def failing() -> None:
        with run.together() as batch:
            batch.set_tags({"told": "so far"})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert tags(run)["told"] == "so far"


def test_a_call_keeps_to_the_limits_of_mlflow(
    run: TrackedRun, calls: list[tuple[int, int, int]]
) -> None:
    """At most 100 params, 100 tags and 1,000 entries altogether."""
    with run.together() as batch:
        batch.log_params({f"p{number}": number for number in range(150)})
        batch.log_metrics({f"m{number}": number for number in range(1_700)})
        batch.set_tags({f"t{number}": number for number in range(250)})
    assert calls == [(100, 800, 100), (50, 800, 100), (0, 100, 50)]
    data = stored(run).data
    assert (len(data.params), len(data.metrics)) == (150, 1_700)


def dataset(**changes: Any) -> Dataset:
    """Ten tiny images."""
    images, labels = np.zeros((10, 4, 5, 3), np.uint8), np.arange(10) % 2
    whole = Dataset(
        name="tiny",
        source="scikit-learn",
        x_train=images[:6],
        y_train=labels[:6],
        x_val=images[6:8],
        y_val=labels[6:8],
        x_test=images[8:],
        y_test=labels[8:],
        class_names=("cat", "dög"),
        digest="0123456789abcdef" * 4,
    )
    return replace(whole, **changes)


def test_params_beyond_one_batch(run: TrackedRun) -> None:
    """More params than MLflow takes at once are all there."""
    run.log_params({f"p{i}": i for i in range(250)})
    assert len(stored(run).data.params) == 250


def test_long_param_is_cut_visibly(run: TrackedRun) -> None:
    """A value over the limit is cut with an ellipsis and does not fail the batch."""
    run.log_params({"long": "x" * 7000, "größe [mm]": None})
    params = stored(run).data.params
    assert len(params["long"]) == 6000
    assert params["long"].endswith("x…")
    assert params["größe _mm_"] == "null"


def test_param_given_twice_with_another_value(run: TrackedRun) -> None:
    """What a run was made with cannot be rewritten, and saying so is one plain error."""
    run.log_params({"epochs": 5})
    with pytest.raises(StoreError, match="refuses: "):
        run.log_params({"epochs": 6})


def test_metrics_of_each_epoch_are_kept(run: TrackedRun) -> None:
    """Each epoch is a step of the metric's history, visible at once."""
    run.log_metrics({"loss": 0.5, "accuracy": 0.8}, step=1)
    run.log_metrics({"loss": 0.25, "accuracy": 0.9}, step=2)
    history = run.client.get_metric_history(run.run_id, "loss")
    assert [(metric.step, metric.value) for metric in history] == [(1, 0.5), (2, 0.25)]
    assert stored(run).data.metrics == {"loss": 0.25, "accuracy": 0.9}


def test_metrics_beyond_one_batch(run: TrackedRun) -> None:
    """More metrics than MLflow takes at once are all there."""
    run.log_metrics({f"m{i}": i for i in range(1001)})
    assert len(stored(run).data.metrics) == 1001


def test_metric_that_is_not_a_number(run: TrackedRun) -> None:
    """A diverged loss can be logged as what it is."""
    run.log_metrics({"loss": np.float32("nan")})
    assert math.isnan(stored(run).data.metrics["loss"])


def test_tags_are_text_and_cut(run: TrackedRun) -> None:
    """Tags of any type and length are accepted."""
    run.set_tags({"long": "x" * 9000, "flag": True, "course/ml": "101"})
    found = tags(run)
    assert len(found["long"]) == 8000
    assert (found["flag"], found["course_ml"]) == ("true", "101")


def test_what_a_run_has_cost_stands_in_its_tags(run: TrackedRun) -> None:
    """Epochs of its own and of others, seconds, and whose epochs and whose copy they are."""
    cost = TrainingCost(trained=1, reused=2, seconds=1.23456, trained_by=("a", "b"))
    run.log_cost(cost, reused_from="c")
    names = ("epochs_trained", "epochs_reused", "train_seconds_paid", "trained_by", "reused_from")
    tags = stored(run).data.tags
    assert [tags[name] for name in names] == ["1", "2", "1.235", "a b", "c"]


def test_texts_and_json_are_read_back(run: TrackedRun, store: Store) -> None:
    """Files of a run come back as they went in, letters outside ASCII included."""
    run.log_text("name: größer\n", "config.yaml")
    run.log_json({"a": [1, None], "p": Path("x")}, "tables/ranked.json")
    assert logged_text(store, run.run_id, "config.yaml") == "name: größer\n"
    assert json.loads(logged_text(store, run.run_id, "tables/ranked.json")) == {
        "a": [1, None],
        "p": "x",
    }


def test_a_config_is_stored_without_a_password(run: TrackedRun, store: Store) -> None:
    """Everybody who sees the runs sees it."""
    run.log_config({"tracking": {"uri": "http://me:secret@host:5000", "tags": {"ü": 1}}})
    stored = logged_text(store, run.run_id, "config.yaml")
    assert stored == "tracking:\n  uri: http://me:***@host:5000\n  tags:\n    ü: 1\n"


def test_table_is_shown_by_mlflow(run: TrackedRun, store: Store) -> None:
    """Rows are stored in the form that MLflow loads as a table, and marked as one."""
    run.log_table([{"rank": 1, "filters": 64}, {"rank": 2}], "trials.json")
    assert json.loads(logged_text(store, run.run_id, "trials.json")) == {
        "columns": ["rank", "filters"],
        "data": [[1, 64], [2, None]],
    }
    assert json.loads(tags(run)["mlflow.loggedArtifacts"])[0]["path"] == "trials.json"


def test_environment_and_commit(run: TrackedRun, store: Store) -> None:
    """The environment comes back whole, and the commit is a tag too."""
    run.log_environment(ENVIRONMENT)
    text = logged_text(store, run.run_id, "environment.json")
    assert Environment.from_dict(json.loads(text)) == ENVIRONMENT
    assert tags(run)["git_commit"] == tags(run)["mlflow.source.git.commit"]
    assert tags(run)["git_dirty"] == "true"


def test_environment_outside_a_repository(run: TrackedRun) -> None:
    """Without a repository there is no commit to show."""
    run.log_environment(replace(ENVIRONMENT, git_commit=None, git_dirty=None))
    assert "git_commit" not in tags(run)


def test_dataset_is_an_input(run: TrackedRun) -> None:
    """The run's input names the data, its digest, its shape and how it was divided."""
    run.log_dataset(dataset())
    [entry] = stored(run).inputs.dataset_inputs
    data, about = entry.dataset, {tag.key: tag.value for tag in entry.tags}
    assert (data.name, data.digest) == ("tiny", "0123456789abcdef0123456789abcdef0123")
    assert json.loads(data.profile)["class_names"] == ["cat", "dög"]
    assert '"shape": [-1, 4, 5, 3]' in json.loads(data.schema)["mlflow_tensorspec"]["features"]
    assert about["mlflow.data.context"] == "training"
    assert [about[f"{name}_images"] for name in ("train", "validation", "test")] == ["6", "2", "2"]
    assert tags(run)["data_digest"] == "0123456789abcdef" * 4


def test_two_runs_may_divide_one_dataset_differently(run: TrackedRun, store: Store) -> None:
    """The same data in two runs is one entry, and each run keeps its own split."""
    run.log_dataset(dataset())
    smaller = dataset()
    with store.start_run("other", tags={}) as other:
        other.log_dataset(
            replace(smaller, x_train=smaller.x_train[:3], y_train=smaller.y_train[:3])
        )
    sizes = [
        {tag.key: tag.value for tag in entry.tags}["train_images"]
        for each in (run, other)
        for entry in stored(each).inputs.dataset_inputs
    ]
    assert sizes == ["6", "3"]
    (entry,) = stored(other).inputs.dataset_inputs
    counts = {tag.key: tag.value for tag in entry.tags}
    assert counts["train_images_per_class"] == "cat 2, dög 1"
    assert counts["validation_images_per_class"] == "cat 1, dög 1"
    read = json.loads(logged_text(store, other.run_id, "images.json"))
    assert read["images_per_class"] == {"train": [2, 1], "validation": [1, 1], "test": [1, 1]}


@pytest.mark.parametrize(
    ("name", "kind"),
    [pytest.param("images", "local", id="folder"), pytest.param("nowhere", "package", id="none")],
)
def test_source_of_a_dataset(name: str, kind: str, run: TrackedRun, tmp_path: Path) -> None:
    """A source on disk is marked as local, any other as a package."""
    (tmp_path / "images").mkdir()
    run.log_dataset(dataset(source=str(tmp_path / name)))
    assert stored(run).inputs.dataset_inputs[0].dataset.source_type == kind


def test_dataset_that_another_worker_logs_first(run: TrackedRun) -> None:
    """Two workers that collide on the same new data set both have it as input."""
    first_time = iter([True])

    class Colliding:
        """A client whose first `log_inputs` loses the race."""

        def __getattr__(self, name: str) -> Any:
            return getattr(run.client, name)

        def log_inputs(self, run_id: str, entries: list[DatasetInput]) -> None:
            if next(first_time, False):
                raise MlflowException("UNIQUE constraint failed")
            run.client.log_inputs(run_id, entries)

    replace(run, client=Colliding()).log_dataset(dataset())
    assert len(stored(run).inputs.dataset_inputs) == 1
