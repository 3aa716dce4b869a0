"""Means, spreads, intervals and ratios, against numbers that are known."""

import math

import pytest

from cnn_sweeps.sweeps.comparison.statistics import paired_difference, paired_ratio, spread, student

SLEEP = {
    "one": (0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0),
    "two": (1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4),
}
"""Hours of sleep that two drugs gained for ten people: Student, The probable error of a mean
(Biometrika 6, 1908); R ships it as `sleep`."""


def by_seed(values: tuple[float, ...]) -> dict[int, float]:
    """Numbers by their place."""
    return dict(enumerate(values))


def test_spread_divides_by_one_less_than_the_number() -> None:
    """The sample standard deviation of 2, 4, 6 is 2, and not the 1.63 of a whole population."""
    found = spread([2.0, 4.0, 6.0])
    assert (found.mean, found.sd, found.number) == (4.0, 2.0, 3)


def test_a_single_number_has_no_spread() -> None:
    """Nothing can be said of how one number scatters."""
    assert spread([0.9]).sd is None


@pytest.mark.parametrize(
    ("degrees", "factor"), [(1, 12.7062), (2, 4.3027), (4, 2.7764), (9, 2.2622), (100_000, 1.96)]
)
def test_student_is_as_in_the_tables(degrees: int, factor: float) -> None:
    """Two-sided 95 % quantiles of Student's t distribution."""
    assert student(degrees) == pytest.approx(factor, abs=5e-5)


def test_interval_of_the_sleep_data_is_students() -> None:
    """R: `with(sleep, t.test(extra[11:20], extra[1:10], paired=TRUE))` gives 0.7001 to 2.4599."""
    found = paired_difference(by_seed(SLEEP["two"]), by_seed(SLEEP["one"]))
    assert found is not None
    assert found.half is not None
    assert found.mean == pytest.approx(1.58)
    assert found.mean - found.half == pytest.approx(0.7001142, abs=1e-7)
    assert found.mean + found.half == pytest.approx(2.4598858, abs=1e-7)
    assert found.shown


def test_pairing_sees_what_the_seeds_hide() -> None:
    """Seeds that move both runs by ten times the difference take nothing from it."""
    base = by_seed((0.70, 0.80, 0.90))
    found = paired_difference(by_seed((0.711, 0.810, 0.909)), base)
    assert found is not None
    assert found.mean == pytest.approx(0.01)
    assert found.half == pytest.approx(4.302653 * 0.001 / math.sqrt(3), rel=1e-6)
    assert found.shown


def test_an_interval_around_nothing_shows_nothing() -> None:
    """Differences of 1, 2 and 0 points: 1 ± 2.48."""
    found = paired_difference(by_seed((0.91, 0.92, 0.90)), by_seed((0.90, 0.90, 0.90)))
    assert found is not None
    assert found.half == pytest.approx(0.0248414, abs=1e-6)
    assert not found.shown


def test_equal_numbers_are_no_difference() -> None:
    """An interval without width around 0 holds 0."""
    found = paired_difference(by_seed((0.9, 0.8)), by_seed((0.9, 0.8)))
    assert found is not None
    assert (found.mean, found.half, found.shown) == (0.0, 0.0, False)


def test_only_shared_seeds_are_paired() -> None:
    """A seed that one of the two lacks says nothing about their difference."""
    found = paired_difference({0: 3.0, 2: 9.0}, {0: 1.0, 1: 5.0})
    assert found is not None
    assert (found.mean, found.half, found.number, found.shown) == (2.0, None, 1, False)


def test_without_shared_seeds_there_is_no_difference() -> None:
    """Nothing is paired with nothing."""
    assert paired_difference({0: 1.0}, {1: 1.0}) is None
    assert paired_ratio({0: 1.0}, {1: 1.0}) is None


def test_twice_as_long_and_half_as_long_is_equally_long() -> None:
    """The geometric mean does not care which of the two is the base."""
    assert paired_ratio({0: 2.0, 1: 1.0}, {0: 1.0, 1: 2.0}) == pytest.approx(1.0)
    assert paired_ratio({0: 8.0, 1: 2.0}, {0: 1.0, 1: 1.0}) == pytest.approx(4.0)


def test_a_ratio_to_nothing_is_not_known() -> None:
    """Seconds of 0 are no measurement."""
    assert paired_ratio({0: 2.0}, {0: 0.0}) is None
