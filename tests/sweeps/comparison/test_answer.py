"""The answer of an exercise: its table, its words, and what it leaves open."""

import json
from dataclasses import replace

import pytest
from exercises import BASE, OTHER, answer, epochs, exercise, failure, outcome

from cnn_sweeps.sweeps.comparison.answer import Answer


def sentence(*args: object, **metrics: float) -> str:
    """The sentence about 16 filters, where the base model has three times 90 %."""
    found = answer((0.90, 0.91, 0.92), *args, **metrics)  # type: ignore[arg-type]
    return found.sentences[0]


def test_table_has_means_and_spreads_over_the_seeds() -> None:
    """Accuracies in per cent with their standard deviation, mean times, the base marked."""
    found = answer((0.90, 0.92), (0.80, 0.80), val_accuracy=0.5, train_seconds=5.0)
    assert found.table.head == (
        "cell",
        "parameters",
        "train %",
        "validation %",
        "test %",
        "s/epoch",
        "s in total",
        "images/s",
    )
    base, other = found.table.rows
    assert base[0] == "filters=64 (base)"
    assert base[1:5] == ("2,000", "95.00 ± 0.00", "90.00 ± 0.00", "91.00 ± 1.41")
    assert other[3:] == ("50.00 ± 0.00", "80.00 ± 0.00", "1.0", "5.0", "1,000")
    assert found.table.strong == {0}


def test_table_without_a_validation_split_has_no_column_for_it() -> None:
    """What was not held out is not shown."""
    metrics = {k: v for k, v in outcome(BASE, 0).metrics.items() if not k.startswith("val")}
    outcomes = [
        outcome(cell, seed).__class__(cell=cell, seed=seed, metrics=metrics)
        for cell in (BASE, OTHER)
        for seed in (0, 1)
    ]
    found = Answer.of(exercise(), outcomes, [BASE, OTHER], BASE)
    assert "validation %" not in found.table.head
    assert found.differences.head == ("cell", "test", "s/epoch", "s in total", "parameters")


def test_differences_are_points_and_ratios() -> None:
    """One row for each cell but the base: points with their interval, then ratios to the base."""
    found = answer((0.90, 0.91, 0.92), (0.91, 0.92, 0.93), train_seconds=20.0, total_params=500.0)
    ((cell, test, val, *ratios),) = found.differences.rows
    assert (cell, test, val) == ("filters=16", "+1.00 ± 0.00", "+0.00 ± 0.00")
    assert ratios == ["2.00", "2.00", "0.250"]


def test_seconds_of_different_hosts_are_not_compared() -> None:
    """The ratio is that of the pairs of one host, and none where there is no such pair."""

    def found(*hosts: str) -> Answer:
        base = [replace(outcome(BASE, seed), hosts=frozenset({"a"})) for seed in range(len(hosts))]
        seconds = enumerate((20.0, 80.0))
        other = [
            replace(outcome(OTHER, seed, train_seconds=s), hosts=frozenset(host.split("+")))
            for host, (seed, s) in zip(hosts, seconds, strict=True)
        ]
        return Answer.of(exercise(seeds=2), [*base, *other], [BASE, OTHER], BASE)

    alike, mixed, apart = found("a", "a"), found("a", "a+b"), found("b", "b")
    ratios = [(f.comparisons[0].seconds, f.comparisons[0].epoch_seconds) for f in (alike, mixed)]
    assert ratios == [(pytest.approx(4.0),) * 2, (pytest.approx(2.0),) * 2]
    assert (apart.comparisons[0].seconds, apart.comparisons[0].params) == (None, 1.0)
    assert apart.comparisons[0].test is not None
    assert not any("host" in note for note in alike.notes)
    assert all("trained on 2 hosts (a, b): ratios" in f.notes[-1] for f in (mixed, apart))


def test_a_loss_is_told_with_its_interval() -> None:
    """Differences of -3, -4 and -5 points: a mean of -4 with 4.303 * 1 / sqrt(3) around it."""
    text = sentence((0.87, 0.87, 0.87), train_seconds=5.0, total_params=11_400.0)
    assert text == (
        "Leaving 16 filters costs 4.0 ± 2.5 points of test accuracy and trains 2.0 times as fast, "
        "with 5.7 times as many parameters."
    )


def test_a_gain_is_told_with_its_interval() -> None:
    """What is better, slower and smaller is told as that."""
    text = sentence((0.92, 0.93, 0.941), train_seconds=16.0, total_params=460.0)
    assert text == (
        "Leaving 16 filters gains 2.0 ± 0.1 points of test accuracy and takes 1.6 times as long "
        "to train, with 23 % of the parameters."
    )


