"""The user's own code of a sweep, which travels with its study to workers that do not have it.

The files of a user's own networks, losses and metrics, found by reading their imports, are
artifacts of the sweep's run, where a person can read them:

    source/<module>/<path>    in the run of the sweep
    cnn_sweeps:code           in the study: the SHA-256 of each path, by module

A worker whose files have these digests uses its own. Elsewhere the stored ones are executed, once
somebody has said that they may be (`--trust`), and only as they were stored. Whoever lets a
launcher place workers has the files: those workers are told their digest, and trust what has it.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from cnn_sweeps.config.metrics import KEY as METRICS
from cnn_sweeps.config.schema import Config, own_network
from cnn_sweeps.errors import ConfigError, RecordError
from cnn_sweeps.models import custom
from cnn_sweeps.models.source import FOLDER, Source, is_users
from cnn_sweeps.provenance.identity import SHOWN
from cnn_sweeps.sweeps.plan.plan import Plan
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.text.json import sha256
from cnn_sweeps.text.shell import command_for
from cnn_sweeps.tracking import Store, TrackedRun, artifacts

CODE = "cnn_sweeps:code"
"""Of a study: the digests of the files that travel with it."""
LOSS = "trainer.loss"
MOST_BYTES = 1_000_000
"""Of all files together; more is no code of a network."""

Digests = Mapping[str, str]


def own_functions(plan: Plan) -> dict[str, str]:
    """The user's own functions that trials of a plan may need, each with the key that names it.

    Nothing is imported, and none of them has to be here.
    """
    named: dict[str, str] = {}
    for key, value in chain(*map(_typed, plan.unchecked().bases()), _swept(plan)):
        named |= {found[0]: key for found in custom.NAME.finditer(str(value))}
    return named


def _typed(config: Config) -> Iterator[tuple[str, object]]:
    network = own_network(config.model)
    yield custom.KEY, network.function if network else ""
    yield LOSS, config.trainer.loss
    yield METRICS, config.trainer.metrics


def _swept(plan: Plan) -> Iterator[tuple[str, object]]:
    for dimension in plan.space.dimensions:
        if dimension.key.lstrip("+") in (custom.KEY, LOSS, METRICS):
            yield from ((dimension.key.lstrip("+"), choice) for choice in dimension.choices)


def store_code(study: SweepStudy, parent: TrackedRun) -> None:
    """Store the files of the user's own functions with a sweep, once; not where they are too large.

    Raises:
        StoreError: the store refuses.
    """
    sources = {} if CODE in study.optuna_study.user_attrs else _own_sources(study.plan)
    if not sources or _size(sources) > MOST_BYTES:
        return
    for module, source in sources.items():
        for file in source.files:
            parent.log_bytes(file.content, f"{FOLDER}/{module}/{file.path}")
    study.optuna_study.set_user_attr(CODE, {m: _digests(s) for m, s in sources.items()})


def notes_of_code(study: SweepStudy) -> list[str]:
    """What a person should know of it: a sentence where it was too large to be stored."""
    sources = {} if CODE in study.optuna_study.user_attrs else _own_sources(study.plan)
    if not sources:
        return []
    told = (
        f"{', '.join(sources)}: {_size(sources) / 1e6:.1f} MB of code do not travel with the study "
        f"(at most {MOST_BYTES / 1e6:g} MB do): workers in other folders need its files."
    )
    return [told]


def _own_sources(plan: Plan) -> dict[str, Source]:
    """The files of the user's own functions, as they are here, by module."""
    custom.look_here()
    functions = filter(is_users, own_functions(plan))
    return {_module(each): source for each in functions if (source := Source.find(each))}


def digest_here(plan: Plan) -> str:
    """SHA-256 of the user's own files as they are here; empty where a plan needs none."""
    sources = _own_sources(plan)
    return _digest({module: _digests(source) for module, source in sources.items()})


def digest_carried(study: SweepStudy) -> str:
    """SHA-256 of the files that travel with a study; empty where none do."""
    return _digest(study.optuna_study.user_attrs.get(CODE, {}))


