"""The HTML report: one file, well formed, with everything in it and nothing loaded."""

import re
from collections import Counter
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser

import numpy as np
import pytest
from evaluations import evaluated as predicted
from pictures import draw
from sweep_results import FILTERS, ended, epoch, evaluated, example, many, results, trial

from cnn_sweeps.figures import style
from cnn_sweeps.report import confusion
from cnn_sweeps.report import html as report
from cnn_sweeps.report.confusion import STRONGEST
from cnn_sweeps.report.figures.axes import PAPER
from cnn_sweeps.report.html import page
from cnn_sweeps.report.markdown import markdown
from cnn_sweeps.sweeps.results.results import (
    Command,
    Curve,
    Importance,
    Objective,
    SweepResults,
    SweptParam,
)
from cnn_sweeps.text.table import Table

pytestmark = pytest.mark.drawn

EVIL = "<script>alert('x')</script>"
VOID = {"meta", "wbr", "img"}


class Page(HTMLParser):
    """Reads a page: whether its elements are balanced, and what there is.

    Attributes:
        open: elements that are not closed.
        astray: elements that are closed, but not in their order.
        tags: how many of each element.
        ids: every id.
        links: every attribute that makes a browser load something, or lead to it.
        text: all that is shown.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.astray: list[str] = []
        self.tags: Counter[str] = Counter()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember an element."""
        self.tags[tag] += 1
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [
            value or ""
            for name, value in attrs
            if name.rpartition(":")[2] in ("href", "src", "data", "action", "srcset")
        ]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember an element of an SVG that is closed at once."""
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        """Close an element."""
        if not self.open or self.open.pop() != tag:
            self.astray.append(tag)

    def handle_data(self, data: str) -> None:
        """Remember a text."""
        self.text += data


UNFINISHED = results(unfinished=4)
NOTHING = results(
    unfinished=3, importances=(), curves=(), images={}, environment={}, begun=None, ended=None
)
CASES = {
    "search": results(),
    "unfinished": UNFINISHED,
    "one trial": results(trial(), importances=(Importance(objective="a", shares={}, reason="b"),)),
    "nothing but failures": results(ended(0), ended(1), curves=(), images={}, environment={}),
    "no trial yet": replace(NOTHING, trials=(), ranking=replace(NOTHING.ranking, rows=())),
    "no store": results(curves=(), images={}, environment={}, missing=("The store is not there.",)),
    "one value for all": results(*(trial(n, 0.5) for n in range(3))),
    "more rows than are shown at once": many(40),
    "evaluated": evaluated(),
    "evaluated, many classes": evaluated(100),
}


def several_objectives(number: int) -> SweepResults:
    """A search after so many objectives, with a front of two trials."""
    names = ("val_accuracy", "train_seconds", "trainable_params")[:number]
    made = [
        trial(
            n, values={name: float((n + 1) * (k + 1)) for k, name in enumerate(names)}, best=n < 2
        )
        for n in range(4)
    ]
    return results(
        *made, objectives=tuple(Objective(name=name, direction="maximize") for name in names)
    )


CASES |= {f"{number} objectives": several_objectives(number) for number in (2, 3)}


DRAWN_LONG = {"2 objectives", "3 objectives", "one value for all", "evaluated, many classes"}
"""Cases of which the pictures take more than a second."""
WITHOUT_PICTURES = {"unfinished", "more rows than are shown at once"}
"""Cases that have the pictures of another one."""


@cache
def html_of(case: str) -> str:
    """The page of a case: its pictures take a second or two, so it is made once."""
    with pytest.MonkeyPatch.context() as patch:
        if case in WITHOUT_PICTURES:
            leave_out_pictures(patch)
        draw(patch)
        return page(CASES[case])


def leave_out_pictures(patch: pytest.MonkeyPatch) -> None:
    """Make pages without them."""
    patch.setattr(report, "charts", lambda _: [])


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(case, marks=[pytest.mark.slow] if case in DRAWN_LONG else []) for case in CASES
    ],
    ids=CASES.keys(),
)
def html(request: pytest.FixtureRequest) -> str:
    """The page of each case in turn, so that its tests follow on each other."""
    return html_of(request.param)


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the pictures out of what is about words."""
    leave_out_pictures(monkeypatch)


