"""`-m`: carries out a sweep for Hydra's sweeper plugin, here and in other applications."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hydra.errors import CompactHydraException
from hydra.types import TaskFunction

from cnn_sweeps.cli import output
from cnn_sweeps.errors import CnnSweepsError, RunFailedError
from cnn_sweeps.runs.composition import yaml_errors
from cnn_sweeps.sweeps.hydra_call import HydraCall

INTERRUPTED = 130
"""Exit code of a program that was ended by Ctrl-C, as shells have it."""


class ApplicationError(CnnSweepsError, CompactHydraException):
    """What is refused in somebody's own application, which Hydra prints without a traceback."""


def sweep_from_hydra(call: HydraCall, arguments: list[str]) -> Sequence[Any]:
    """Carry out what was typed after `-m`, and print it.

    Raises:
        ConfigError: it cannot be carried out; nothing was started and TensorFlow not imported.
        ApplicationError: the same, in an application that is not ours.
    """
    if is_experiment(call.task_function):
        sweep_experiments(call, arguments)
        return []
    try:
        return sweep_application(call, arguments)
    except CnnSweepsError as error:
        raise ApplicationError(str(error)) from error
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None


def sweep_experiments(call: HydraCall, arguments: list[str]) -> None:
    """Sweep our own experiments."""
    from cnn_sweeps.sweeps.from_hydra import dry_run_of, request_of  # noqa: PLC0415 -- slow

    yaml_errors.check(call.config.hydra)
    request = request_of(call, arguments)
    if request.budget.dry_run:
        output.show_dry_run(dry_run_of(request), output.console())
        return
    output.warn_of_little_memory(workers=request.budget.n_jobs > 0)
    from cnn_sweeps.api import carry_out  # noqa: PLC0415 -- imports mlflow
    from cnn_sweeps.cli.display import TerminalDisplay  # noqa: PLC0415

    carry_out(replace(request, typed=sys.argv[1:]), TerminalDisplay())


def sweep_application(call: HydraCall, arguments: list[str]) -> Sequence[Any]:
    """Sweep somebody's own Hydra application.

    Returns:
        What its jobs returned, as the one batch that Hydra's own sweepers make of them.
    """
    from cnn_sweeps.sweeps.application import results, sweep  # noqa: PLC0415 -- imports optuna
    from cnn_sweeps.sweeps.application.request import request_of  # noqa: PLC0415

    request, out = request_of(call, arguments), output.console()
    if request.budget.dry_run:
        output.show_facts(sweep.dry_run(request), out)
        return []
    study, returned = sweep.sweep(request, call)
    with sweep.outlasting(request):
        results.table_of(study).show(out)
        for line in results.failures(study):
            out.print(line, soft_wrap=True)
        if results.only_failures(study):
            raise RunFailedError("no trial succeeded.")
    return [returned]


def is_experiment(task_function: TaskFunction) -> bool:
    """Whether Hydra runs cnn_sweeps itself, and not somebody's own application."""
    return getattr(task_function, "__module__", "") == "cnn_sweeps.cli.main"
