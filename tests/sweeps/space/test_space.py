"""From sweep expressions to a space, and from its values back to overrides."""

import itertools
import json
import random

import optuna
import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.sweeps.space import dimension
from cnn_sweeps.sweeps.space.space import Dimension, Space, params_to_overrides, parse_space
from cnn_sweeps.sweeps.space.value import text_of

DISCRETE = [
    "x=16,32,64",
    "x=choice(16,32,64)",
    "x=range(0,4)",
    "x=range(4)",
    "x=range(0,10,3)",
    "x=range(3,-1,-1)",
    "x=range(0,1,0.25)",
    "x=range(1.0,4.0)",
    "x=range(1,0,-0.25)",
    "x=sort(3,1,2)",
    "x=sort(range(0,10,3),reverse=true)",
    "x=int(choice(1.5,2.5))",
    "x=float(1,2)",
    "x=str('a','b')",
    "x=int(range(0.0,3.0))",
    "x=null,1",
    "x=true,false",
    "x=1e-5,0.001",
    "x=[16,32],[32,64]",
    "x=choice([16,32],[32,64])",
    "x={a:1,b:[c,'1']},{a:2}",
    "x='a b','c,d'",
    'x=\'it\\\'s\',"say \\"hi\\""',
    "x='back\\\\','sl\\ash'",
    "x=a\\ b,c\\,d",
    "x='1','true','null',''",
    "x=${a.b},${oc.env:HOME}",
    "x=/data/one,/data/two",
    "x=a:b,c",
    "model=dnn,cnn",
    "db@source=a,b",
    "+experiment=[a,b],[c]",
    "++x.y=1,2",
]


FILTERS = {"sweep": "choice(16,32,64)", "when": {"model.conv_blocks": ">0"}}
CONDITIONAL = {
    "model": "choice(dnn,cnn)",
    "model.kernel_size": {"sweep": [3, 5], "when": {"model.filters": "!=64", "model": "cnn"}},
    "model.filters": {**FILTERS, "when": {"model": "cnn", "model.conv_blocks": [1, 2]}},
    "model.conv_blocks": {"sweep": "range(0,4)", "when": {"model": "cnn"}},
    "model.dropout": "range(0,0.6,0.2)",
    "model.batch_norm": {"sweep": "true,false", "when": {"model.dropout": "<0.3"}},
}
"""Four levels of dependency, written out of order, with every kind of condition."""


class Groups:
    """A config loader that knows one group."""

    def get_group_options(self, group_name: str, results_filter: object = None) -> list[str]:
        """The options of a group, sorted; none for what is no group."""
        return {"model": ["cnn", "custom", "dnn"]}.get(group_name, [])


def one(expression: str, loader: Groups | None = None) -> Dimension:
    """The only dimension of an expression."""
    (dimension,) = parse_space([expression], loader).dimensions
    return dimension


def cells_of(space: Space) -> list[list[str]]:
    """The overrides of every cell."""
    return [space.overrides(cell) for cell in space.cells()]


def parsed(overrides: list[str]) -> list[tuple[str, object]]:
    """What Hydra reads out of overrides."""
    found = OverridesParser.create().parse_overrides(list(overrides))
    return [(override.get_key_element(), override.value()) for override in found]


def cells_of_hydra(expressions: list[str]) -> list[list[tuple[str, object]]]:
    """The jobs of Hydra's basic sweeper, as it would read them back."""
    overrides = OverridesParser.create().parse_overrides(expressions)
    return [parsed(job) for job in BasicSweeper.split_arguments(overrides, None)[0]]


@pytest.mark.parametrize("expression", DISCRETE)
def test_cells_mean_what_they_mean_to_hydras_basic_sweeper(expression: str) -> None:
    """A discrete sweep has Hydra's values, in Hydra's order and of Hydra's types."""
    ours = [parsed(job) for job in cells_of(parse_space([expression]))]
    assert repr(ours) == repr(cells_of_hydra([expression]))


def test_the_first_key_changes_slowest() -> None:
    """Several keys are combined in the order of Hydra's basic sweeper."""
    expressions = ["a=1,2", "b=range(0,3)", "model=dnn,cnn"]
    space = parse_space(expressions)
    ours = [parsed(job) for job in cells_of(space)]
    assert ours == cells_of_hydra(expressions)
    assert space.size == len(ours) == 12


def test_a_later_expression_replaces_an_earlier_one_in_its_place() -> None:
    """Of two expressions for a key the last counts, as on Hydra's command line."""
    space = parse_space(["a=1,2", "b=3,4", "a=5,6"])
    assert [str(dimension) for dimension in space.dimensions] == ["a=5,6", "b=3,4"]