def test_page_is_well_formed(html: str) -> None:
    """Whatever became of a sweep, elements are balanced and no two have the same name."""
    read = Page(html)
    assert (read.open, read.astray) == ([], [])
    assert [name for name, times in Counter(read.ids).items() if times > 1] == []
    assert read.tags["h1"] == 1


def test_page_loads_nothing(html: str) -> None:
    """Every reference leads to a place in the page, or holds its picture."""
    read = Page(html)
    inside = ("#", "data:image/png;base64,")
    assert [link for link in read.links if not link.startswith(inside)] == []
    assert not read.tags.keys() & {"link", "iframe", "object", "embed", "base"}
    assert "@import" not in html
    assert set(re.findall(r"url\((.)", html)) <= {"#"}


def test_references_within_the_page_lead_somewhere(html: str) -> None:
    """What a picture or the contents refer to is there."""
    read = Page(html)
    asked = {link[1:] for link in read.links if link.startswith("#")}
    asked |= set(re.findall(r"url\(#([^)]+)\)", html))
    assert asked <= set(read.ids)


def test_page_is_the_same_again() -> None:
    """The same results make the same bytes."""
    assert page(results()) == html_of("search")


BADLY_SHARED = Importance(objective=EVIL, shares={EVIL: 1.0})
UNKNOWN = Importance(objective=EVIL, shares={}, reason=EVIL)
EVILS = {
    "study": {"study": EVIL},
    "question": {"question": EVIL},
    "fixed": {"fixed": (EVIL,)},
    "axis": {"axes": (FILTERS, replace(FILTERS, key=EVIL, told=EVIL, values=(EVIL, 1)))},
    "sampler": {"sampler": EVIL, "pruner": EVIL},
    "environment": {"environment": {EVIL: {EVIL: EVIL}}},
    "images": {
        "images": {"class_names": [EVIL], "images_per_class": {EVIL: [1]}, "notices": [EVIL]}
    },
    "command": {"commands": (Command(purpose=EVIL, line=EVIL),)},
    "missing": {"missing": (EVIL,)},
    "importance": {"importances": (BADLY_SHARED,)},
    "reason": {"importances": (UNKNOWN,)},
}


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("changes", EVILS.values(), ids=EVILS)
def test_what_comes_from_users_is_text(changes: dict[str, object]) -> None:
    """Markup in a name is shown and not obeyed."""
    html = page(results(**changes))
    assert EVIL not in html
    assert Page(html).tags["script"] == 1


def test_what_comes_from_users_is_text_in_pictures() -> None:
    """All of it at once: names in pictures, reasons and values of trials are shown as they are."""
    changes = {key: value for evil in EVILS.values() for key, value in evil.items()}
    changes["importances"] = (BADLY_SHARED, UNKNOWN)
    failed = ended(3, reason=EVIL, traceback=EVIL, params={"model.filters": EVIL})
    known = trial(1, 0.8, params={"model.filters": EVIL, EVIL: EVIL})
    html = page(results(trial(), known, failed, **changes))
    assert EVIL not in html
    assert EVIL in Page(html).text
    assert Page(html).tags["script"] == 1


def test_dollars_are_no_formula() -> None:
    """A value with dollars in it stands on its axis as it was typed."""
    odd = SweptParam(key="path", values=("$a$", "$b_{$"), told="path")
    trials = [trial(n, 0.9 - n / 10, params={"path": odd.values[n]}) for n in range(2)]
    assert ">$b_{$<" in page(results(*trials, axes=(odd,), importances=()))


def test_answer_is_said_first() -> None:
    """The best with its values and its score stands below the question."""
    text = " ".join(Page(html_of("search")).text.split())
    _, _, rest = text.partition("give the highest val_accuracy?")
    assert rest.startswith(" The best is model.filters=32 rate=0.1: val_accuracy 0.9000.")


