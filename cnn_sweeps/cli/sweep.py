"""`cnn-sweeps -m`: what Hydra's sweeper plugin does with what was typed."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hydra.types import TaskFunction

from cnn_sweeps.cli import output
from cnn_sweeps.sweeps.from_hydra import HydraCall, dry_run_of, request_of, sweep_application


def sweep_from_hydra(call: HydraCall, arguments: list[str]) -> Sequence[Any]:
    """Carry out what was typed after `-m`, and print it.

    Raises:
        ConfigError: it cannot be carried out; nothing was started and TensorFlow not imported.
    """
    if not is_experiment(call.task_function):
        return sweep_application(call, arguments)
    request = request_of(call, arguments)
    if request.budget.dry_run:
        output.show_dry_run(dry_run_of(request), output.console())
        return []
    from cnn_sweeps.api import carry_out  # noqa: PLC0415 -- imports mlflow
    from cnn_sweeps.cli.display import TerminalDisplay  # noqa: PLC0415

    carry_out(replace(request, typed=sys.argv[1:]), TerminalDisplay())
    return []


def is_experiment(task_function: TaskFunction) -> bool:
    """Whether Hydra runs cnn_sweeps itself, and not somebody's own application."""
    return getattr(task_function, "__module__", "") == "cnn_sweeps.cli.main"