def test_a_fixed_value_replaces_a_sweep_of_the_same_key() -> None:
    """What is set is no longer swept."""
    space = parse_space(["a=1,2", "a=3"])
    assert (space.dimensions, space.fixed) == ((), ("a=3",))


def test_an_empty_space_has_one_cell() -> None:
    """Nothing to vary leaves the experiment itself."""
    assert list(parse_space([]).cells()) == [{}]


@pytest.mark.parametrize("shuffled", ["x=shuffle(1,2,3,4,5)", "x=shuffle(range(1,6))"])
def test_shuffle_gives_one_order_for_one_expression(shuffled: str) -> None:
    """A shuffled sweep holds the same values, and the same order in every process."""
    random.seed(1)
    first = one(shuffled)
    random.seed(2)
    assert one(shuffled) == first
    assert sorted(first.values) == [1, 2, 3, 4, 5]
    assert list(first.values) != [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("expression", "kind", "low", "high", "log"),
    [
        ("x=interval(16,64)", "int", 16, 64, False),
        ("x=interval(0.0,1)", "float", 0.0, 1.0, False),
        ("x=tag(log,interval(1e-4,1e-1))", "float", 1e-4, 0.1, True),
        ("x=int(interval(1.0,5.0))", "int", 1, 5, False),
        ("x=tag(int,interval(1.0,5.0))", "int", 1, 5, False),
        ("x=tag(log,int,interval(1.0,512.0))", "int", 1, 512, True),
        ("x=tag(log,int(interval(1.0,512.0)))", "int", 1, 512, True),
        ("x=float(interval(1,5))", "float", 1.0, 5.0, False),
        ("x=tag(float,interval(1,5))", "float", 1.0, 5.0, False),
        ("x=tag(log,range(1,9))", "int", 1, 8, True),
        ("x=interval(2.5,2.5)", "float", 2.5, 2.5, False),
    ],
)
def test_a_range_keeps_its_ends_and_its_type(
    expression: str, kind: str, low: float, high: float, log: bool
) -> None:
    """Intervals become ranges of Optuna with both ends, whole where they were written so."""
    dimension = one(expression)
    distribution = dimension.distribution()
    found = (dimension.kind, distribution.low, distribution.high, distribution.log)
    assert found == (kind, low, high, log)
    assert type(distribution.low) is type(low)


def test_a_continuous_space_has_no_size_and_no_cells() -> None:
    """An interval of floats cannot be enumerated, and says what can be typed."""
    space = parse_space(["a=1,2", "x=interval(0.0,0.5)"])
    assert space.size is None
    with pytest.raises(ConfigError, match="hydra/sweeper/sampler=tpe"):
        space.cells()


def test_an_interval_of_whole_numbers_is_enumerated() -> None:
    """A range of integers is discrete."""
    space = parse_space(["x=interval(2,5)"])
    assert (space.size, [cell["x"] for cell in space.cells()]) == (4, [2, 3, 4, 5])


def test_cells_are_made_one_by_one() -> None:
    """A space of a trillion cells gives its first ones at once."""
    space = parse_space(["x=interval(1,1000000)", "y=interval(1,1000000)"])
    assert space.size == 10**12
    first = [(cell["x"], cell["y"]) for cell in itertools.islice(space.cells(), 2)]
    assert first == [(1, 1), (1, 2)]


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("x=range(0,1,0.1)", [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]),
        ("x=range(0.1,0.8,0.1)", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]),
        ("x=range(1,0.6,-0.1)", [1.0, 0.9, 0.8, 0.7]),
        ("x=tag(float,range(0,2))", [0.0, 1.0]),
    ],
)
def test_fractions_are_counted_in_decimal(expression: str, values: list[object]) -> None:
    """A stepped range has the numbers one would type, and leaves its stop out."""
    assert repr(list(one(expression).values)) == repr(values)


@pytest.mark.parametrize(
    "expression", ["x=range(0,1,0.1)", "x=range(0.1,0.8,0.1)", "x=range(1,0,-0.3)"]
)
def test_every_suggestion_of_a_stepped_range_is_one_of_its_members(expression: str) -> None:
    """Optuna's floating-point steps are brought back to the members, without a warning."""
    dimension = one(expression)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    suggested = {dimension.suggest(study.ask()) for _ in range(60)}
    assert suggested == set(dimension.values)
    assert dimension.text(0.1 + 0.2 - 1e-12) == dimension.text(0.3)


@pytest.mark.parametrize(
    "expression",
    [*DISCRETE, "x=interval(1,9)", "x=tag(log,interval(0.001,1))", "x=range(0.1,0.8,0.1)"],
)
def test_an_enqueued_cell_is_suggested_again(expression: str) -> None:
    """A label that waits in the queue comes out of Optuna as the same override."""
    dimension = one(expression)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for label in (dimension.values or [dimension.low, dimension.high])[-3:]:
        study.enqueue_trial({dimension.key: label})
        assert dimension.text(dimension.suggest(study.ask())) == dimension.text(label)


