"""Who did what when: the bars of all trials, worker by worker."""

from typing import TYPE_CHECKING, Final

from cnn_sweeps.figures.style import BLUE, ORANGE, SKY, VERMILLION
from cnn_sweeps.findings import Findings, Trial
from cnn_sweeps.report.pictures.marks import LARGE, canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS: Final = {"trained": BLUE, "known already": SKY, "pruned": ORANGE, "failed": VERMILLION}
LONG_ENOUGH: Final = 0.025
"""Share of the whole time from which on a bar has room for the number of its trial."""


def timeline(findings: Findings) -> "Figure":
    """A bar for each trial over the sweep's own time, coloured by how it ended."""
    from matplotlib.patches import Patch  # noqa: PLC0415 -- late, as all of Matplotlib

    lanes = max(findings.timing.workers, 1)
    figure, axes = canvas((LARGE[0], min(6.0, 1.3 + 0.45 * lanes)))
    ran = [trial for trial in findings.trials if trial.begin is not None]
    whole = max((trial.end or 0.0 for trial in ran), default=0.0)
    for kind, colour in KINDS.items():
        bars = [trial for trial in ran if _kind(trial) == kind]
        axes.barh(
            [trial.worker for trial in bars],
            [trial.seconds for trial in bars],
            left=[trial.begin or 0.0 for trial in bars],
            height=0.7,
            color=colour,
            edgecolor="white",
            linewidth=0.6,
        )
        for trial in bars:
            if trial.seconds >= LONG_ENOUGH * whole:
                middle = (trial.begin or 0.0) + trial.seconds / 2
                ink = "white" if colour in (BLUE, VERMILLION) else "black"
                axes.text(
                    middle, trial.worker, f"{trial.number}", color=ink, ha="center", va="center"
                )
    axes.set_yticks(range(lanes), [f"worker {lane + 1}" for lane in range(lanes)])
    axes.set_ylim(lanes - 0.45, -0.55)
    axes.set_xlim(0, whole or 1)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("seconds")
    there = [kind for kind in KINDS if any(_kind(trial) == kind for trial in ran)]
    figure.legend(
        handles=[Patch(color=KINDS[kind], label=kind) for kind in there],
        loc="outside upper right",
        ncols=len(KINDS),
    )
    return figure


def _kind(trial: Trial) -> str:
    if trial.state == "complete":
        return "known already" if trial.reused or not trial.epochs_trained else "trained"
    return "pruned" if trial.state == "pruned" else "failed"