@pytest.mark.usefixtures("no_pictures")
def test_a_winner_that_changes_on_its_way_has_its_parts() -> None:
    """A sentence behind the answer, on the page and in Markdown; none for any other."""
    parts = ("epochs 1 to 4: trajectory 0a1b", "epoch 5: trajectory 5f4e, trainer.batch_size=8")
    told = f"Its training has parts: {'; '.join(parts)}."
    found = results(trial(lineage=parts), trial(1, 0.8))
    assert told in " ".join(Page(page(found)).text.split())
    assert told in markdown(found)
    assert "Its training has parts" not in markdown(results(trial()))


@pytest.mark.usefixtures("no_pictures")
def test_failures_come_with_their_reasons() -> None:
    """Each trial without a value says why."""
    found = results(trial(), ended(5, reason="out of memory"), ended(6, state="pruned"))
    text = Page(page(found)).text
    assert "out of memory" in text
    assert "Failed and pruned" in text


def test_unfinished_sweep_says_so() -> None:
    """A report of a sweep that runs is no final one."""
    text = " ".join(Page(html_of("unfinished")).text.split())
    assert "Sweep report unfinished" in text
    assert "The best so far is" in text


def test_missing_store_is_said() -> None:
    """What the report lacks stands at its head."""
    assert "The store is not there." in Page(html_of("no store")).text


def test_rows_beyond_the_first_are_folded_away() -> None:
    """A long table says how many of its rows are shown at first; all are in the page."""
    html = html_of("more rows than are shown at once")
    assert f'<table data-first="{report.FIRST_ROWS}">' in html
    assert html.count('<td class="text"><code>') == 40


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize(
    ("sampler", "said"),
    [
        ("auto(n_startup_trials=10, multivariate=None)", "a grid where the trials cover it"),
        ("nsgaii(population_size=50, mutation_prob=None)", "NSGA-II"),
        ("theirs(x=1)", "theirs"),
    ],
)
def test_who_chose_the_values_is_said_without_options(sampler: str, said: str) -> None:
    """Names of Optuna's parameters say nothing to most readers."""
    pruned = ended(state="pruned", epochs=1)
    html = page(results(trial(), pruned, sampler=sampler, pruner="median(n_warmup_steps=0)"))
    text = " ".join(Page(html).text.split())
    assert f"values chosen by{said}" in text
    assert "The pruner median stopped 1 trial early" in text
    assert not {"n_startup_trials", "None", "population_size", "x=1", "n_warmup"} & {
        word.partition("=")[0] for word in re.split(r"[ (),]+", text)
    }


@pytest.mark.usefixtures("no_pictures")
def test_columns_know_their_best_end() -> None:
    """What is maximized falls, what is minimized rises; the table comes sorted by rank."""
    two = (
        Objective(name="val_accuracy", direction="maximize"),
        Objective(name="train_seconds", direction="minimize"),
    )
    head = ("rank", "val_accuracy", "train s", "test_accuracy", "epochs")
    both = trial(values={"val_accuracy": 0.9, "train_seconds": 2.0})
    html = page(results(both, objectives=two, ranking=Table(head=head, rows=())))
    (trials,) = re.findall(r'<section id="trials">.*?</thead>', html, re.DOTALL)
    found = {
        re.sub("<wbr>", "", name): dict(re.findall(r'(data-best|aria-sort)="(\w+)"', told))
        for told, name in re.findall(r'<th scope="col"(.*?)>(.*?)</th>', trials)
    }
    assert found == {
        "rank": {"aria-sort": "ascending"},
        "val_accuracy": {"data-best": "descending"},
        "train s": {"data-best": "ascending"},
        "test_accuracy": {"data-best": "descending"},
        "epochs": {},
    }


def test_a_dark_page_has_ink_of_its_own(html: str) -> None:
    """Pictures too: what is dark on white is a variable."""
    assert "@media screen and (prefers-color-scheme: dark)" in html
    pictures = "".join(re.findall(r"<svg.*?</svg>", html, re.DOTALL)).lower()
    for colour in (style.INK, style.FAINT, style.BLACK, PAPER):
        assert f": {colour.lower()}" not in pictures
    used = set(re.findall(r"var\((--[\w-]+)", html))
    light, dark = (
        set(re.findall(r"(--[\w-]+):", part)) for part in html.partition("color-scheme: dark)")[::2]
    )
    assert used <= light
    assert light - dark <= {"--mono"}