def _digest(digests: Mapping[str, Digests]) -> str:
    return sha256(digests, compact=True) if digests else ""


def _size(sources: Mapping[str, Source]) -> int:
    return sum(len(file.content) for source in sources.values() for file in source.files)


@contextmanager
def importable_code(
    study: SweepStudy, *, trust: bool, say: Callable[[str], None] = lambda _: None
) -> Iterator[None]:
    """Let the user's own functions be imported inside the block as the sweep has them.

    Args:
        study: whose; it need not be checked, so that they may be missing.
        trust: whether the user has said that stored code may run.
        say: is told what is run that is not here.

    Raises:
        ConfigError: one is not here, and is not stored or not trusted.
        RecordError: what is stored is not what its digest says.
        StoreError: what is stored cannot be read.
    """
    custom.look_here()
    with TemporaryDirectory(prefix="cnn_sweeps-code-") as folder:
        try:
            for function, key in own_functions(study.plan).items():
                source = _not_here(study, function, f"{key}={function}")
                if source is not None:
                    _refuse_untrusted(study, source, f"{key}={function}", trust=trust)
                    _lay(source, function, Path(folder))
                    say(f"{key}={function}: runs {source.path} of the study, {_short(source)}")
            yield
        finally:
            sys.path[:] = [each for each in sys.path if each != folder]


def _not_here(study: SweepStudy, function: str, typed: str) -> Source | None:
    """The stored files of a function that has others here, or none; None where it can be used."""
    module, found = _module(function), Source.find(function)
    digests: Digests | None = study.optuna_study.user_attrs.get(CODE, {}).get(module)
    if digests is None:
        if found is None:
            raise ConfigError(_nowhere(study, function, typed))
        return None
    if found is not None and _digests(found) == digests:
        return None
    source = Source.stored(function, _stored_files(study, module))
    if source is None or _digests(source) != digests:
        raise RecordError(
            f"{typed}: what is stored in {FOLDER}/{module} of run {study.parent_run_id} is not "
            f"what the sweep {study.address.name} was begun with; nothing of it was run.\n"
            f"  Start the worker in a folder that holds {_file(module)}."
        )
    return None if source.is_here(function) else source


def _stored_files(study: SweepStudy, module: str) -> dict[str, bytes]:
    store = Store.open_existing(study.plan.unchecked().first.tracking)
    if store is None:
        return {}
    return artifacts.read_folder(store, study.parent_run_id or "", f"{FOLDER}/{module}")


def _refuse_untrusted(study: SweepStudy, source: Source, typed: str, *, trust: bool) -> None:
    if trust:
        return
    found = Source.find(typed.partition("=")[2])
    state = "is not here" if found is None else "is another one here"
    raise ConfigError(
        f"{typed}: {source.path} {state}. The sweep {study.address.name} carries it "
        f"({_short(source)}), and running it executes its code.\n"
        f"  Read it in MLflow ({FOLDER}/ of run {study.parent_run_id}) and type "
        f"`{command_for('worker', study.address.name, '--trust')}`, or copy it into this folder."
    )


def _lay(source: Source, function: str, folder: Path) -> None:
    source.lay(folder)
    if not source.is_here(function):
        raise RecordError(
            f"{function}: another module of that name comes before the stored one, as part of an "
            f"installed package.\n  Restore the content of {source.path}, or uninstall the package."
        )


def _nowhere(study: SweepStudy, function: str, typed: str) -> str:
    module = _module(function)
    return (
        f"{typed}: there is no module {module} here, and the sweep {study.address.name} does not "
        "carry it: it is part of a package, too large, or of an earlier version.\n"
        f"  Install the package, or start the worker in a folder that holds {_file(module)}."
    )


def _digests(source: Source) -> dict[str, str]:
    return {file.path: file.sha256 for file in source.files}


def _short(source: Source) -> str:
    return f"sha256 {source.sha256[:SHOWN]}"


def _module(function: str) -> str:
    return function.partition(":")[0]


def _file(module: str) -> str:
    return f"{module.replace('.', '/')}.py"