@pytest.mark.parametrize("expression", [*DISCRETE, "x=interval(1,9)", "x=interval(0.0,1.0)"])
def test_distributions_are_those_that_suggest_records(expression: str) -> None:
    """`distributions` and `suggest` describe one and the same dimension to Optuna."""
    space = parse_space([expression])
    trial = optuna.create_study().ask()
    space.dimensions[0].suggest(trial)
    assert trial.distributions == space.distributions()


@pytest.mark.parametrize(
    ("expression", "labels"),
    [
        ("x=1,'1',one", (1, "1", "one")),
        ("x=null,0.5,true", (None, 0.5, True)),
        ("x=[1,2],{a:1}", ("[1,2]", "{a:1}")),
        ("x=1,1.0,true", ("1", "1.0", "True")),
        ("x='[1]',[1]", ("'[1]'", "[1]")),
        ("x=nan,inf,1", ("nan", "inf", 1)),
        ("x=1,2,1,cnn,'cnn'", (1, 2, "cnn")),
    ],
)
def test_labels_are_primitive_and_distinct(expression: str, labels: tuple[object, ...]) -> None:
    """Optuna sees plain values, except where it would take two of them for one."""
    assert repr(one(expression).choices) == repr(labels)


@pytest.mark.parametrize("expression", ["x=1,1.0,true,'1','true'", "x=0.0,-0.0,false"])
def test_values_that_python_calls_equal_stay_apart(expression: str) -> None:
    """True, 1 and 1.0 give three overrides of three types."""
    space = parse_space([expression])
    values = [parsed(job)[0][1] for job in cells_of(space)]
    hydra = [job[0][1] for job in cells_of_hydra([expression])]
    assert repr(values) == repr(hydra)


@pytest.mark.parametrize(
    "value",
    [
        "a b",
        "it's",
        '"',
        "\\",
        "a\\'",
        "x\\\\",
        "",
        " lead",
        "1e5",
        "inf",
        "NULL",
        "a=b,c",
        "[x]",
        "ü",
        "choice(1,2)",
        1.5e-07,
        -3,
        True,
        None,
        ["a b", [1, None]],
        {"k": {"n m": "1"}},
    ],
    ids=repr,
)
def test_a_value_is_read_back_by_hydra_as_itself(value: object) -> None:
    """The text of any value is one that Hydra's grammar turns into that value."""
    assert repr(parsed([f"x={text_of(value)}"])) == repr([("x", value)])


def test_glob_matches_the_options_of_a_group() -> None:
    """`glob` picks the options of a config group, less the excluded ones."""
    assert one("model=glob(*)", Groups()).choices == ("cnn", "custom", "dnn")
    assert one("model=glob(*,exclude=cust*)", Groups()).choices == ("cnn", "dnn")


def test_params_of_yaml_are_read() -> None:
    """Expressions, plain values and lists mean sweeps, overrides and choices."""
    params = OmegaConf.create(
        {
            "few": [1, 2],
            "a": "choice(1,2)",
            "b": "range(0,3)",
            "c": [16, None, "1", [1, 2]],
            "d": 5,
            "e": True,
            "f": "my words",
            "g": "${few}",
            "h": None,
        }
    )
    space = parse_space(params)
    assert str(space) == "few=1,2 a=1,2 b=0,1,2 c=16,null,'1',[1,2] g=1,2"
    assert space.fixed == ("d=5", "e=True", "f='my words'", "h=null")


def test_a_deletion_is_kept_as_it_is() -> None:
    """`~key` has no value and stays among the fixed overrides."""
    assert parse_space(["~x", "~y=1", "z="]).fixed == ("~x", "~y=1", "z=''")


def test_a_space_survives_storage() -> None:
    """JSON brings back an equal space, with the types of every choice."""
    space = parse_space(
        ["a=1,2.0,x", "b=range(0,1,0.1)", "c=tag(log,interval(1e-4,1.0))", "d=[1],[2]", "e=1"]
    )
    stored = json.dumps(space.to_json(), allow_nan=False)
    back = Space.from_json(json.loads(stored))
    assert back == space
    assert repr(back.dimensions[0].choices) == "(1, 2.0, 'x')"


def test_overrides_are_given_for_the_keys_at_hand() -> None:
    """Values for some of the keys give the overrides of those, in the order of the space."""
    space = parse_space(["a=1,2", "b=x,'y z'", "c=3,4"])
    assert space.overrides({"b": "y z", "a": 2}) == ["a=2", "b='y z'"]


