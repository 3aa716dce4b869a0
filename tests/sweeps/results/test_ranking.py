"""The ranked table: ties, pruned trials, many trials."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from plans import plan, study
from sweep_results import ended, trial

from cnn_sweeps.cli.display import MOST_REASONS, TOP, TerminalDisplay
from cnn_sweeps.sweeps.outcome import SweepOutcome
from cnn_sweeps.sweeps.results.ranking import Ranking
from cnn_sweeps.sweeps.results.test_scores import best_trials
from cnn_sweeps.sweeps.study.attributes import (
    METRICS,
    REUSED_FROM,
    SLOT,
    metric_attributes,
    metrics_of,
)
from cnn_sweeps.sweeps.study.durations import Epochs, epochs_spent
from cnn_sweeps.sweeps.study.study import SweepStudy


def finished(
    folder: Path, *trials: Mapping[str, Any], value: float = 0.5, **asked: Any
) -> SweepStudy:
    """A study of complete trials of one value, each with these metrics and user attributes."""
    made = study(folder, plan(**asked))
    for known in trials:
        attributes = dict(known.get("user_attrs", {}))
        if "metrics" in known:
            attributes |= metric_attributes(known["metrics"])
        made.optuna_study.add_trial(
            optuna.create_trial(
                values=[value] * len(made.plan.objectives.names), user_attrs=attributes
            )
        )
    return made


def cost(params: float, seconds: float, **attributes: Any) -> dict[str, Any]:
    """What is known of a trial that cost that much."""
    metrics = {"trainable_params": params, "train_seconds": seconds, "epochs": 2}
    return {"metrics": metrics, "user_attrs": attributes}


@pytest.mark.parametrize(
    ("costs", "numbers", "why"),
    [
        pytest.param(
            [cost(900, 1), cost(500, 8)], [1, 0], "1 has the fewest parameters (500)", id="params"
        ),
        pytest.param(
            [cost(5, 8), cost(5, 2), cost(9, 1)], [1, 0, 2], "1 was trained fastest (2.0 s)", id="s"
        ),
        pytest.param([cost(5, 2), cost(5, 2)], [0, 1], "0 was first in the queue", id="all equal"),
        pytest.param(
            [cost(5, float("nan")), {}, cost(5, 2)],
            [2, 0, 1],
            "2 was trained fastest",
            id="unknown",
        ),
    ],
)
def test_of_equal_trials_the_cheaper_is_best(
    tmp_path: Path, costs: list[dict[str, Any]], numbers: list[int], why: str
) -> None:
    """It is also the one that the test split is scored for, and the tie is named."""
    made = finished(tmp_path, *costs)
    ranking = Ranking.of(made, {})
    assert [row.number for row in ranking.rows] == numbers
    assert [each.number for each in best_trials(made)] == numbers[:1]
    table = ranking.table()
    assert [row[0] for row in table.rows] == ["1*", "2=", "3="][: len(costs)]
    assert table.notes[0].startswith("Trials ")
    assert why in table.notes[0]
    assert table.notes[0] in ranking.to_markdown()


@pytest.mark.parametrize(
    ("objective", "hosts", "said"),
    [
        pytest.param("train_seconds", "ab", "2 hosts (a, b): seconds", id="timed on two"),
        pytest.param("train_seconds", "aa", "", id="timed on one"),
        pytest.param("val_accuracy", "ab", "", id="not timed"),
    ],
)
def test_seconds_of_different_hosts_are_told(
    tmp_path: Path, objective: str, hosts: str, said: str
) -> None:
    """The order of a sweep for speed may be that of its hosts; who took values has no seconds."""
    costs = [cost(5, 2, owner={"host": f"{name}:boot", "pid": 1, "started": "1"}) for name in hosts]
    copied = cost(5, 2, owner={"host": "c:boot", "pid": 1, "started": "1"}, **{REUSED_FROM: 0})
    made = finished(tmp_path, *costs, copied, objectives={objective: "minimize"})
    notes = [note for note in Ranking.of(made, {}).table().notes if "host" in note]
    assert len(notes) == bool(said)
    assert said in "".join(notes)


def test_a_requeued_trial_keeps_its_place_among_equals(tmp_path: Path) -> None:
    """Where nothing tells them apart its place in the budget decides, not its new number."""
    made = finished(tmp_path, cost(5, 2, **{SLOT: 1}), cost(5, 2, **{SLOT: 0}))
    assert [row.number for row in Ranking.of(made, {}).rows] == [1, 0]


def test_equals_on_the_front_are_all_best(tmp_path: Path) -> None:
    """With several objectives nothing is chosen; the cheaper stands first all the same."""
    two = {"val_accuracy": "maximize", "loss": "minimize"}
    made = finished(tmp_path, cost(9, 1), cost(5, 1), objectives=two)
    rows = Ranking.of(made, {}).rows
    assert [(row.number, row.best) for row in rows] == [(1, True), (0, True)]


def pruned_study(folder: Path) -> SweepStudy:
    """One complete trial of three epochs, and one that was pruned after its second."""
    made = finished(folder, cost(5, 2), pruner="median")
    made.optuna_study.add_trial(
        optuna.create_trial(state=TrialState.PRUNED, intermediate_values={1: 0.1, 2: 0.25})
    )
    return made


def test_a_pruned_trial_has_its_last_value_and_epochs(tmp_path: Path) -> None:
    """In the table, where that is said, and for a program under a name of its own."""
    ranking = Ranking.of(pruned_study(tmp_path), {})
    table = ranking.table()
    columns = dict(zip(table.head, zip(*table.rows, strict=True), strict=True))
    assert columns["rank"] == ("1*", "pruned")
    assert columns["val_accuracy"] == ("0.5000", "0.2500")
    assert columns["epochs"] == ("2", "2")
    assert table.notes == ("Of a pruned trial, the value is that of its last epoch.",)
    first, second = ranking.records()
    assert (first["val_accuracy"], first["last_val_accuracy"]) == (0.5, None)
    assert (second["val_accuracy"], second["last_val_accuracy"]) == (None, 0.25)
    assert ranking.rows[1].reported == {1: 0.1, 2: 0.25}


def test_metrics_are_attributes_of_their_own_and_old_ones_are_read(tmp_path: Path) -> None:
    """A column each in Optuna's dashboard; earlier versions had one value for all of them."""
    metrics = cost(5, 2)["metrics"]
    new = finished(tmp_path, cost(5, 2)).trials(TrialState.COMPLETE)[0].user_attrs
    assert new == {f"metrics.{name}": value for name, value in metrics.items()}
    old = {METRICS: metrics, "epochs_trained": 1}
    assert metrics_of(old) == metrics_of(new) == metrics
    assert metrics_of({METRICS: None}) == {}
    (tmp_path / "old").mkdir()
    cheaper = {METRICS: {**metrics, "trainable_params": 1}, "epochs_trained": 1}
    made = finished(tmp_path / "old", {"user_attrs": old}, {"user_attrs": cheaper})
    ranking = Ranking.of(made, {})
    assert ranking.rows[0].metrics == metrics
    assert epochs_spent(made.trials()) == Epochs(asked=4, trained=2)
    # What an earlier version has ranked and scored stays the best.
    assert [row.number for row in ranking.rows] == [0, 1]
    assert ranking.table().notes[0].endswith("0 was first in the queue.")


