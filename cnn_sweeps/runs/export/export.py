"""A record as a folder of files: all that is needed to reproduce a run elsewhere, and back."""

import json
import shlex
from pathlib import Path
from typing import Any

import yaml

from cnn_sweeps.config.fields import locations
from cnn_sweeps.config.stored import without_neutral
from cnn_sweeps.errors import RecordError
from cnn_sweeps.models.source import FOLDER, LOSS_FOLDER, METRIC_FOLDER, metric_folder
from cnn_sweeps.provenance import requirements
from cnn_sweeps.runs.export import export_folder
from cnn_sweeps.runs.recorded.record import CONFIG, Record, check_finished, functions_of, verify
from cnn_sweeps.runs.weights.packed_weights import PackedWeights
from cnn_sweeps.runs.weights.pretrained import begun_with
from cnn_sweeps.text.format import first_line
from cnn_sweeps.text.markdown import plain_text
from cnn_sweeps.text.redact import without_passwords
from cnn_sweeps.text.untrusted import json_of, yaml_of

RECORD, REQUIREMENTS, README = "record.json", "requirements.txt", "README.md"
WEIGHTS = "weights"
"""The folder of the pretrained weights that the run began with."""


def write(record: Record, folder: Path, weights: PackedWeights | None = None) -> None:
    """Write the record of a finished run as files, for `read`.

    Args:
        record: the run.
        folder: where to; made, or empty.
        weights: the pretrained ones that it began with, to go with it.

    Raises:
        RecordError: the run did not finish, or was changed; the folder is in use, or cannot be
            written, and nothing is left in it.
    """
    check_finished(record)
    verify(record)
    with export_folder.filled(folder):
        for path, content in _files(record, weights).items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())


def read(folder: Path) -> Record:
    """The record in a folder that `write` has made.

    Raises:
        RecordError: it is no such folder, it is not complete, or something in it was damaged or
            changed.
    """
    export_folder.check_complete(folder)

    def sources(name: str) -> dict[str, bytes]:
        root = folder / name
        files = [file for file in root.rglob("*.py") if file.is_file()]
        return {file.relative_to(root).as_posix(): file.read_bytes() for file in files}

    try:
        stored, config = json_of(_text(folder / RECORD)), yaml_of(_text(folder / CONFIG))
        if not isinstance(stored, dict):
            raise ValueError(f"{RECORD} holds no record")
        return Record.read(stored, config, sources)
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else first_line(error)
        raise RecordError(
            f"{folder} is not a folder that cnn-sweeps export has written: {said}.\n"
            f"It has to hold {RECORD} and {CONFIG}."
        ) from error


def weights_of(folder: Path) -> Path | None:
    """The file of pretrained weights in such a folder; None where there is none."""
    files = [each for each in (folder / WEIGHTS).glob("*") if each.is_file()]
    return files[0] if len(files) == 1 else None


def _text(file: Path) -> str:
    if file.exists() and not file.is_file():  # a pipe would be waited for
        raise ValueError(f"{file.name} is not a regular file")
    return file.read_text(encoding="utf-8")


def command(
    folder: str, record: Record, weights: PackedWeights | None = None, *, images: str = ""
) -> str:
    """The line that does an exported run again.

    Args:
        folder: where it is.
        record: the run.
        weights: the pretrained ones in the folder.
        images: what is typed to say where the images are.
    """
    trust = " --trust" if functions_of(record) else ""
    missing = " model.weights=FILE" if begun_with(record.config) and weights is None else ""
    said = f" {images}" if images else ""
    return f"cnn-sweeps reproduce --from {shlex.quote(folder)}{trust}{missing}{said}"


def _files(record: Record, weights: PackedWeights | None) -> dict[str, str | bytes]:
    """The content of each file by its path in the folder."""
    config = without_neutral(record.config)
    config["tracking"] = without_passwords(config["tracking"])
    files: dict[str, str | bytes] = {
        CONFIG: yaml.safe_dump(config, sort_keys=False, allow_unicode=True),
        RECORD: _dumped(record.to_json()),
        REQUIREMENTS: requirements.text(record.environment.packages),
        README: _readme(record, weights),
    }
    if weights is not None:
        files[f"{WEIGHTS}/{weights.name}"] = weights.content
    metrics = ((metric_folder(each), source) for each, source in record.metric_sources.items())
    own = ((FOLDER, record.source), (LOSS_FOLDER, record.loss_source), *metrics)
    for name, source in own:
        for each in source.files if source else ():
            files[f"{name}/{each.path}"] = each.content
    return files


def _dumped(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _weights_line(record: Record, weights: PackedWeights | None) -> str:
    """What is said of pretrained weights; nothing where there are none."""
    model = begun_with(record.config)
    if model is None:
        return ""
    digest = f"SHA-256 `{model.weights_sha256}`; others are rejected"
    if weights is not None:
        return f"- Pretrained weights: `{WEIGHTS}/{plain_text(weights.name)}`, {digest}.\n"
    return (
        f"- Pretrained weights: not in this folder, but those of {plain_text(str(model.weights))}, "
        f"{digest}. `FILE` stands for where they are.\n"
    )


def _readme(record: Record, weights: PackedWeights | None) -> str:
    environment, data = record.environment, record.config.data
    images = next((f"data.{key}=PATH" for key in locations(data)[:1] if getattr(data, key)), "")
    where = ", and `PATH` stands for where it is" if images else ""
    source = f"| `{FOLDER}/` | the model's own function and what it imports; read it first |\n"
    loss = f"| `{LOSS_FOLDER}/` | its own loss and what that imports; read it first |\n"
    metric = f"| `{METRIC_FOLDER}/` | its own metrics and what they import; read them first |\n"
    commit = f", commit {plain_text(environment.git_commit)}" if environment.git_commit else ""
    program = plain_text(f"cnn-sweeps {environment.packages.get('cnn-sweeps', '')}".rstrip())
    python, cpu = plain_text(environment.python), plain_text(environment.cpu)
    return f"""# {plain_text(record.name)}

Everything needed to reproduce this run, except the images.

    pip install -r {REQUIREMENTS}
    pip install --no-deps CNN_SWEEPS
    {command(".", record, weights, images=images)}

Run them in this folder, in an environment of Python {python}. `CNN_SWEEPS` stands
for the folder of a clone of {program}, or for its wheel: the second command
installs the program. The third trains the network from scratch and compares every metric and the
final weights with the record.

- Program: {program}{commit}, Python {python}.
- Data: `data={data.name}`{where}. Its content has the SHA-256
  `{record.identity.data_digest}`; other data is rejected.
{_weights_line(record, weights)}- Config hash: `{record.identity.config_hash}`.
- Expect the same bits on the same processor ({cpu}) with the same versions;
  elsewhere equal metrics within a tolerance.

| file | what it holds |
| --- | --- |
| `{CONFIG}` | the whole config |
| `{RECORD}` | hashes, environment, every epoch's metrics, the digest of the weights |
| `{REQUIREMENTS}` | the exact versions of the packages |
{source if record.source else ""}{loss if record.loss_source else ""}\
{metric if record.metric_sources else ""}"""