def test_the_first_point_lies_at_the_beginning_of_every_dimension() -> None:
    """A space has a first point even when it is continuous."""
    space = parse_space(["a=5,2", "b=interval(0.5,1.0)", "c=range(3,0,-1)"])
    assert space.first() == {"a": 5, "b": 0.5, "c": 3}


def test_a_label_of_another_space_is_refused() -> None:
    """A value that is no choice is named together with the dimension."""
    with pytest.raises(ConfigError, match="`True` is not a value of `x=1,2`"):
        one("x=1,2").text(True)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (["a=1,2"], ["a=1,2"], ""),
        (["a=1,2"], ["a=1,2,3"], "`a=1,2` is now `a=1,2,3`"),
        (["a=1,2"], ["a=1,2", "b=3,4"], "`b=3,4` was added"),
        (["a=1,2", "b=3,4"], ["b=3,4"], "`a=1,2` was removed"),
        (["a=1,2", "b=3,4"], ["b=3,4", "a=1,2"], "the order was a, b and is now b, a"),
        (["a=1,2", "c=1"], ["a=1,2"], "fixed was c=1 and is now nothing"),
        (["a=interval(1,2)"], ["a=tag(log,interval(1,2))"], "tag(log, interval(1,2))"),
    ],
    ids=["same", "changed", "new", "gone", "order", "fixed", "log"],
)
def test_a_difference_is_told_in_words(before: list[str], after: list[str], said: str) -> None:
    """A study of another space says what is different, and nothing when nothing is."""
    difference = parse_space(before).difference(parse_space(after))
    assert said in difference
    assert bool(difference) == bool(said)


def test_a_long_dimension_is_shown_short() -> None:
    """Only the ends of a long range are printed."""
    assert str(one("x=range(0,100)")) == "x=0,1,2,...,99"


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("x=choice(16)", r"single value.* type `x=16`"),
        ("x=16,16", "single value"),
        ("x=range(0,0)", r"empty.*range\(0,4\)"),
        ("x=range(4,0)", r"negative step.*range\(3,-1,-1\)"),
        ("x=range(0,1,0)", "never ends"),
        ("x=range(0.0,1.0,0)", "never ends"),
        ("x=range(0,inf,1)", "never ends"),
        ("x=range(0,100000000)", r"more than 10000 values.*interval\(0,100000000\)"),
        ("x=range(0,1,1e-9)", "more than 10000 values"),
        ("x=range(1e-20,1,0.1)", "fewer digits"),
        ("x=interval(5,1)", r"starts above its end; type `x=interval\(1,5\)`"),
        ("x=interval(0.0,inf)", "never ends"),
        ("x=interval(a,b)", "interval is typed as x=interval"),
        ("x=tag(log,interval(0,1))", r"starts above 0; type `x=tag\(log, interval"),
        ("x=tag(log,range(0,9))", "starts above 0"),
        ("x=tag(log,range(1,9,2))", r"no steps; type `x=tag\(log, interval\(1,7\)\)`"),
        ("x=tag(log,choice(1,2))", "not for choices"),
        ("x=tag(lgo,interval(1,2))", "the tags are log and one of int, float"),
        ("x=tag(int,float,interval(1,2))", "the tags are log and one of int, float"),
        ("hydra.job.name=a,b", "a setting of Hydra itself"),
        ("hydra/launcher=a,b", "a setting of Hydra itself"),
        ("x=choice(1,2", r"\( is not closed"),
        ("x=1,,2", "a value is missing before or after a comma"),
        ("x=chioce(1,2)", r"there is no function chioce. Did you mean x=choice\(1,2\)"),
        ("x=choice()", r"choice is typed as x=choice"),
        ("filters", "'filters' is not KEY=VALUE"),
        ("x=range(0,3),5", "a sweep cannot stand inside"),
        ("x=[choice(1,2)]", "a sweep cannot stand inside"),
        ("x=choice(choice(1,2),3)", "a sweep cannot stand inside"),
        ("x=glob(*)", "type the options"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_plain_words(expression: str, said: str) -> None:
    """Each impossible expression gives one error of one or two lines that shows a way out."""
    with pytest.raises(ConfigError, match=said) as refusal:
        parse_space([expression])
    assert len(str(refusal.value).splitlines()) <= 2
    assert expression in str(refusal.value)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("model=glob(x*)", "its options are cnn, custom, dnn"),
        ("model.filters=glob(*)", "it is not a config group"),
    ],
)
def test_a_glob_that_matches_nothing_names_the_options(expression: str, said: str) -> None:
    """A pattern without a match is refused with what there is."""
    with pytest.raises(ConfigError, match=said):
        parse_space([expression], Groups())


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"model": {"filters": "1,2"}}, "one key: `model.filters: choice"),
        ({"model": {}}, "holds a mapping"),
        ({"x": []}, "empty list"),
        ({"x": [16]}, "single value"),
        ({"x": b"bytes"}, "not the bytes"),
        (OmegaConf.create({"x": "${missing}"}), "cannot be resolved: Interpolation"),
    ],
    ids=["nested", "nested-empty", "empty", "one", "type", "interpolation"],
)
def test_params_that_mean_nothing_are_refused(params: dict[str, object], said: str) -> None:
    """A value of `params` that is no sweep is refused with the key it stands under."""
    with pytest.raises(ConfigError, match=said):
        parse_space(params)


