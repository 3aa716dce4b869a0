"""How a run ended: the status and the tags that say so."""

from cnn_sweeps.errors import PrunedError, StoppedError
from cnn_sweeps.tracking.refusals import first_line

OF_AN_END = {"error", "error_type", "pruned_epoch", "pruned_reason", "stopped_reason"}
"""Tags that say why a run ended otherwise than FINISHED."""


def verdict(error: BaseException) -> tuple[str, dict[str, object]]:
    """The status and the tags of a run that an exception has ended."""
    match error:
        case PrunedError():
            return "KILLED", {"pruned_epoch": error.epoch, "pruned_reason": error.reason}
        case StoppedError():
            return "KILLED", {"stopped_reason": first_line(error)}
        case Exception():
            return "FAILED", {"error": first_line(error), "error_type": type(error).__name__}
    return "KILLED", {}
