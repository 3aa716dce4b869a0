"""One Hydra override, parsed, to one dimension.

What Hydra leaves to the sweeper is settled here:

- `interval(a,b)` holds both ends, as in Optuna, and is a range of whole numbers when both
  ends are written as such: `interval(16,64)`, but `interval(0.0,0.5)`.
- The tags are `log`, `int` and `float`; any other is refused rather than passed over.
- `shuffle` gives the same order for the same expression, so that a study can be resumed.

Source of the grammar: https://hydra.cc/docs/advanced/override_grammar/extended
"""

import inspect
import math
from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import islice
from random import Random
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser, create_functions
from hydra.core.override_parser.types import (
    ChoiceSweep,
    Glob,
    IntervalSweep,
    Override,
    QuotedString,
    RangeSweep,
    Sweep,
)
from hydra.errors import HydraException

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.runs.composition import override_errors
from cnn_sweeps.sweeps.space.dimension import Dimension, categorical
from cnn_sweeps.sweeps.space.value import text_of

if TYPE_CHECKING:
    from hydra._internal.grammar.functions import Functions
    from hydra.core.config_loader import ConfigLoader

MOST_VALUES = 10_000
LARGEST = 2**53
"""The largest integer of a range: samplers count in floating point, exact up to there."""
TAGS = ("log", "int", "float")


def read_override(
    text: str, config_loader: "ConfigLoader | None" = None, *, as_hydra: bool = False
) -> Override:
    """One override string, parsed.

    Args:
        text: as on the command line: `model.filters=16,32`.
        config_loader: where `glob` looks up the options of a config group.
        as_hydra: whether `interval(1,5)` holds any number between, as in other applications.

    Raises:
        ConfigError: Hydra's grammar does not know it.
    """
    functions = _functions(whole_intervals=not as_hydra)
    parser = OverridesParser(functions=functions, config_loader=config_loader)
    try:
        return parser.parse_overrides([text])[0]
    except HydraException:
        raise ConfigError(override_errors.explain(text)) from None


def fixed_override(override: Override) -> str:
    """An override without a sweep, as it is given to every trial."""
    key = override.get_key_element()
    if override.value_type is None:  # ~key
        return key
    return f"{key}={text_of(value_of(override))}"


def expression_of(override: Override) -> str:
    """What stands behind the `=` of an override."""
    return (override.input_line or "").partition("=")[2]


def value_of(override: Override) -> Any:
    """The plain value that an override without a sweep sets."""
    return _plain(override.value(), override)


def dimension_of(override: Override, *, as_hydra: bool = False) -> Dimension:
    """An override with a sweep, as a dimension.

    Args:
        override: as `read_override` gives it.
        as_hydra: whether a choice may have a single value, as in other applications.

    Raises:
        ConfigError: it cannot be searched.
    """
    typed, sweep = override.input_line, override.value()
    if override.is_hydra_override():
        raise ConfigError(
            f"`{typed}` sweeps a setting of Hydra itself, which is the same for all trials; "
            f"sweep a key of the experiment: model.filters=16,32."
        )
    if isinstance(sweep, IntervalSweep):
        return _interval(override, sweep)
    if isinstance(sweep, RangeSweep):
        return _range(override, sweep)
    if isinstance(sweep, ChoiceSweep):
        return _choice(override, sweep, single=as_hydra)
    return _glob(override)


def _choice(override: Override, sweep: ChoiceSweep, *, single: bool) -> Dimension:
    key, typed = override.get_key_element(), override.input_line
    if sweep.tags:
        raise ConfigError(
            f"`{typed}`: tags are for ranges of numbers, not for choices; leave the "
            f"tag out, or type `{key}=tag(log, interval(16,64))`."
        )
    values = [_plain(value, override) for value in sweep.list]
    if sweep.shuffle:
        Random(typed).shuffle(values)  # noqa: S311 - an order, not a secret
    dimension = categorical(key, values)
    if len(dimension.choices) == 1 and not single:
        only = dimension.texts[0]
        raise ConfigError(
            f"`{typed}` has a single value; type `{key}={only}` to "
            f"set it, or more values: `{key}={only},...`."
        )
    return dimension


def _range(override: Override, sweep: RangeSweep) -> Dimension:
    key, typed = override.get_key_element(), override.input_line
    cast = _cast(override, sweep.tags)
    given = _finite(sweep.start, sweep.stop, sweep.step)
    start, stop, step = map(cast, given or (0, 0, 0))
    if step == 0:
        raise ConfigError(
            f"`{typed}` never ends; type `{key}=range(0,4)`, or `{key}=range(0,1,0.25)` with a "
            "step other than 0."
        )
    numbers = _members(start, stop, step)
    if not numbers:
        raise ConfigError(
            f"`{typed}` is empty: a range leaves its stop out, and a falling one needs a negative "
            f"step; type `{key}=range(0,4)` for 0,1,2,3 or `{key}=range(3,-1,-1)`."
        )
    if len(numbers) > MOST_VALUES:
        raise ConfigError(
            f"`{typed}` has more than {MOST_VALUES} values; "
            f"type `{key}=interval({start},{stop})` for anything between."
        )
    low, high, log = min(numbers), max(numbers), "log" in sweep.tags
    whole = isinstance(low, int)
    _check_log(override, low, log=log)
    if log and not (whole and abs(step) == 1):
        raise ConfigError(
            f"`{typed}`: a logarithmic range has no steps; "
            f"type `{key}=tag(log, interval({low},{high}))`."
        )
    if (Decimal(str(high)) - Decimal(str(low))) % Decimal(str(step)):
        raise ConfigError(
            f"`{typed}` cannot be counted in steps; write its numbers with fewer digits: "
            f"`{key}=range(0,1,0.25)`."
        )
    if sweep.shuffle:
        Random(typed).shuffle(numbers)  # noqa: S311 - an order, not a secret
    return Dimension(
        key=key,
        kind="int" if whole else "float",
        choices=tuple(numbers),
        low=low,
        high=high,
        step=abs(step),
        log=log,
    )