def test_params_become_overrides_that_can_be_joined_with_typed_ones() -> None:
    """Lists turn into comma lists, which take null as `choice()` does not in Hydra."""
    assert params_to_overrides({"x": [None, 1], "y": "range(0,3)", "z": 0.1}) == [
        "x=null,1",
        "y=range(0,3)",
        "z=0.1",
    ]


def shown(params: dict[str, object], *, typed: tuple[str, ...] = ()) -> str:
    """The dimensions of some params with their conditions."""
    return str(parse_space(params, typed=typed))


def brute_force() -> list[dict[str, object]]:
    """The cells of `CONDITIONAL`, by plain loops over every value and plain conditions."""
    found: list[dict[str, object]] = []
    grid = itertools.product(
        ["dnn", "cnn"], [0, 1, 2, 3], [16, 32, 64], [3, 5], [0.0, 0.2, 0.4], [True, False]
    )
    for model, blocks, filters, kernel, dropout, norm in grid:
        cell: dict[str, object] = {"model": model, "model.dropout": dropout}
        if model == "cnn":
            cell["model.conv_blocks"] = blocks
            if blocks in (1, 2):
                cell["model.filters"] = filters
                if filters != 64:
                    cell["model.kernel_size"] = kernel
        if dropout < 0.3:
            cell["model.batch_norm"] = norm
        if cell not in found:
            found.append(cell)
    return found


def test_enumeration_of_a_conditional_space_equals_brute_force() -> None:
    """Each distinct cell comes once, in product order, and `size` counts just those."""
    space = parse_space(CONDITIONAL)
    cells = list(space.cells())
    assert cells == brute_force()
    assert space.size == len(cells)


@pytest.mark.parametrize(
    ("asked", "active"),
    [
        ("> 1", [2, 3]),
        (">=1", [1, 2, 3]),
        ("<1", [0]),
        ("<=1", [0, 1]),
        ("!=1", [0, 2, 3]),
        ("==1", [1]),
        ("=1", [1]),
        (1, [1]),
        (1.0, [1]),
        ("1", [1]),
        ([0, 3], [0, 3]),
    ],
)
def test_a_condition_holds_for_the_values_it_names(asked: object, active: list[int]) -> None:
    """A plain value, a list and each comparison mean what they look like."""
    params = {"a": "range(0,4)", "b": {"sweep": "x,y", "when": {"a": asked}}}
    cells = parse_space(params).cells()
    assert list(dict.fromkeys(cell["a"] for cell in cells if "b" in cell)) == active


@pytest.mark.parametrize(
    ("sweep", "asked", "active"),
    [
        ("null,true,cnn", None, [None]),
        ("null,true,cnn", True, [True]),
        ("null,true,cnn", "!=null", [True, "cnn"]),
        ("null,true,cnn", "!= cnn", [None, True]),
        ("[16,32],[32,64]", "[16,32]", ["[16,32]"]),
        ("[16,32],[32,64]", [[32, 64]], ["[32,64]"]),
        ("1,1.0,true", 1, ["1"]),
        ("'a b',c", "!='a b'", ["c"]),
        ("range(0,0.6,0.1)", ">=0.3", [0.3, 0.4, 0.5]),
        ("range(3,-1,-1)", ">1", [3, 2]),
        ("interval(2,5)", ">3", [4, 5]),
    ],
)
def test_a_condition_knows_every_kind_of_value(
    sweep: str, asked: object, active: list[object]
) -> None:
    """Words, null, booleans, lists, fractions and ranges can be asked for."""
    cells = parse_space({"a": sweep, "b": {"sweep": "x,y", "when": {"a": asked}}}).cells()
    found = list(dict.fromkeys((type(cell["a"]), cell["a"]) for cell in cells if "b" in cell))
    assert found == [(type(value), value) for value in active]


def test_a_dimension_comes_after_those_it_depends_on() -> None:
    """Params may be written in any order; only what depends on another moves behind it."""
    keys = [dimension.key for dimension in parse_space(CONDITIONAL).dimensions]
    assert keys == [
        "model",
        "model.conv_blocks",
        "model.filters",
        "model.kernel_size",
        "model.dropout",
        "model.batch_norm",
    ]


