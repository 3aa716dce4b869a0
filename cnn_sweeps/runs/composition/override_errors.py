"""An override that Hydra cannot read: what is wrong with it, what is possible, what to type.

Source of the grammar: https://hydra.cc/docs/advanced/override_grammar/basic
"""

import re
import shlex
from difflib import get_close_matches

from cnn_sweeps.text.escape import BYTES, NO_TEXT

FORMS = {
    "choice": "choice(16,32)",
    "range": "range(0,4) or range(0.0,1.0,0.25)",
    "interval": "interval(0.0,0.5)",
    "tag": "tag(log, interval(0.0001,0.1))",
    "glob": "glob(*)",
    "sort": "sort(32,16)",
    "shuffle": "shuffle(16,32)",
    **{name: f"{name}(16)" for name in ("int", "float", "str", "bool")},
}
"""How each function of an override is typed."""
ELSEWHERE = {
    **dict.fromkeys(("randint", "int_uniform"), "interval({0},{1})"),
    **dict.fromkeys(("uniform", "float_uniform"), "interval({0},{1})"),
    **dict.fromkeys(("loguniform", "log_uniform", "log"), "tag(log, interval({0},{1}))"),
    **dict.fromkeys(("quniform", "qrandint", "arange"), "range({0},{1},{2})"),
    **dict.fromkeys(("grid", "grid_search", "categorical", "values", "list", "set"), "{all}"),
}
"""Names that other programs have for a range, and the same in an override."""
WHOLE = ("randint", "int_uniform", "qrandint", "arange")
"""Those of whole numbers; `uniform(0,1)` means any number between."""
CALL = re.compile(r"\s*([\w.]+)\s*[(\[](.*)[)\]]\s*", re.DOTALL)
LISTED = re.compile(r"[({]([\w\s.+-]+(?:,[\w\s.+-]+)+)[)}]", re.ASCII)
KEY = re.compile(r"(\+\+|\+|~)?[\w./@:$-]+", re.ASCII)
BARE = re.compile(r"[\w\s/\-\\+.$%*@?|:,()\[\]{}'\"]", re.ASCII)
"""Characters that may stand in a value without quotes, and those that mean something there."""
CLOSING = {"(": ")", "[": "]", "{": "}"}


def explain(text: str) -> str:
    """Say why `KEY=VALUE` cannot be read, and what to type instead."""
    key, equals, value = text.partition("=")
    if not equals:
        return f"{text!r} is not KEY=VALUE, such as model.filters=32."
    if BYTES.search(text):
        return NO_TEXT.format(key=key)
    if not KEY.fullmatch(key):
        return f"{text!r} cannot be read: {key!r} is no key, such as model.filters."
    faults = (_call, _brackets, _commas, _listed, _character)
    fault = next((told for check in faults if (told := check(key, value))), None)
    return f"{text!r} cannot be read" + (fault or _quotes(key, value))


def _call(key: str, value: str) -> str | None:
    """What is wrong with a function, if the value is the call of one."""
    called = CALL.fullmatch(value)
    if called is None:
        return None
    name = called[1]
    if form := ELSEWHERE.get(name.lower()):
        typed = shlex.quote(f"{key}={_filled(form, *called.groups())}")
        return f": there is no {name}.\n  Type {typed}"
    if name in FORMS:
        return f": {name} is typed as {key}={FORMS[name]}."
    near = get_close_matches(name.lower(), FORMS, n=1, cutoff=0.5)
    hint = f" Did you mean {key}={near[0]}({called[2]})?" if near else ""
    return f": there is no function {name}.{hint}\n  Functions are {', '.join(FORMS)}."


def _filled(form: str, name: str, arguments: str) -> str:
    """What another program's function is here, with its arguments as far as they go."""
    given = [part for each in arguments.split(",") if (part := each.strip(" []()"))]
    ends = given if name.lower() in WHOLE else [*map(_with_point, given)]
    return form.format(*ends, *("START", "STOP", "STEP")[len(ends) :], all=",".join(given))


def _with_point(number: str) -> str:
    """A whole number as one with a fraction: an interval between such holds anything between."""
    return f"{number}.0" if re.fullmatch(r"-?\d+", number) else number


def _brackets(_key: str, value: str) -> str | None:
    """The first bracket or quote that lacks its other half."""
    opened: list[str] = []
    quote = ""
    for character, before in zip(value, " " + value, strict=False):
        if quote:
            quote = "" if character == quote and before != "\\" else quote
        elif character in "'\"":
            quote = character
        elif character in CLOSING:
            opened.append(character)
        elif character in CLOSING.values() and (not opened or CLOSING[opened.pop()] != character):
            return f": {character} closes nothing."
    if quote:
        return f": the quote {quote} is not closed."
    return f": {opened[-1]} is not closed; {CLOSING[opened[-1]]} is missing." if opened else None


def _commas(key: str, value: str) -> str | None:
    """A comma with nothing before or behind it."""
    parts = [part.strip() for part in value.split(",")]
    if "" not in parts or len(parts) == 1:
        return None
    kept = ",".join(part for part in parts if part)
    return f": a value is missing before or after a comma.\n  Type {key}={kept or 'VALUE'}"


def _listed(key: str, value: str) -> str | None:
    """Values in brackets that are no list in Hydra."""
    listed = LISTED.fullmatch(value)
    if listed is None:
        return None
    inner = ",".join(part.strip() for part in listed[1].split(","))
    return (
        f": {value[0]} begins no list.\n  Type {key}={inner} to sweep over the values, "
        f"or {shlex.quote(f'{key}=[{inner}]')} for a list."
    )


def _character(key: str, value: str) -> str | None:
    """A character that cannot stand without quotes."""
    special = next((each for each in value if not BARE.fullmatch(each)), None)
    if special is None:
        return None
    return f": the character {special} has to stand in quotes.\n  Type {_quoted(key, value)}"


def _quotes(key: str, value: str) -> str:
    return (
        ". A value with spaces, commas, brackets or = in it needs quotes.\n"
        f"  Type {_quoted(key, value)}"
    )


def _quoted(key: str, value: str) -> str:
    """The override with its value in quotes, to be pasted into a shell."""
    if value.startswith(("[", "{")):
        value = re.sub(r":(?=[\d.])", ": ", value)  # what is in quotes is read as YAML
    inner = re.sub(r'(\\*)"', r'\1\1\\"', value)  # the grammar doubles backslashes only there
    inner = re.sub(r"(\\+)\Z", r"\1\1", inner)
    return shlex.quote(f'{key}="{inner}"')
