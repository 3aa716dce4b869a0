"""What MLflow's pages say of a sweep."""

from dataclasses import replace

from stored_runs import stored
from sweep_results import ended, many, results

from cnn_sweeps.report.markdown import LONGEST, of_sweep

RUN = replace(stored(), config_hash=None)


def test_it_comes_in_order() -> None:
    """Question, best, space, ranking, savings, commands, report and pictures."""
    text = of_sweep(results(), RUN, ["accuracy_over_time.png"])
    parts = (
        "**Which values of",
        "- The best is",
        "Searched: `model.filters=16,32`",
        "| rank |",
        "The trials ran for",
        "cnn-sweeps -m data=digits",
        "[report.html](#/experiments/7/runs/",
        "Pictures: [accuracy over time](",
    )
    places = [text.find(part) for part in parts]
    assert -1 not in places
    assert places == sorted(places)


def test_only_the_first_trials_are_listed() -> None:
    """Of many trials twenty are listed, and it is said that there are more."""
    text = of_sweep(many(50), RUN)
    assert text.count("\n| ") == 1 + 1 + 20
    assert "20 of 50 trials are listed here." in text


def test_it_fits_into_a_tag() -> None:
    """A wide table gives way to what comes after it."""
    made = many(50)
    wide = replace(
        made.ranking, rows=tuple((row[0], row[1], "x" * 500) for row in made.ranking.rows)
    )
    text = of_sweep(replace(made, ranking=wide), RUN)
    assert len(text) <= LONGEST
    assert "10 of 50 trials are listed here." in text
    assert "report.html" in text


def test_a_sweep_without_a_result() -> None:
    """Where everything failed it says so."""
    assert "No result: 1 trial, all failed." in of_sweep(results(ended()), RUN)