def _members(start: float, stop: float, step: float) -> list[Any]:
    """The numbers of a range, one more than are allowed at most.

    Fractions are counted in decimal, so that `range(0,1,0.1)` holds the 0.7 that a single run
    would be given. Hydra adds up the binary ones: 0.7000000000000001, and 0.8 as well, which
    is excluded, in `range(0.1,0.8,0.1)`.
    """
    if all(isinstance(number, int) for number in (start, stop, step)):
        return list(islice(range(int(start), int(stop), int(step)), MOST_VALUES + 1))
    first, last, by = (Decimal(str(number)) for number in (start, stop, step))
    count = max(0, math.ceil((last - first) / by))
    return [float(first + index * by) for index in range(min(count, MOST_VALUES + 1))]


def _interval(override: Override, sweep: IntervalSweep) -> Dimension:
    key, typed = override.get_key_element(), override.input_line
    cast, log = _cast(override, sweep.tags), "log" in sweep.tags
    ends = _finite(sweep.start, sweep.end)
    if ends is None:
        raise ConfigError(f"`{typed}` never ends; type two numbers: `{key}=interval(0.0,0.5)`.")
    low, high = map(cast, ends)
    if not -LARGEST <= low <= high <= LARGEST and isinstance(low, int) and low <= high:
        raise ConfigError(
            f"`{typed}` is too wide: a range of integers is searched from {-LARGEST} to {LARGEST}; "
            f"type `{key}=interval({max(low, 0)},{2**32 - 1})`."
        )
    if low > high:
        raise ConfigError(
            f"`{typed}` is empty: it starts above its end; type `{key}=interval({high},{low})`."
        )
    _check_log(override, low, log=log)
    if isinstance(low, int) and isinstance(high, int):
        return Dimension(key=key, kind="int", low=low, high=high, log=log)
    return Dimension(key=key, kind="float", low=float(low), high=float(high), log=log)


def _glob(override: Override) -> Dimension:
    key, typed = override.get_key_element(), override.input_line
    if override.config_loader is None:
        raise ConfigError(
            f"`{typed}` needs the configuration folder, which is not known here; "
            f"type the options: `{key}=dnn,cnn`."
        )
    names = [_plain(name, override) for name in override.sweep_iterator()]
    if not names:
        options = override.config_loader.get_group_options(override.key_or_group)
        has = f"its options are {', '.join(options)}" if options else "it is not a config group"
        raise ConfigError(
            f"`{typed}` matches nothing in `{override.key_or_group}`: {has}; "
            f"type a pattern that fits, such as `{key}=glob(*)` for a group."
        )
    return categorical(key, names)


def _finite(*numbers: float | None) -> tuple[float, ...] | None:
    """The numbers as they are; None when one of them is missing or without bound."""
    known = tuple(number for number in numbers if number is not None and math.isfinite(number))
    return known if len(known) == len(numbers) else None


def _cast(override: Override, tags: Iterable[str]) -> Callable[[Any], Any]:
    """What the tags make of each number; also the check of the tags."""
    unknown = sorted(set(tags) - set(TAGS))
    if unknown or {"int", "float"} <= set(tags):
        raise ConfigError(
            f"`{override.input_line}`: the tags are log and one of int, float; type "
            f"`{override.get_key_element()}=tag(log, interval(1,10))`."
        )
    if "int" in tags:
        return int
    return float if "float" in tags else _unchanged


def _check_log(override: Override, low: float, *, log: bool) -> None:
    if log and low <= 0:
        raise ConfigError(
            f"`{override.input_line}`: a logarithmic range starts above 0; type "
            f"`{override.get_key_element()}=tag(log, interval(0.0001,0.1))`."
        )


def _plain(value: Any, override: Override) -> Any:
    """A parsed value without the quotes that Hydra remembers."""
    if isinstance(value, QuotedString):
        return value.text
    if isinstance(value, Sweep | Glob):
        raise ConfigError(
            f"`{override.input_line}`: a sweep cannot stand inside a value or another sweep; "
            "type one list of values, such as model.filters=[16,32],[32,64]."
        )
    if isinstance(value, list):
        return [_plain(item, override) for item in value]
    if isinstance(value, dict):
        return {_plain(name, override): _plain(item, override) for name, item in value.items()}
    return value


def _functions(*, whole_intervals: bool) -> "Functions":
    """Hydra's grammar with two of its functions told more.

    Hydra's `interval` turns whole numbers into floats, and its `choice` refuses null.
    """
    functions = create_functions()
    told: dict[str, Callable[..., Sweep]] = {"choice": _any_choice}
    if whole_intervals:
        told["interval"] = _whole_interval
    for name, function in told.items():
        functions.definitions[name] = inspect.signature(function)
        functions.functions[name] = function
    return functions


def _whole_interval(start: int | float, end: int | float) -> IntervalSweep:
    return IntervalSweep(start=start, end=end)


def _any_choice(*args: Any) -> ChoiceSweep:
    if len(args) == 1 and isinstance(args[0], ChoiceSweep) and args[0].simple_form:
        return ChoiceSweep(list=args[0].list, tags=args[0].tags, shuffle=args[0].shuffle)
    if not args:
        raise ValueError("a choice needs values")
    return ChoiceSweep(list=[*args])


def _unchanged(number: Any) -> Any:
    return number
