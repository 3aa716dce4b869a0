"""What is wrong with an override that Hydra cannot read."""

import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

import cnn_sweeps as cs
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.runs.composition.override_errors import ELSEWHERE, FORMS, explain
from cnn_sweeps.runs.composition.validate import values_of
from cnn_sweeps.sweeps.space.overrides import dimension_of, read_override
from cnn_sweeps.text.json import from_text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x=choise(16,32)", "there is no function choise. Did you mean x=choice(16,32)?"),
        ("x=rang(0,4)", "Did you mean x=range(0,4)?"),
        ("x=normal(0,1)", "Functions are choice, range, interval, tag"),
        ("x=uniform(0,1)", "there is no uniform.\n  Type 'x=interval(0.0,1.0)'"),
        ("x=randint(1,9)", "Type 'x=interval(1,9)'"),
        ("x=loguniform(1e-4,1)", "Type 'x=tag(log, interval(1e-4,1.0))'"),
        ("x=quniform(0,1,0.25)", "Type 'x=range(0.0,1.0,0.25)'"),
        ("x=uniform(1)", "there is no uniform.\n  Type 'x=interval(1.0,STOP)'"),
        ("x=log(0.1,0.5)", "Type 'x=tag(log, interval(0.1,0.5))'"),
        ("x=grid(1,5)", "Type x=1,5"),
        ("x=categorical([16,32])", "Type x=16,32"),
        ("x={16,32}", "{ begins no list.\n  Type x=16,32 to sweep"),
        ("x=interval(16)", "interval is typed as x=interval(0.0,0.5)."),
        ("x=interval[0,1]", "interval is typed as x=interval(0.0,0.5)."),
        ("x=choice()", "choice is typed as x=choice(16,32)."),
        ("x=range(1,2,3,4)", "range is typed as x=range(0,4) or"),
        ("x=16,32,", "a value is missing before or after a comma.\n  Type x=16,32"),
        ("x=16,,32", "Type x=16,32"),
        ("x=,", "Type x=VALUE"),
        ("x=[16,32", "[ is not closed; ] is missing."),
        ("x=range(1,10", "( is not closed; ) is missing."),
        ("x={a:1", "{ is not closed; } is missing."),
        ("x=16,32]", "] closes nothing."),
        ("x='abc", "the quote ' is not closed."),
        ("x=Übung", "the character Ü has to stand in quotes.\n  Type 'x=\"Übung\"'"),
        ("x=a;b", "the character ; has to stand in quotes."),
        ("x=a=b", "the character = has to stand in quotes."),
        ("x=(1, 2)", "Type x=1,2 to sweep over the values, or 'x=[1,2]' for a list."),
        ("a b=3", "'a b' is no key"),
        ("filters", "is not KEY=VALUE"),
    ],
)
def test_what_is_wrong_is_said(text: str, said: str) -> None:
    """Not that everything needs quotes."""
    assert said in explain(text)


@pytest.mark.parametrize("text", ["x=Übung", "x=a;b", "x=a=b", 'x=say "hi";', "x=a\\b;"])
def test_quotes_that_are_advised_can_be_typed(text: str) -> None:
    """In a shell, to the same value."""
    line = explain(text).rpartition("Type ")[2]
    (pasted,) = shlex.split(line)
    override = OverridesParser.create().parse_overrides([pasted])[0]
    assert override.value() == text.partition("=")[2]


@pytest.mark.parametrize("name", ["Käfer", "日本", "Ants;", "a#b", 'say "x"', "Null;"])
@pytest.mark.parametrize("text", ["x={%s: 2}", "x={%s:2}", "x=[{first: 2, weights: {%s: 2}}]"])
def test_a_mapping_in_quotes_that_are_advised_is_that_mapping(name: str, text: str) -> None:
    """Names of classes are the user's own, and Hydra has no quotes for them."""
    (pasted,) = shlex.split(explain(text % name).rpartition("Type ")[2])
    value = from_text(values_of([pasted])["x"])
    weights = value[0]["weights"] if isinstance(value, list) else value
    assert weights == {name: 2}


@pytest.mark.parametrize("causes", ["0", "1"])
def test_null_is_no_name(causes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In quotes it is one, as any other; also where OmegaConf gives an error itself as a cause."""
    monkeypatch.setenv("OC_CAUSE", causes)
    typed = ["data=digits", "trainer.class_weight={null: 2}"]
    with pytest.raises(ConfigError, match="null is no name of a key") as refused:
        cs.compose(*typed)
    (pasted,) = shlex.split(str(refused.value).rpartition("for example, ")[2])
    assert cs.compose("data=digits", pasted).trainer.class_weight == {"null": 2.0}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_range_of_another_program_can_be_typed(name: str) -> None:
    """The line that is advised is a dimension."""
    line = explain(f"x={name}(1,9,2)").rpartition("Type ")[2]
    (pasted,) = shlex.split(line)
    assert dimension_of(read_override(pasted)).key == "x"


@pytest.mark.parametrize(
    "form", sorted({part for form in FORMS.values() for part in form.split(" or ")})
)
def test_every_form_can_be_read(form: str) -> None:
    """What is shown as right is right."""
    assert read_override(f"x={form}").value_type is not None
