"""What the documents say can be typed, is there, and names what it says it names."""

import contextlib
import re
import runpy
import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnn_sweeps.api import config_of
from cnn_sweeps.cli import main
from cnn_sweeps.config.fields import find
from cnn_sweeps.config.schema import Config
from cnn_sweeps.data.readers.idx import encode
from cnn_sweeps.provenance.identity import SHOWN, identify
from cnn_sweeps.runs.composition import validate
from cnn_sweeps.runs.experiment import Experiment
from cnn_sweeps.sweeps.comparison import definition

ROOT = Path(__file__).resolve().parents[1]
CONF = Path(validate.config_dir())
OWN = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "mlruns/README.md"]
OWN += [f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))]
OWN.remove("docs/benchmarks.md")  # its commands are those of make
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in OWN}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
PROGRAM = re.compile(r"^(?:\$ )?(?:cnn-sweeps|python -m cnn_sweeps)(?: (.*))?$")
COMMANDS = tuple(main.COMMANDS)
IN_LINE = re.compile(rf"`(cnn-sweeps (?:-m|\S*=|{'|'.join(COMMANDS)})[^`]*)`")
REFUSAL = "cnn-sweeps: "


@dataclass(frozen=True)
class Example:
    """A command line in a document.

    Attributes:
        file: the document; what two of them show is one example.
        arguments: what stands behind the name of the program.
        output: what the document shows below it.
    """

    file: str = field(compare=False)
    arguments: tuple[str, ...]
    output: str = ""

    def __str__(self) -> str:
        return f"{self.file}: {shlex.join(self.arguments)}"


def examples(file: str) -> list[Example]:
    """The command lines that a document shows: in its fenced blocks, its tables and its text."""
    prose = FENCE.sub("", TEXTS[file])
    found = [Example(file, read(line)) for line in IN_LINE.findall(prose)]
    for _, block in FENCE.findall(TEXTS[file]):
        # An output reaches to the next line that is typed.
        parts = re.split(r"^(?=\$ )", block, flags=re.MULTILINE)
        prompted = [part for part in parts if part.startswith("$ ")]
        for text in prompted or block.splitlines():
            line, _, output = text.partition("\n")
            if PROGRAM.match(line):
                found.append(Example(file, read(line), output.rstrip("\n")))
    return found


def read(line: str) -> tuple[str, ...]:
    """The arguments of a command line, as a shell divides them."""
    match = PROGRAM.match(line)
    return tuple(shlex.split((match[1] if match else "") or ""))


ALL = list(dict.fromkeys(example for file in TEXTS for example in examples(file)))
ABOUT_RUNS = [e for e in ALL if e.arguments[:1] and e.arguments[0] in COMMANDS]
EXAMPLES = [e for e in ALL if e not in ABOUT_RUNS]
MADE = {f"data.path={each}" for each in ("pictures", "pictures.csv", "digits.npz")}
"""What the documents let their readers make."""
HASHED = [e for e in EXAMPLES if {"data=digits", *MADE} & {*e.arguments} and " · " in e.output]
OWN_WEIGHTS = "model=pretrained"
"""In an example whose hash has a digest of weights that only its writer has."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the documents let their readers make, made as they say."""
    folder = tmp_path_factory.mktemp("reader")
    with contextlib.chdir(folder):
        for number, code in enumerate(blocks("docs/data.md", "python")):
            script = folder / f"step_{number}.py"
            script.write_text(code, encoding="utf-8")
            runpy.run_path(str(script))
    (network,) = blocks("docs/models.md", "python")
    (folder / "my_nets.py").write_text(network, encoding="utf-8")
    loss, metric = blocks("docs/training.md", "python")
    (folder / "my_losses.py").write_text(loss, encoding="utf-8")
    (folder / "my_metrics.py").write_text(metric, encoding="utf-8")
    *_, space = blocks("docs/sweeps.md", "yaml")
    (folder / "my_conf" / "search").mkdir(parents=True)
    (folder / "my_conf" / "search" / "wide.yaml").write_text(space, encoding="utf-8")
    insects = ("train/ants", "train/bees", "val/ants", "val/bees")
    cifar10 = ("train/cat", "train/dog", "test/cat", "test/dog")
    for place in (*(f"insects/{each}" for each in insects), *(f"cifar10/{e}" for e in cifar10)):
        (folder / place).mkdir(parents=True)
        for number in range(10):
            file = folder / place / f"{number}.png"
            Image.new("RGB", (9, 9), (25 * number, len(place), 200)).save(file)
    (folder / "clothes").mkdir()
    for half in ("train", "t10k"):
        images, labels = np.zeros((20, 28, 28), dtype="uint8"), np.arange(20, dtype="uint8") % 2
        (folder / "clothes" / f"{half}-images-idx3-ubyte").write_bytes(encode(images))
        (folder / "clothes" / f"{half}-labels-idx1-ubyte").write_bytes(encode(labels))
    return folder


