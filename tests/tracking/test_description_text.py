"""What MLflow's pages say of a run and of an experiment."""

from typing import Any

import pytest
from stored_runs import METRICS, stored

from cnn_sweeps.text.markdown import plain_text
from cnn_sweeps.tracking.description_text import EXPERIMENT, Others, of_run


def test_a_finished_run() -> None:
    """The accuracies come first, then the hash, what it took, and what can be typed."""
    assert of_run(stored()) == (
        "Finished: test accuracy **0.9359**, validation accuracy **0.9306**, "
        "training accuracy **0.9475**.\n\n"
        "Config hash `422c71d27ee5`: cnn 8x2 on digits.\n\n"
        "- all 3 epochs\n"
        "- 27,682 trainable parameters\n"
        "- 3.2 s of training, 4.4 s in all\n\n"
        "```\ncnn-sweeps show 422c71d27ee5\ncnn-sweeps reproduce 422c71d27ee5\n```\n"
    )


def test_pictures_are_linked() -> None:
    """A link leads to the page of each picture, on whatever port that is."""
    text = of_run(stored(), ["a.png", "figures/confusion_matrix.png"])
    page = f"#/experiments/7/runs/{'a' * 32}/artifacts"
    links = f"[a]({page}/a.png), [confusion matrix]({page}/figures/confusion_matrix.png)"
    assert f"\n\nPictures: {links}.\n\n" in text


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        (
            {"status": "FAILED", "tags": {"error": "no `memory`\nleft"}},
            r"**Failed**: no \`memory\` left",
        ),
        ({"status": "FAILED"}, "**Failed**: unknown reason"),
        (
            {"status": "KILLED", "tags": {"pruned_epoch": "2", "pruned_reason": "below 0.5"}},
            "**Pruned** after epoch 2: below 0.5",
        ),
        ({"status": "KILLED", "tags": {"stopped_reason": "asked to"}}, "**Stopped**: asked to"),
        ({"status": "KILLED"}, "**Interrupted**."),
        ({"status": "RUNNING", "end": None}, "**Running.**"),
    ],
)
def test_a_run_that_did_not_finish(changes: dict[str, Any], first: str) -> None:
    """It says first how it ended, and offers no reproduction."""
    text = of_run(stored(**changes))
    assert text.splitlines()[0] == first
    assert "reproduce" not in text


def other(**changes: Any) -> Others:
    """Another run, in another experiment of the same store."""
    run = stored(run_id="b" * 32, experiment_id="8", **changes)
    return Others(runs={run.run_id: run}, drawn=[run.run_id])


def test_a_reproduction_links_to_its_original() -> None:
    """It says of which run it is the reproduction, and with what verdict."""
    tags = {"reproduces": "b" * 32, "verdict": "bit-identical"}
    text = of_run(stored(tags=tags), others=other())
    link = f"[another run](#/experiments/8/runs/{'b' * 32})"
    assert f"Reproduction of {link}: **bit-identical**." in text


def test_a_reproduced_run_has_the_verdict() -> None:
    """The original says so too."""
    tags = {"reproduced_by": "b" * 32, "reproduction_verdict": "different"}
    assert f"runs/{'b' * 32}): **different**." in of_run(stored(tags=tags), others=other())


def test_a_copy_says_of_what() -> None:
    """A trial that was answered from a finished run trained nothing."""
    text = of_run(stored(tags={"reused_from": "b" * 32}), others=other())
    assert f"copy of [a finished run](#/experiments/8/runs/{'b' * 32})" in text


def test_a_run_that_is_not_there_is_no_link() -> None:
    """It was deleted, or is in the store of somebody else."""
    text = of_run(stored(tags={"reused_from": "b" * 32}))
    assert f"copy of a finished run (`{'b' * 12}`, which is not here)" in text
    assert "](" not in text


CURVES = f"#/experiments/8/runs/{'b' * 32}/artifacts/learning_curves.png"
PRUNED = Others(runs=other(status="KILLED").runs)


@pytest.mark.parametrize(
    ("others", "said"),
    [
        pytest.param(other(), f"({CURVES}) of the run that trained these epochs; ", id="drawn"),
        pytest.param(
            other(status="RUNNING"),
            f"({CURVES}) of the run that trained these epochs, once it has finished; ",
            id="running",
        ),
        pytest.param(
            PRUNED, "- `cnn-sweeps figures 422c71d27ee5` draws the learning curves\n", id="pruned"
        ),
        pytest.param(
            Others(), "- `cnn-sweeps figures 422c71d27ee5` draws the learning curves\n", id="gone"
        ),
    ],
)
def test_curves_are_linked_where_they_are(others: Others, said: str) -> None:
    """A trial that trained nothing has none; the run that did may have none, or not be there."""
    tags = {"epochs_trained": "0", "epochs_reused": "3", "trained_by": f"{'c' * 32} {'b' * 32}"}
    text = of_run(stored(tags=tags), others=others)
    assert said in text
    assert (CURVES in text) == ("](" in text)


def test_epochs_that_were_known() -> None:
    """What was reused is told in epochs and in seconds."""
    reused = {"epochs_reused": "2", "epochs_trained": "1", "train_seconds_paid": "1.04"}
    text = of_run(stored(tags=reused))
    assert "- 2 epochs from cache, 1 trained; 1.0 s of training in this run" in text


def test_best_epoch_that_is_not_the_last() -> None:
    """Early stopping brings weights back; the description says from which epoch."""
    text = of_run(stored(metrics={**METRICS, "best_epoch": 2.0}))
    assert "; the weights are those of epoch 2\n" in text


def test_a_training_that_stopped_itself() -> None:
    """It says after how many epochs, and why."""
    assert "- 3 epochs: loss 0.19 <= 0.2 at epoch 3" in of_run(
        stored(tags={"stop_reason": "loss 0.19 <= 0.2 at epoch 3"})
    )


def test_a_run_without_a_hash_has_none() -> None:
    """A sweep's own run is described by its report."""
    assert of_run(stored(config_hash=None)) == ""


def test_text_of_a_user_stays_text() -> None:
    """Nothing that a user names is taken for markup."""
    assert plain_text("<b> *x* `y` [a](b)") == r"\<b> \*x\* \`y\` [a]\(b)"


def test_the_experiment_says_how_names_read() -> None:
    """A name of a run stands there as an example."""
    assert "`cnn 64x2 e5 · 3f2a9c1b7d20`" in EXPERIMENT