def test_a_small_interval_keeps_its_digits() -> None:
    """Differences of 0.10, 0.10 and 0.12 points are not rounded to nothing."""
    assert "gains 0.11 ± 0.03 points" in sentence((0.9010, 0.9110, 0.9212))


def test_what_the_seeds_cannot_show_is_no_difference() -> None:
    """Where the interval holds 0, it is said with the number of seeds."""
    text = sentence((0.92, 0.90, 0.92))
    assert text == (
        "Leaving 16 filters makes no significant difference in test accuracy "
        "(+0.3 ± 3.8 points, three seeds); it takes about as long to train."
    )


def test_the_same_accuracies_are_no_difference_of_zero() -> None:
    """A rule that never applied leaves the same training."""
    (line,) = answer([0.9, 0.91], [0.9, 0.91]).sentences
    assert line.startswith("Leaving 16 filters does not change test accuracy with any seed; it ")


def test_the_number_of_seeds_is_that_of_the_pairs() -> None:
    """Two seeds that both have are two, whatever the base model has beside them."""
    assert "points, two seeds)" in sentence((0.92, 0.90))


def test_one_seed_has_no_interval() -> None:
    """A single pair is told as what it is."""
    found = answer((0.90,), (0.89,))
    assert found.sentences[0].startswith(
        "Leaving 16 filters costs 1.0 points of test accuracy with one seed, so without a "
        "confidence interval; it takes"
    )
    assert "exercise.seeds=3" in " ".join(found.notes)
    assert "±" not in found.table.to_text().partition("\n")[2]


def test_a_cell_without_words_of_its_own_is_named() -> None:
    """Values that a user adds are told by their key."""
    eight = {"model.filters": "8"}
    found = answer((0.9, 0.9), (0.9, 0.9), outcome(eight, 0, 0.5), outcome(eight, 1, 0.5))
    assert found.sentences[1].startswith("filters=8 costs 40.00 ± 0.00 points")


def test_a_cell_that_failed_stands_in_table_and_sentences() -> None:
    """A cell that cannot be carried out has no numbers, and its reason is said once."""
    four = {"model.filters": "4"}
    reason = "model.filters=4 does not fit.\nType something else."
    found = answer((0.9, 0.9), (0.9, 0.9), *(failure(four, seed, reason) for seed in (0, 1)))
    assert found.table.rows[2][:3] == ("filters=4", "failed", "")
    assert found.sentences[1:] == ("filters=4 has no result: model.filters=4 does not fit.",)


def test_a_seed_that_failed_is_named() -> None:
    """The other seeds still answer."""
    found = answer((0.9, 0.9, 0.9), (0.8, 0.8), failure(OTHER, 2, "the loss became nan"))
    assert found.sentences[1] == "filters=16 with seed 2 has no result: the loss became nan."
    assert found.comparisons[0].test is not None
    assert found.comparisons[0].test.number == 2


def test_without_a_base_model_nothing_is_compared() -> None:
    """Where the base failed, the table stands alone."""
    found = answer((), (0.8, 0.8), failure(BASE, 0))
    assert found.comparisons == ()
    assert "there is nothing to compare with" in " ".join(found.sentences)
    assert "against the base" not in found.to_markdown()


def test_what_was_not_tried_yet_is_said() -> None:
    """A sweep that ran out of time answers for what it has."""
    found = Answer.of(exercise(seeds=3), [outcome(BASE, 0)], [BASE, OTHER], BASE)
    assert found.missing == ("model.filters=16",)
    assert found.sentences[-1].startswith(
        "Not run yet: model.filters=16; filters=64 (1 of 3 seeds done). Run the same command"
    )


@pytest.mark.parametrize(
    ("losses", "epochs_of_seeds", "said"),
    [
        pytest.param((0.19, 0.18), (3, 3), "It stopped after three epochs and 10.0 s", id="alike"),
        pytest.param((0.19, 0.18), (3, 4), "It stopped after 3 and 4 epochs and", id="apart"),
        pytest.param((0.19, 0.3), (3, 20), "(one of two seeds never reached it)", id="one-of-two"),
        pytest.param(
            (0.3, 0.3), (20, 20), "It never reached that loss and ended after 20", id="never"
        ),
    ],
)
def test_a_training_that_stops_on_its_loss_says_when(
    losses: tuple[float, float], epochs_of_seeds: tuple[int, int], said: str
) -> None:
    """Epochs, seconds and accuracy at the stop stand behind the comparison."""
    never, stop = {"trainer.stop_at_loss": "null"}, {"trainer.stop_at_loss": "0.2"}
    outcomes = [outcome(never, seed) for seed in (0, 1)]
    outcomes += [
        outcome(stop, seed, 0.88, loss=losses[seed], epochs=float(epochs_of_seeds[seed]))
        for seed in (0, 1)
    ]
    (text,) = Answer.of(exercise(seeds=2), outcomes, [never, stop], never).sentences
    assert said in text
    assert text.endswith("with a test accuracy of 88.00 ± 0.00 %.")


