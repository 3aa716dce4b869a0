"""User-visible text uses the field's terms: words that were retired do not come back.

It looks at the strings of the package (not its docstrings and comments), the templates of the
report, `conf/`, the Makefile's help and the documents. A retired word has the term that is used
instead, which the failure shows.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(
    path for folder in ("cnn_sweeps", "hydra_plugins") for path in (ROOT / folder).rglob("*.py")
)
TEXTS = sorted(
    [
        *(path for path in (ROOT / "conf").rglob("*.yaml")),
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "cnn_sweeps").rglob("*.html"),
        *(ROOT / name for name in ("Makefile", "mlruns/README.md", "benchmarks/README.md")),
        *ROOT.glob("*.md"),
    ]
)

RETIRED = {
    # what happened to epochs, runs and trials
    r"known already|already known": "from cache",
    r"answered from": "reused from",
    r"(?:put|puts|putting) back": "requeued; for a file: restore a backup",
    r"begun again|begin again|begins again": "requeued, retried",
    r"gone on with|goes on with it": "resumed, run the command again to continue",
    r"(?:best|done|do it|does it) again": "rerun best; reproduce",
    r"once more": "again",
    r"nobody saw why": "unknown reason",
    r"for want of memory|memory ran out": "out of memory",
    r"cut (?:off|short)": "truncated",
    r"came to its end|came to an end": "completed",
    r"no trial has a value": "no trial completed",
    r"signs? of life": "heartbeat",
    r"set aside": "quarantined",
    r"nothing is kept": "the cache is empty",
    # remedies
    r"mend(?:s|ed|ing)?": "fix",
    r"move it away|move the file away": "move it",
    r"the first digits do|digits or more will do": "any unique prefix",
    r"take the place of": "overwrites",
    r"is not what this command takes|is nothing that \w+ takes": "unexpected arguments",
    r"is not possible": "is invalid",
    # values
    r"whole numbers?": "integer",
    r"no end of|an end of them": "infinitely many, finite",
    r"(?<!there\s)is no (?:list|metric|seed|direction|study|point|value|parameter)": "is not a",
    r"counts only when|does not count|means? nothing": "is active only when, has no effect",
    # searching and comparing
    r"dear": "expensive",
    r"genetically|genetic algorithm": "evolutionary",
    r"held against": "compared with",
    r"from chance": "confidence interval, significant",
    r"can show": "significant",
    r"chose nothing|had no say": "is not used to select",
    r"what good values": "parameter importance",
    r"who did what": "worker timeline",
    r"what (?:a sweep|it) came to": "report, results",
    r"hopeless": "unpromising",
    # people
    r"remembers?|costs next to nothing": "records; is almost free",
    r"(?:its|their) content gives it a name": "is identified by a hash of its content",
    r"do(?:es)? not do$": "Limitations",
    r"a question, answered|answered$": "a heading that names the task",
}
"""Pattern, as whole words and whatever the case, and what is written instead."""


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """The literals of a module that are no docstring, each with its line; names are left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in documentation and " " in node.value:
            yield node.lineno, node.value


def retired(path: Path) -> list[str]:
    """Each retired word of a file: where it stands and what to write."""
    content = path.read_text(encoding="utf-8")
    texts = strings(path) if path.suffix == ".py" else [(1, content)]
    found = []
    for first, text in texts:
        for words, instead in RETIRED.items():
            # Between two words there may be a line break, and the sign of a comment behind it.
            pattern = words.replace(" ", r"\s+(?:# )?")
            for match in re.finditer(rf"\b(?:{pattern})\b", text, re.IGNORECASE | re.MULTILINE):
                line = first + text.count("\n", 0, match.start())
                found.append(f"{line}: {' '.join(match[0].split())!r}; write: {instead}")
    return found


def name(path: Path) -> str:
    """A file as the failure names it."""
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_messages_use_the_terms_of_the_field(path: Path) -> None:
    """No string of the package has a retired word."""
    assert retired(path) == []


@pytest.mark.parametrize("path", TEXTS, ids=name)
def test_documents_use_the_terms_of_the_field(path: Path) -> None:
    """Neither has a document, a comment of the configuration or the help of make."""
    assert retired(path) == []


def test_a_retired_word_is_found(tmp_path: Path) -> None:
    """In a message, in an f-string and across a line break; not in docstrings and names."""
    code = tmp_path / "code.py"
    code.write_text('"""Put back."""\nlast = f"{1} is put back: mend it"\nput_back = "put_back"\n')
    page = tmp_path / "page.md"
    page.write_text("It was put\nback.\n")
    assert [found.partition(";")[0] for found in retired(code)] == ["2: 'put back'", "2: 'mend'"]
    assert [found.partition(";")[0] for found in retired(page)] == ["1: 'put back'"]