def test_a_condition_may_be_nested_and_leave_out_the_plus() -> None:
    """Groups of keys, and a key that is added to the config, are found as they are meant."""
    params = {"+a.x": "1,2", "b": {"sweep": "x,y", "when": {"a": {"x": 1}}}}
    assert shown(params) == "+a.x=1,2 b=x,y (when +a.x=1)"


def test_a_condition_can_be_typed_in_hydras_syntax() -> None:
    """What Hydra reads from a mapping on the command line is a space."""
    typed = "p={f:{sweep:'choice(1,2)',when:{m.blocks:'>0'}},m.blocks:'range(0,3)'}"
    assert shown(OverridesParser.create().parse_override(typed).value()) == (
        "m.blocks=0,1,2 f=1,2 (when m.blocks>0)"
    )


def test_a_huge_conditional_space_is_counted_without_walking_through_it() -> None:
    """The size comes from the conditions, not from the cells."""
    params = {
        "a": "range(0,1000)",
        "b": {"sweep": "interval(1,1000000)", "when": {"a": ">=500"}},
        "c": {"sweep": "interval(1,1000000)", "when": {"a": "<10"}},
        "d": "interval(1,1000000)",
    }
    assert parse_space(params).size == (500 * 10**6 + 10 * 10**6 + 490) * 10**6


def test_a_continuous_key_may_decide_and_depend() -> None:
    """An interval can stand on either side of a condition; the space then has no size."""
    params = {
        "a": "interval(0.0,1.0)",
        "b": {"sweep": "interval(0.0,1.0)", "when": {"a": ">0.5"}},
    }
    space = parse_space(params)
    assert space.size is None
    assert space.first() == {"a": 0.0}
    assert space.point({"a": 0.6}) == {"a": 0.6, "b": 0.0}


@pytest.mark.parametrize("asked", [">0.0", "<1.0", "!=0.25", 0.25])
def test_a_condition_on_an_interval_is_open_where_both_answers_lie_in_it(asked: object) -> None:
    """Neither an end nor a single number in an interval makes a condition a mistake."""
    space = parse_space({"a": "interval(0.0,1.0)", "b": {"sweep": "1,2", "when": {"a": asked}}})
    assert space.conditional


def test_conditions_may_meet_between_the_numbers_they_name() -> None:
    """Two conditions that leave only the inside of an interval are possible together."""
    params = {
        "a": "interval(0.0,1.0)",
        "b": {"sweep": "1,2", "when": {"a": ">0.5"}},
        "c": {"sweep": "1,2", "when": {"a": "<1.0", "b": 1}},
    }
    assert [d.key for d in parse_space(params).dimensions] == ["a", "b", "c"]


def test_a_condition_may_only_ask_that_a_key_counts() -> None:
    """Every value of a key that does not always count is a condition of its own."""
    params = {
        "a": "1,2",
        "b": {"sweep": "1,2", "when": {"a": 1}},
        "c": {"sweep": "1,2", "when": {"b": [1, 2]}},
    }
    cells = list(parse_space(params).cells())
    assert [len(cell) for cell in cells] == [3, 3, 3, 3, 1]


def test_a_point_has_only_the_keys_that_count() -> None:
    """The first point, and the first with some values, leave out what is inactive there."""
    space = parse_space({"model.conv_blocks": "range(0,3)", "model.filters": FILTERS})
    assert space.first() == {"model.conv_blocks": 0}
    assert space.point({"model.conv_blocks": 2}) == {"model.conv_blocks": 2, "model.filters": 16}
    assert space.point({"model.filters": 64}) == {"model.conv_blocks": 0}


def test_only_active_keys_are_asked_for() -> None:
    """A trial is asked in the order of dependency, and holds nothing that does not count."""
    space = parse_space(CONDITIONAL)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    cells = list(space.cells())
    for _ in range(60):
        trial = study.ask()
        point = space.suggest(trial)
        assert point in cells
        assert set(trial.params) == set(point)


def test_an_enqueued_conditional_cell_is_suggested_again() -> None:
    """Each cell comes out of Optuna's queue as it went in."""
    space = parse_space(CONDITIONAL)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for cell in space.cells():
        study.enqueue_trial(cell)
        assert space.suggest(study.ask()) == cell


def test_a_conditional_space_survives_storage() -> None:
    """JSON brings back an equal space with its conditions."""
    space = parse_space(CONDITIONAL)
    back = Space.from_json(json.loads(json.dumps(space.to_json(), allow_nan=False)))
    assert back == space
    assert list(back.cells()) == list(space.cells())