PRUNED = ended(
    7, state="pruned", last={"val_accuracy": 0.25}, reported={1: 0.125, 2: 0.25}, epochs=2
)


def test_pruned_trials_are_in_table_and_pictures() -> None:
    """With their last value, their epochs, and their curve."""
    text = " ".join(Page(page(results(trial(), trial(1, 0.8), PRUNED))).text.split())
    assert "val_accuracy 0.2500no luck" in text
    assert "A cross is a pruned trial at its last value." in text
    assert "Thin grey lines are pruned trials." in text
    assert "Thin grey lines" not in Page(html_of("search")).text


def test_a_tie_is_named() -> None:
    """Below the answer, with what decided it."""
    tied = (trial(), trial(1))
    text = " ".join(Page(page(results(*tied, importances=(), axes=(FILTERS,)))).text.split())
    assert "Trials 0 and 1 tie for the best; of those with the fewest parameters, 0 was" in text
    assert "tie for the best" not in Page(html_of("search")).text


def test_legends_name_the_network() -> None:
    """The number of a trial alone says nothing."""
    curve = Curve(trial=0, rank=1, epochs=(epoch(1), epoch(2, 0.7)), network="cnn 64x2 e2")
    assert "1. trial 0: cnn 64x2 e2" in Page(page(results(curves=(curve,)))).text


def test_legends_of_one_network_name_the_values_that_differ() -> None:
    """What was swept tells the trials apart, and nothing that all have."""
    curves = tuple(
        Curve(trial=number, rank=number + 1, epochs=(epoch(1), epoch(2, 0.7)), network="cnn 64x2")
        for number in range(2)
    )
    trials = tuple(
        replace(trial(number), params={"model.filters": 8, "trainer.rate": 10**-number})
        for number in range(2)
    )
    text = Page(page(results(*trials, curves=curves))).text
    assert "1. trial 0: rate=1" in text
    assert "2. trial 1: rate=0.1" in text


def test_the_best_has_the_colour_that_is_named() -> None:
    """It is orange, and no red."""
    text = Page(html_of("search")).text
    assert "the best in orange" in text
    assert not re.search(r"\bred\b", text)


@pytest.mark.slow
def test_many_trials_make_no_huge_file() -> None:
    """A trial costs less than 3 kB: a thousand are a file that a browser opens at once."""
    few, more = len(html_of("search")), len(page(many(200)))
    assert more - few < 200 * 3e3


def section(html: str, name: str) -> str:
    """A part of a page."""
    return html.partition(f'<section id="{name}">')[2].partition("</section>")[0]


def test_the_best_is_evaluated() -> None:
    """Which images, every metric, a row for each class, and a picture of each kind."""
    html = section(html_of("evaluated"), "evaluation")
    text = " ".join(Page(html).text.split())
    assert "Trial 0 on the 6 test images, which were not used to train or choose it." in text
    assert "class 00.60000.40 to 0.80" in text
    labels = re.findall(r'aria-label="([^"]+)"', html)
    assert labels == [
        "ROC curves of the test images",
        "Precision-recall curves of the test images",
        "Reliability of the test images",
    ]


@pytest.mark.usefixtures("no_pictures")
def test_a_confusion_matrix_has_counts_and_shares() -> None:
    """Each row a class; the colours are faint enough for any ink."""
    html = section(page(evaluated(3)), "evaluation")
    table = html.partition('<table class="confusion"')[2].partition("</table>")[0]
    text = " ".join(Page(f"<table{table}</table>").text.split())
    assert text.endswith("class 0266.7%133.3% class 1266.7%133.3% class 2133.3%266.7%")
    shares = [float(found) for found in re.findall(r"/ ([\d.]+)\)", table)]
    assert max(shares) <= STRONGEST