def test_overfitting_begins_where_the_validation_loss_is_lowest() -> None:
    """The epoch of the lowest mean, with those of the single seeds, and what comes after it."""
    found = epochs(
        [[0.50, 0.40, 0.45, 0.60], [0.50, 0.41, 0.39, 0.61], [0.50, 0.40, 0.42, 0.59]],
        val_accuracy=[0.80, 0.85, 0.86, 0.84],
        accuracy=[0.80, 0.86, 0.90, 0.94],
    )
    assert found.epochs is not None
    assert (found.epochs.lowest, found.epochs.last) == (2, 4)
    assert found.epochs.by_seed == {0: 2, 1: 3, 2: 2}
    lowest, begins, after, drift, _, last = found.sentences
    assert lowest == (
        "The validation loss is lowest after two epochs (2 and 3 with single seeds), and rises "
        "from 0.403 to 0.600 after four epochs."
    )
    assert begins == "Overfitting begins after two epochs."
    assert after == "Validation accuracy falls by 1.00 ± 0.00 points from epoch 2 to epoch 4."
    assert drift == (
        "Training accuracy is 10.0 points above validation accuracy after four epochs, against "
        "1.0 after 2."
    )
    assert last == (
        "epochs=4 does not change test accuracy with any seed; it takes 4.0 times as long to train."
    )


def test_of_many_epochs_the_best_and_the_longest_are_told() -> None:
    """Twenty sentences would say less than these two; the table has the others."""
    found = epochs([[0.6, 0.5, 0.3, 0.4], [0.6, 0.5, 0.3, 0.4]])
    assert [text.split()[0] for text in found.sentences[-2:]] == ["epochs=3", "epochs=4"]
    assert len(found.differences.rows) == 3


def test_a_loss_that_still_falls_is_no_overfitting() -> None:
    """Where the last epoch is the best, overfitting has not begun."""
    found = epochs([[0.5, 0.4, 0.3], [0.5, 0.4, 0.2]])
    assert found.sentences[0] == (
        "The validation loss is still falling after three epochs, with every seed: overfitting "
        "has not begun."
    )
    assert found.epochs is not None
    assert found.epochs.after is None


def test_a_rise_within_chance_is_told_as_that() -> None:
    """A rise whose interval holds 0 does not say that overfitting has begun."""
    found = epochs([[0.5, 0.30, 0.32], [0.5, 0.30, 0.299], [0.5, 0.30, 0.305]])
    assert "rise is not significant with three seeds" in found.sentences[1]


def test_one_seed_cannot_tell_where_overfitting_begins() -> None:
    """What a single training shows is said, and what it is worth."""
    found = epochs([[0.5, 0.3, 0.4]])
    assert found.sentences[1].startswith("By its single seed, without an interval")


def test_other_exercises_say_nothing_of_overfitting() -> None:
    """It takes the same training, ended after more and more epochs."""
    assert answer((0.9,), (0.9,)).epochs is None


def test_markdown_holds_question_sentences_and_both_tables() -> None:
    """The description of the sweep's run can be read by itself."""
    text = answer((0.9, 0.91), (0.8, 0.81)).to_markdown()
    assert text.startswith("**What do fewer filters change?**\n\n- Leaving 16 filters costs 10.0")
    assert text.count("| filters=16 |") == 2
    assert "paired by seed (Student's t)" in text


def test_markdown_shows_what_a_failure_said_as_text() -> None:
    """An error message may hold what Markdown would take for markup."""
    text = answer((0.9,), (), failure(OTHER, 0, "<class 'int'> * 2")).to_markdown()
    assert r"\<class 'int'> \* 2" in text


def test_json_holds_every_number_by_seed() -> None:
    """Whoever computes on finds what the answer was computed from, unrounded, with the hashes."""
    plain = json.loads(json.dumps(answer((0.9, 0.91), (0.8, 0.81)).to_json()))
    base = plain["cells"][0]
    assert (base["cell"], base["base"]) == ({"model.filters": "64"}, True)
    assert base["test_accuracy"]["by_seed"] == {"0": 0.9, "1": 0.91}
    assert base["config_hashes"] == {"0": "0" * 64, "1": "1" * 64}
    assert plain["comparisons"][0]["cell"] == {"model.filters": "16"}
    assert plain["comparisons"][0]["test"]["mean"] == pytest.approx(-10)