def test_a_space_without_conditions_is_stored_as_it_always_was() -> None:
    """No `when` is written where there is none, and what was stored without it is read."""
    plain = parse_space(["a=1,2"]).to_json()
    assert "when" not in plain["dimensions"][0]
    assert Space.from_json(plain).dimensions[0].when == ()


def test_a_changed_condition_is_a_difference() -> None:
    """Two spaces that differ in a condition only are not equal, and say so."""
    before, after = (
        parse_space({"a": "range(0,3)", "b": {"sweep": "x,y", "when": {"a": asked}}})
        for asked in (">0", [1])
    )
    assert before != after
    assert before.difference(after) == "`b=x,y (when a>0)` is now `b=x,y (when a=1)`"


def test_a_typed_sweep_keeps_the_condition_of_its_key() -> None:
    """Other values on the command line change what is tried, not when it means something."""
    params = {"model.conv_blocks": "range(0,3)", "model.filters": FILTERS}
    space = parse_space([params, "model.filters=4,8"])
    assert str(space) == "model.conv_blocks=0,1,2 model.filters=4,8 (when model.conv_blocks>0)"


@pytest.mark.parametrize(
    ("params", "typed", "said"),
    [
        ({}, "model.conv_blocks=2", "model.filters=16,32,64"),
        ({}, "model.conv_blocks=0", ""),
        ({"model.conv_blocks": 2}, "", "model.filters=16,32,64"),
        ({"model.conv_blocks": "1,2"}, "model.conv_blocks=1,2", "conv_blocks=1,2 model.filters"),
        ({"model.conv_blocks": "0,-1"}, "++model.conv_blocks=0,-1", "model.conv_blocks=0,-1"),
        ({"model.conv_blocks": "0,1"}, "model.conv_blocks=0,1", "(when model.conv_blocks>0)"),
    ],
    ids=["holds", "fails", "holds-in-params", "narrowed-holds", "narrowed-fails", "open"],
)
def test_the_command_line_settles_conditions(
    params: dict[str, object], typed: str, said: str
) -> None:
    """A key that is set, or whose sweep is typed, answers the conditions on it where it can."""
    given = tuple(filter(None, [typed]))
    space = parse_space({**params, "model.filters": FILTERS}, typed=given)
    assert said in str(space)
    assert (space.conditional, len(space.dimensions)) == (
        "when" in said,
        len(str(space).split("=")) - 1,
    )


def test_what_depends_on_a_key_that_went_goes_too() -> None:
    """A key that the command line took out of the space leaves nothing hanging on it."""
    params = {**CONDITIONAL}
    del params["model"]
    assert shown(params, typed=("model=dnn", "~x", "search=own")).startswith("model.dropout=")


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ({"c": 1}, "`b` has a condition on `c`, which is not swept; a condition names one of a."),
        ({"b": "x"}, "are circular: b -> b"),
        ({"a": 7}, "never holds: `a=7` is not one of `a=0,1,2`"),
        ({"a": [1, 7]}, "`a=7` is not one of `a=0,1,2`"),
        ({"a": "!=7"}, "`a=7` is not one of `a=0,1,2`"),
        ({"a": ">2"}, "`a>2`, which never holds in `a=0,1,2`"),
        ({"a": ">=0"}, "`a>=0`, which always holds in `a=0,1,2`; leave it out"),
        ({"a": [0, 1, 2]}, "`a in 0,1,2`, which always holds"),
        ({"a": ">cnn"}, "compares numbers"),
        ({"a": ">"}, "a comparison is with one value"),
        ({"a": "!=1,2"}, "a comparison is with one value"),
        ({"a": []}, "`a: []`, which never holds"),
        ({"a": "one"}, "`a=one` is not one of"),
        ({"a": True}, "`a=True` is not one of"),
    ],
)
def test_a_condition_that_means_nothing_is_refused(when: dict[str, object], said: str) -> None:
    """Unknown keys, values that there are not, and conditions with one answer are told."""
    with pytest.raises(ConfigError) as refusal:
        parse_space({"a": "range(0,3)", "b": {"sweep": "x,y", "when": when}})
    assert said in str(refusal.value)
    assert str(refusal.value).startswith(("`b` has ", "The conditions are circular"))


def test_words_are_not_compared_as_numbers() -> None:
    """A comparison of a key that has words lists the way out."""
    with pytest.raises(ConfigError, match="not all are numbers in `a=dnn,cnn`; list the values"):
        parse_space({"a": "dnn,cnn", "b": {"sweep": "1,2", "when": {"a": ">0"}}})


def test_a_circle_is_shown() -> None:
    """Keys that wait for each other are named in order."""
    params = {
        key: {"sweep": "1,2", "when": {other: 1}} for key, other in [("a", "b"), ("b", "c")]
    } | {"c": {"sweep": "1,2", "when": {"a": 1}}}
    with pytest.raises(ConfigError, match="circular: a -> b -> c -> a"):
        parse_space(params)