def test_a_class_without_images_has_an_empty_row() -> None:
    """None of its images was taken for anything; others may have been taken for it."""
    found = predicted(np.array([0, 0, 1]), np.array([0, 2, 0]), ("ant", "bee", "wasp"))
    counts = [[cell.count for cell in row.cells] for row in confusion.rows(found)]
    assert counts == [["1", "", "1"], ["1", "0", ""], ["", "", ""]]


@pytest.mark.parametrize("ink", ["light", "dark"])
@pytest.mark.parametrize("colour", [confusion.RIGHT, confusion.WRONG])
def test_numbers_of_a_confusion_matrix_can_be_read(ink: str, colour: str) -> None:
    """At 4.5 to 1 or more on the strongest colour, on a white page and on a dark one."""
    css = report._read("style.css").partition("color-scheme: dark)")[(ink == "dark" and 2) or 0]
    paper, text = (rgb(re.search(rf"--{name}: #(\w+)", css)[1]) for name in ("paper", "ink"))
    over = [int(part) for part in colour.split()]
    mixed = [STRONGEST * top + (1 - STRONGEST) * low for top, low in zip(over, paper, strict=True)]
    assert contrast(mixed, text) >= 4.5


def rgb(text: str) -> list[float]:
    """A colour of CSS, in three or six digits, from 0 to 255."""
    whole = "".join(digit * 2 for digit in text) if len(text) == 3 else text
    return [int(whole[place : place + 2], 16) for place in (0, 2, 4)]


def contrast(*colours: list[float]) -> float:
    """The contrast ratio of two colours (WCAG 2.2)."""
    linear = [
        [
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
            for c in (v / 255 for v in each)
        ]
        for each in colours
    ]
    low, high = sorted(0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in linear)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.slow
def test_many_classes_have_a_list_of_mistakes() -> None:
    """A table of a hundred columns would not be read; a picture shows where mistakes are."""
    html = section(html_of("evaluated, many classes"), "evaluation")
    assert '<table class="confusion"' not in html
    assert "Most frequent mistakes" in html
    assert 'aria-label="Confusion matrix"' in html


@pytest.mark.usefixtures("no_pictures")
def test_images_say_what_they_are() -> None:
    """Each has a text in its place; mistakes come first, the surest in front."""
    html = section(page(evaluated()), "evaluation")
    assert re.findall(r'alt="([^"]+)"', html) == [
        "class 1, predicted as class 0, 90.0%",
        "where the image speaks for class 0",
        "class 0, predicted as class 1, 60.0%",
        "where the image speaks for class 1",
        "class 1, predicted as class 1, 90.0%",
        "where the image speaks for class 1",
    ]
    text = " ".join(Page(html).text.split())
    assert "2 of 9 mistakes, the most confident first" in text
    assert "Grad-CAM of conv_2" in text


@pytest.mark.usefixtures("no_pictures")
def test_without_heat_the_reason_is_said() -> None:
    """One sentence, and the images alone."""
    found = evaluated()
    none = replace(found.examples, layer="", note="the network has no convolution")
    text = " ".join(Page(page(replace(found, examples=none))).text.split())
    assert "Grad-CAM is not available: the network has no convolution." in text


@pytest.mark.usefixtures("no_pictures")
def test_validation_images_are_told_from_test_images() -> None:
    """The best was chosen by them."""
    found = evaluated()
    val = replace(found, evaluation=replace(found.evaluation, split="val"))
    text = " ".join(Page(page(val)).text.split())
    assert "Trial 0 on the 6 validation images, by which it was chosen" in text


@pytest.mark.usefixtures("no_pictures")
def test_names_of_classes_are_text() -> None:
    """Whatever markup a folder is named after."""
    found = evaluated(2, example(EVIL, EVIL), example(EVIL, "other"))
    classes = tuple(replace(each, name=EVIL) for each in found.evaluation.classes)
    html = page(replace(found, evaluation=replace(found.evaluation, classes=classes)))
    assert EVIL not in html
    assert Page(html).tags["script"] == 1
