"""What may have been meant."""

from cnn_sweeps.text.suggestions import aside, did_you_mean


def test_the_nearest_name_is_asked_for() -> None:
    """Behind a sentence or within it; where none is near there is no question."""
    known = {"light": 1, "none": 2, "strong": 3}
    assert did_you_mean("lite", known) == " Did you mean light?"
    assert did_you_mean("lite", known, before="augment=") == " Did you mean augment=light?"
    assert aside("strng", known) == " (did you mean `strong`?)"
    assert did_you_mean("x", known) == aside("x", known) == ""
