"""A sweep in the terminal, from its heading to its table."""

from collections.abc import Sequence
from dataclasses import replace

from rich.text import Text

from cnn_sweeps.cli.output import console, epochs_line, next_commands
from cnn_sweeps.provenance.identity import SHOWN
from cnn_sweeps.sweeps.comparison.answer import Answer
from cnn_sweeps.sweeps.live_view import View, view_of
from cnn_sweeps.sweeps.outcome import Display, SweepOutcome
from cnn_sweeps.sweeps.plan.objectives import Objectives
from cnn_sweeps.sweeps.preview import saved_by_wsd
from cnn_sweeps.sweeps.results.commands import report_again
from cnn_sweeps.sweeps.study.counts import NOT_AGAIN
from cnn_sweeps.sweeps.study.events import TrialEnded
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.text import terminal
from cnn_sweeps.text.format import first_line, pluralize
from cnn_sweeps.text.terminal import say
from cnn_sweeps.tracking import Store

TOP = 20
"""Rows of the ranked table."""
MOST_REASONS = 10
"""Trials without a value that are named, each with its reason."""


class TerminalDisplay(Display):
    """Prints to standard output."""

    def started(self, study: SweepStudy) -> None:
        """Print what is swept, and how much of it is left."""
        out, plan = console(), study.plan
        out.heading(f"sweep {study.optuna_study.study_name}")
        for dimension in plan.space.dimensions:
            out.print(f"  {dimension}")
        counts = study.counts()
        cells = f"{pluralize(plan.space.size, 'cell')}, " if plan.space.size else ""
        trials = pluralize(counts.total, "trial")
        before = f", {counts.before}" if counts.before else ""
        out.print(f"  {cells}{trials}{before}  sampler {plan.sampler.name}")
        if counts.failed:
            out.print(f"  {NOT_AGAIN}", soft_wrap=True)
        if told := saved_by_wsd(plan):
            out.print(f"  {told}", soft_wrap=True)

    def view(
        self,
        total: int,
        done_before: int,
        workers: int | None,
        objectives: Objectives,
        earlier: Sequence[TrialEnded],
    ) -> View:
        """Live in a terminal, plain lines elsewhere."""
        return view_of(total, done_before, workers, objectives, earlier=earlier)

    def notice(self, text: str) -> None:
        """Print a line."""
        say(text)

    def warning(self, text: str) -> None:
        """Print it on standard error."""
        terminal.warn(text)

    def interrupted(self, study: SweepStudy, store: Store) -> None:
        """Print how far it came, and how to go on."""
        left = study.counts()
        say(
            f"Stopped with {left.finished} of {pluralize(left.total, 'trial')} done. "
            "Run the same command to resume.\n"
            f"  results so far:  {report_again(study, store)}"
        )

    def ended(self, outcome: SweepOutcome) -> None:
        """Print the ranked table or the answer, what was trained for it, and how to go on."""
        out, ranking = console(), outcome.ranking
        out.print(f"{outcome.name}: {pluralize(len(ranking.rows), 'trial')}")
        if outcome.answer is None:  # else it says it better
            table = ranking.table()
            replace(table, rows=table.rows[:TOP]).show(out)
        self._left_out(outcome)
        if outcome.epochs.trained < outcome.epochs.asked:
            out.print(epochs_line(outcome.epochs.asked, outcome.epochs.trained))
        if not ranking.winners:
            out.print("no trial completed.")
        else:
            best = ranking.rows[0]
            out.print(f"rerun best:  {outcome.rerun_best}", soft_wrap=True)
            next_commands(out, (best.config_hash or "")[:SHOWN], outcome.store, outcome.sweep)
        if outcome.answer is not None:
            show_answer(outcome.answer)

    def _left_out(self, outcome: SweepOutcome) -> None:
        """Print why trials have no value, and where all trials are."""
        out, rows = console(), outcome.ranking.rows
        ended = [row for row in rows if row.reason]
        for row in ended[:MOST_REASONS]:
            state = "failed" if row.state == "fail" else row.state
            out.print(f"trial {row.number} {state}: {first_line(row.reason)}")
        more = len(ended) - MOST_REASONS
        if more > 0:
            out.print(f"and {pluralize(more, 'more trial')} pruned or failed")
        cut = outcome.answer is None and len(rows) > TOP
        if cut or more > 0:
            which = f"the best {TOP} of {len(rows)} trials; " if cut else ""
            every = report_again(outcome.study, outcome.store, "--format", "csv")
            out.print(f"{which}all trials:  {every}", soft_wrap=True)

    def reported(self, place: str) -> None:
        """Print where the report is."""
        say(f"  report:  {place}")


def show_answer(answer: Answer) -> None:
    """Print question, tables, sentences, and how to read them."""
    out = console()
    out.print()
    out.print(Text(answer.question, style="bold"))
    answer.table.show(out)
    if answer.comparisons:
        answer.differences.show(out)
    said = [Text(f"- {line}") for line in answer.sentences]
    for line in (*said, Text(" ".join(answer.notes), style="dim")):
        out.print(line, soft_wrap=not out.is_terminal)  # a line of a file is as long as it is