@pytest.fixture
def in_made(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory of a reader; a module found there is forgotten afterwards."""
    monkeypatch.chdir(made)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setitem(sys.modules, "my_nets", sys)
    monkeypatch.delitem(sys.modules, "my_nets")


def blocks(file: str, kind: str) -> list[str]:
    """The fenced blocks of one language in a document."""
    return [block for language, block in FENCE.findall(TEXTS[file]) if language == kind]


def check(example: Example, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Carry out a command line up to where training would begin; what would have begun."""
    from cnn_sweeps.sweeps import controller

    begun: list[object] = []
    # A hash in a document stands for one of the reader's own runs.
    monkeypatch.setattr(
        "cnn_sweeps.runs.weights.pretrained.resolve_backbone", lambda config: config.model
    )
    monkeypatch.setattr(controller, "sweep", lambda request, *_: begun.append(request.plan))
    monkeypatch.setattr(
        main,
        "app",
        lambda composed: begun.append(config_of(composed)),
    )
    monkeypatch.setattr(sys, "argv", ["cnn-sweeps", *example.arguments])
    monkeypatch.setenv(main.FULL_ERROR, "0")
    with pytest.raises(SystemExit):
        main.main()
    return begun


def test_the_documents_have_examples() -> None:
    """The tests below are worth as much as what is found in the documents."""
    assert len(EXAMPLES) > 30
    assert len(HASHED) > 5
    assert {example.file for example in EXAMPLES} >= {"README.md", "docs/notebook.md"}
    assert {example.arguments[0] for example in ABOUT_RUNS} == set(COMMANDS)


@pytest.mark.usefixtures("hydra_restore_singletons", "in_made")
@pytest.mark.parametrize("example", [e for e in EXAMPLES if "--cfg" not in e.arguments], ids=str)
def test_every_command_is_accepted_or_refused_as_shown(
    example: Example, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command composes and passes every check, or says just what the document says it does."""
    begun = check(example, monkeypatch)
    printed = capsys.readouterr()
    said = printed.err.strip()
    if begun:
        assert said == ""
    elif "--dry-run" in example.arguments:
        assert (said, "to do" in printed.out) == ("", True)
    else:
        assert said.startswith(REFUSAL)
        assert said == example.output


@pytest.mark.usefixtures("hydra_restore_singletons", "in_tmp")
@pytest.mark.parametrize("example", [e for e in ABOUT_RUNS if len(e.arguments) > 1], ids=str)
def test_commands_about_runs_can_be_typed(
    example: Example, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command comes as far as looking for its run, or for what is kept, which is not there."""
    monkeypatch.setattr("cnn_sweeps.cli.worker.WAIT", 0.0)  # a worker waits for its study
    monkeypatch.setattr(
        sys, "argv", ["cnn-sweeps", *(re.sub(r"^[A-Z]{2,}$", "abcd", a) for a in example.arguments)]
    )
    with pytest.raises(SystemExit) as ended:
        main.main()
    printed = capsys.readouterr()
    nothing = {("cache", "verify"), ("cache", "clear"), ("doctor", "--close-runs")}
    shared = example.arguments[0] == "cache" and "trajectory.store=" in str(example)
    if shared or (
        example.arguments[:2] in nothing
        and not re.search("[0-9a-f]{4}$|_ID$", example.arguments[-1])
    ):
        empty = ("the cache in", "no RUNNING run", "the shared store in")
        images = r"\d+ sets? of decoded images "  # of the tests before
        said = printed.out.startswith(empty) or re.match(images, printed.out)
        assert (ended.value.code, bool(said)) == (0, True)
        return
    assert ended.value.code == 2
    told = "no run has a config hash|no run was ever logged|is not a RUNNING run"
    told += "|is not a folder that|does not respond|no trajectory hash"
    told += "|there is no study in|does not exist|there are no runs"
    told += "|needs the Python package|cannot be used"  # a database that is somebody else's
    assert re.search(told, printed.err)


@pytest.mark.usefixtures("hydra_restore_singletons", "in_made")
@pytest.mark.parametrize(
    "example", [e for e in HASHED if not {"-m", OWN_WEIGHTS} & {*e.arguments}], ids=str
)
def test_hashes_of_runs_are_those_that_are_shown(
    example: Example, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run's hash in a document is the one that its reader gets."""
    (config,) = check(example, monkeypatch)
    assert isinstance(config, Config)
    assert f" · {Experiment.load(config).identity.short} " in example.output


@pytest.mark.parametrize("preset", sorted(p.stem for p in (CONF / "experiment").glob("*.yaml")))
def test_hashes_of_presets_are_those_of_the_table(preset: str) -> None:
    """The table of the notebook names each preset with the hash that it has on that data."""
    text = TEXTS["docs/notebook.md"]
    config = validate.make_config(
        validate.plain_values(validate.compose([f"+experiment={preset}"]))
    )
    (digest,) = re.findall(rf"^\| `{config.data.name}` \| `(\w{{64}})` \|$", text, re.MULTILINE)
    (shown,) = re.findall(rf"^\| `{preset}` \|.*\| `(\w{{{SHOWN}}})` \|$", text, re.MULTILINE)
    assert shown == identify(config, digest).short


@pytest.mark.parametrize("file", TEXTS)
def test_relative_links_lead_to_files(file: str) -> None:
    """Every link within the project points to something that is there."""
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", FENCE.sub("", TEXTS[file]))
    near = [link for link in links if "://" not in link]
    assert not [link for link in near if not (ROOT / file).parent.joinpath(link).exists()]


def anchor(heading: str) -> str:
    """What a link to a heading ends with."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("file", TEXTS)
def test_links_to_sections_lead_to_headings(file: str) -> None:
    """A heading that is renamed takes the links to it with it."""
    links = re.findall(r"\]\(([^)#\s:]*)#([^)\s]+)\)", FENCE.sub("", TEXTS[file]))
    pages = [(ROOT / file).parent / link if link else ROOT / file for link, _ in links]
    assert not [
        section
        for page, (_, section) in zip(pages, links, strict=True)
        if section not in map(anchor, HEADING.findall(page.read_text(encoding="utf-8")))
    ]


def section_of(file: str, title: str) -> str:
    """What stands under a heading, up to the next one of its level."""
    return TEXTS[file].partition(f"## {title}\n")[2].partition("\n## ")[0]


def configuration() -> list[tuple[str, list[str], list[str]]]:
    """Group, options and keys of each row of the README's table."""
    section = section_of("README.md", "Configuration")
    cells = [line.split(" | ") for line in section.splitlines() if line.startswith("| `")]
    names = [[re.findall(r"`([^`]+)`", cell) for cell in row] for row in cells]
    return [(group[0].lstrip("+"), options, keys) for group, options, keys in names]


@pytest.mark.parametrize(("group", "options"), [row[:2] for row in configuration()])
def test_options_of_the_table_are_those_of_the_group(group: str, options: list[str]) -> None:
    """The configuration table lists all options of a group, and none that is not there."""
    assert sorted(options) == sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def test_the_table_lists_every_group() -> None:
    """None is left out: whoever reads the table looks nowhere else."""
    folders = {path.parent.relative_to(CONF).as_posix() for path in CONF.rglob("*.yaml")}
    assert {group for group, _, _ in configuration()} == folders - {"."}


@pytest.mark.parametrize("key", [key for row in configuration() for key in row[2]])
def test_keys_of_the_table_exist(key: str) -> None:
    """Every key of the configuration table is a field of the schema, the sweeper or an exercise."""
    if key in {f"{definition.NODE}.{name}" for name in definition.KEYS}:
        return
    from hydra_plugins.cnn_sweeps_sweeper.sweeper import SweeperConfig

    sweeper, prefix, field = key.rpartition("hydra.sweeper.")
    known = hasattr(SweeperConfig(), field) if prefix else find(tuple(key.split(".")), {}).key
    assert known in (True, key)
    assert not sweeper


def test_modules_of_the_architecture_exist() -> None:
    """The table of folders names all that there are, and none that is gone."""
    section = TEXTS["docs/architecture.md"].partition("## The tree")[2].partition("\n## ")[0]
    names = [
        name
        for line in section.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([^`]+)`", line.split(" | ")[0])
    ]
    names += re.findall(r"`([\w/]+\.py)`", section)  # of the table of what to change as well
    folders = (ROOT / "cnn_sweeps", ROOT)
    paths = {name: name.removesuffix(".py") for name in names}
    assert len(names) > 15
    assert not [
        name
        for name, path in paths.items()
        if not any((f / path).is_dir() or (f / f"{path}.py").is_file() for f in folders)
    ]