def shown(ranking: Ranking, made: SweepStudy, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines of the terminal at the end of a sweep."""
    TerminalDisplay().ended(
        SweepOutcome(
            study=made,
            store=None,  # type: ignore[arg-type]
            ranking=ranking,
            answer=None,
            epochs=Epochs(asked=1, trained=1),
            rerun_best="",
            read=None,  # type: ignore[arg-type]
        )
    )
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("failed", [0, 290, 300])
def test_of_many_trials_the_terminal_shows_the_best(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], failed: int
) -> None:
    """Twenty rows and ten reasons, and what shows all of them."""
    made = study(tmp_path)
    rows = tuple(
        ended(n) if n >= 300 - failed else trial(n, 0.9 - n / 1000, best=False) for n in range(300)
    )
    lines = shown(Ranking(rows=rows), made, capsys)
    assert lines[0] == "study: 300 trials"
    assert len(lines) < 2 + TOP + MOST_REASONS + 6
    (every,) = [line for line in lines if "all trials:" in line]
    assert every.startswith(f"the best {TOP} of 300 trials; all trials:  cnn-sweeps report study")
    assert every.endswith("--format csv")
    assert sum("no luck" in line for line in lines if line.startswith("trial")) == min(failed, 10)


def test_of_few_trials_all_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is left out, and nothing said of it."""
    rows = tuple(trial(n, 0.9 - n / 100, best=False) for n in range(TOP))
    lines = shown(Ranking(rows=rows), study(tmp_path), capsys)
    assert not any("all trials:" in line for line in lines)


def test_swept_keys_stay_in_a_narrow_terminal() -> None:
    """They are what a row is about: rather the headings are broken, and metrics left out."""
    keys = ("model.conv_blocks", "model.filters", "trainer.optimizer.learning_rate")
    params = dict(zip(keys, (1, 32, 0.001), strict=True))
    table = Ranking(rows=(trial(params=params),)).table()
    assert [table.head[number] for number in table.fitting(80)][:5] == [
        *("rank", "val_accuracy"),
        *keys,
    ]