def test_conditions_that_exclude_each_other_are_refused() -> None:
    """A key that could count in no point is named, though each condition may hold."""
    params = {
        "a": "1,2",
        "b": {"sweep": "1,2", "when": {"a": 1}},
        "c": {"sweep": "x,y", "when": {"a": 2, "b": 1}},
    }
    with pytest.raises(ConfigError, match=r"`c=x,y \(when a=2 and b=1\)` never hold together"):
        parse_space(params)


@pytest.mark.parametrize(
    "value",
    [
        {"when": {"a": 1}},
        {"sweep": "1,2", "when": {}},
        {"sweep": "1,2", "when": "a>0"},
        {"sweep": "1,2", "if": {"a": 1}},
    ],
    ids=["no-sweep", "empty", "text", "other-key"],
)
def test_a_misshapen_condition_shows_how_it_is_written(value: dict[str, object]) -> None:
    """A mapping that is not a sweep with a condition gives an example."""
    with pytest.raises(ConfigError, match=r"params\.b is .*\{sweep: choice\(16,32\), when: "):
        parse_space({"a": "1,2", "b": value})


def test_one_value_may_count_where_its_condition_holds() -> None:
    """A key that has one value there is left alone elsewhere."""
    space = parse_space({"a": "null,1", "b": {"sweep": 5, "when": {"a": None}}})
    assert list(space.cells()) == [{"a": None, "b": 5}, {"a": 1}]
    assert space.overrides({"a": None, "b": 5}) == ["a=null", "b=5"]
    assert Space.from_json(space.to_json()) == space


def test_a_value_that_is_typed_counts_everywhere() -> None:
    """Set on the command line, a key keeps nothing of the condition that YAML gave it."""
    space = parse_space([{"a": "1,2", "b": {"sweep": 5, "when": {"a": 1}}}, "b=6"])
    assert (str(space), space.fixed) == ("a=1,2", ("b=6",))


def test_a_sweep_may_be_written_as_a_mapping_without_a_condition() -> None:
    """The long form means the same as the short one."""
    assert parse_space({"a": {"sweep": [1, 2]}}) == parse_space({"a": [1, 2]})


@pytest.mark.parametrize(
    ("expression", "value", "label"),
    [
        ("x=1,2", 2, 2),
        ("x=1,2", 2.0, 2),
        ("x=1,2", "2", 2),
        ("x=1,'1'", "1", "1"),
        ("x=true,false", True, True),
        ("x=[1,2],[3]", [1, 2], "[1,2]"),
        ("x=range(0,1,0.1)", 0.3, 0.3),
        ("x=interval(1,9)", 9, 9),
        ("x=interval(0.0,1.0)", 1, 1.0),
    ],
)
def test_a_plain_value_has_a_label(expression: str, value: object, label: object) -> None:
    """What stands in YAML, or its text, is found among the values of a dimension."""
    assert repr(one(expression).label(value)) == repr(label)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("x=1,2", 3),
        ("x=1,2", True),
        ("x=1,2", None),
        ("x=range(0,1,0.1)", 0.35),
        ("x=interval(1,9)", 1.5),
        ("x=interval(1,9)", 10),
        ("x=interval(0.0,1.0)", float("nan")),
        ("x=interval(0.0,1.0)", "0.5"),
    ],
)
def test_a_value_outside_a_dimension_has_no_label(expression: str, value: object) -> None:
    """A value that cannot be tried is refused with those that can."""
    dimension = one(expression)
    with pytest.raises(ConfigError) as refusal:
        dimension.label(value)
    assert f"is not one of `{dimension}`" in str(refusal.value)


def test_a_value_of_many_is_found_without_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of a cell does not grow with the values of its dimensions."""
    space = parse_space({"seed": "range(0,3000)", "model.filters": "4,8"})
    cells = list(itertools.islice(space.cells(), 10))
    space.overrides(cells[0])  # makes the tables
    compared: list[object] = []
    monkeypatch.setattr(dimension, "is_number", lambda value: compared.append(value) or True)
    for cell in cells:
        space.overrides(cell)
    assert len(compared) <= 4 * len(cells)


def test_a_cell_is_known_by_its_labels() -> None:
    """Those of the keys that count in it, in their order."""
    space = parse_space(
        {
            "model.conv_blocks": "range(0,3)",
            "model.filters": {"sweep": "choice(4,8)", "when": {"model.conv_blocks": ">0"}},
            "seed": "range(0,2)",
        }
    )
    for cell in space.cells():
        assert space.cell(list(cell.values())) == cell
