"""A report as Markdown and JSON, and what it says in words."""

import json
import math
import re
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt
from stored_runs import stored
from sweep_results import FILTERS, ended, evaluated, results, trial

from cnn_sweeps.report import content, markdown
from cnn_sweeps.sweeps.results.results import Command, Importance, Objective

OURS = (
    *("h1", "h2", "p", "strong", "ul", "li", "pre", "code", "blockquote", "a"),
    *("table", "thead", "tbody", "tr", "th", "td"),
)
"""Elements of a report."""


def test_markdown_has_what_the_page_has() -> None:
    """Question, answer, table, importance, time, failures, environment and commands."""
    found = results(trial(), trial(1, 0.8), ended(5, reason="out of memory"))
    written = markdown.markdown(found)
    for part in (
        found.question,
        "The best is model.filters=32 rate=0.1: val_accuracy 0.9000.",
        found.ranking.to_markdown(),
        "- model.filters: 70%",
        "busy for 75% of that",
        "out of memory",
        "- 3 of 49 test images are exact copies of training images.",
        "| packages keras | 3.15.1 |",
        "```\ncnn-sweeps -m data=digits\n```",
    ):
        assert part in written


def test_markdown_has_the_evaluation_of_the_best() -> None:
    """Which images, metrics, scores of each class, and what is taken for what."""
    written = markdown.markdown(evaluated())
    assert "Trial 0 on the 6 test images, which were not used to train or choose it." in written
    assert "| accuracy | 0.6667 | 0.4000 to 0.8000 |" in written
    assert "| class 0 | 0.6000 | 0.40 to 0.80 | 0.5000 |" in written
    assert "| class 1 | class 0 | 1 | 33.3% |" in written


def test_json_has_the_evaluation_without_pictures() -> None:
    """Examples by their numbers."""
    made = json.loads(markdown.to_json(evaluated()))
    assert made["evaluation"]["confusion"] == [[2, 1], [1, 2]]
    assert made["examples"]["images"][1] == {
        "number": 3,
        "label": "class 1",
        "predicted": "class 0",
        "probability": 0.9,
    }


def test_markdown_shows_markup_of_users_as_text() -> None:
    """A name with markup in it is no markup."""
    written = markdown.markdown(results(study="<b>*x*", question="[a](javascript:b)"))
    assert r"# \<b>\*x\*" in written
    assert "](java" not in written


@pytest.mark.parametrize(
    "evil",
    [
        "<script>alert(1)</script>",
        "[a](javascript:alert(1))",
        "[a](<javascript:alert(1)>)",
        "[a]: javascript:alert(1)",
        "x | [a](javascript:alert(1))",
        r"x \| <img src=x onerror=alert(1)>",
        r"\[a](javascript:alert(1)) \\<b>",
        "`<script>` ```\n<script>alert(1)</script>",
        "a\n\n<script>alert(1)</script>",
        "![a](https://evil.example/x.png)",
    ],
)
def test_nothing_from_outside_is_markup(evil: str) -> None:
    """Rendered as pages render it, there is no element, no link and no row of its making."""
    axis = replace(FILTERS, told=evil)
    found = results(
        trial(params={"model.filters": evil}),
        ended(5, reason=evil),
        study=evil,
        question=f"{evil} [a]",
        axes=(axis,),
        missing=(evil,),
        environment={evil: evil},
        pruner=evil,
        commands=(Command(purpose="again", line=evil),),
    )
    for text in (markdown.markdown(found), markdown.of_sweep(found, stored())):
        page = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
        elements = set(re.findall(r"<(\w+)", page))
        assert elements <= set(OURS)
        assert re.findall(r"(?:href|src)=\"(?!#/experiments/)", page) == []
        assert "javascript" not in "".join(re.findall(r"<[^>]*>", page))


def test_json_has_every_trial() -> None:
    """A program finds the version, the trials with all their values, and the share of use."""
    found = results(trial(), ended(5))
    plain = json.loads(markdown.to_json(found))
    assert (plain["version"], plain["study"]) == (1, "digits")
    assert [each["state"] for each in plain["trials"]] == ["complete", "fail"]
    assert plain["trials"][0]["params"] == {"model.filters": 32, "rate": 0.1}
    assert plain["timing"]["use"] == pytest.approx(0.75)
    assert plain["ended"] == "2026-01-02T03:05:05+00:00"


def test_numbers_that_json_does_not_have_are_null() -> None:
    """A loss that is no number any more is a null."""
    found = results(trial(metrics={"loss": math.nan, "val_loss": math.inf}))
    (only,) = json.loads(markdown.to_json(found))["trials"]
    assert only["metrics"] == {"loss": None, "val_loss": None}


def test_several_winners_are_told_one_by_one() -> None:
    """With several objectives the answer is the front."""
    objectives = tuple(Objective(name=name, direction="minimize") for name in ("loss", "seconds"))
    front = [trial(n, values={"loss": 1.0 + n, "seconds": 2.0 - n}, best=True) for n in range(2)]
    first, *told = content.answer(results(*front, objectives=objectives))
    assert first.startswith("2 of 2 trials are on the Pareto front")
    assert [sentence.split(",")[0] for sentence in told] == ["Trial 0", "Trial 1"]


@pytest.mark.parametrize(
    ("trials", "said"),
    [
        pytest.param((ended(0), ended(1)), "2 trials, all failed", id="failed"),
        pytest.param((ended(0), ended(1, state="pruned")), "1 pruned, 1 failed", id="pruned"),
    ],
)
def test_no_answer_says_why(trials: tuple[object, ...], said: str) -> None:
    """Without a value there is a reason."""
    assert said in content.answer(results(*trials))[0]  # type: ignore[arg-type]


def test_no_trial_yet_is_no_answer_yet() -> None:
    """A sweep that has just begun has no answer."""
    assert content.answer(replace(results(), trials=())) == ["No trial has finished yet."]


def test_savings_of_reuse_and_pruning_are_told() -> None:
    """Epochs that were known, seconds that were not spent, epochs that were spared."""
    known = trial(epochs=5, epochs_trained=1)
    pruned = ended(1, state="pruned", epochs=2, epochs_trained=2, epochs_asked=10)
    told = " ".join(content.savings(results(known, pruned)))
    assert "7 epochs: 3 trained, 4 from cache; the cache saved 10.0 s" in told
    assert "stopped 1 trial early and saved 8 epochs" in told


def test_seconds_that_nobody_knows_are_not_saved() -> None:
    """Without its run it is not known what a trial has paid."""
    told = " ".join(content.savings(results(trial(epochs=5, epochs_trained=1, seconds_paid=None))))
    assert "5 epochs: 1 trained, 4 from cache." in told


def test_unknown_importance_says_why() -> None:
    """What cannot be told has a reason."""
    unknown = Importance(objective="loss", shares={}, reason="only one key was swept")
    (said,) = content.unknown_importances(results(importances=(unknown,)))
    assert said == "Parameter importance for loss is not available: only one key was swept."


def test_phases_add_up() -> None:
    """The last row of the table is the sum of the others."""
    *_, last = content.phases(results()).rows
    assert last[2:] == ("90.0", "100")
