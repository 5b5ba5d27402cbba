"""The table of the rounds of a search, which grows by a line as each round ends."""

import time
from collections.abc import Sequence

from ramac_jax.cli.progress import clock
from ramac_jax.cli.runs.selection import Selection
from ramac_jax.cli.runs.study_trials import label_of
from ramac_jax.search import SearchResult

TITLES = ("round", "complete", "pruned", "running", "agent-updates/s", "time left")
"""Of the columns before the score of the best trial and its setting."""


class LiveRounds:
    """The lines of one process, and its clock over the rounds that it trains."""

    def __init__(self, selection: Selection, total: int, ended: int) -> None:
        """Start the clock.

        Args:
          selection: how settings are selected.
          total: trials that the study has in the end.
          ended: trials that had ended before.
        """
        self.selection, self.total, self.before = selection, total, ended
        self.start = time.monotonic()
        self.rate = ""

    def trained(self, *, updates: int, seconds: float) -> None:
        """Note the updates of all agents of a round, and what it took with episodes."""
        self.rate = f"{updates / seconds:,.3g}"

    def header(self) -> str:
        """Return the titles of the columns."""
        return self.aligned(*TITLES, self.selection.criterion, "best so far")

    def line(self, number: int, found: SearchResult) -> str:
        """Return the line of a round, after which the study has found so much."""
        states = [x.state for x in found.trials]
        complete, pruned, running = map(states.count, ("complete", "pruned", "running"))
        column = self.selection.objectives.index(self.selection.measure)
        score = label = ""
        for best in sorted(found.best, key=lambda x: -x.scores[column])[:1]:
            score = f"{best.scores[column]:.4g}"
            label = f"{best.number}: {label_of(best)}"
        return self.aligned(
            str(number),
            f"{complete} of {self.total}",
            str(pruned),
            str(running),
            self.rate,
            self.time_left(complete + pruned),
            score,
            label,
        )

    def time_left(self, ended: int) -> str:
        """Return the time for the trials that are left.

        It is at the pace of all processes since this one began, and empty at the end
        and before any trial has ended since then.
        """
        since, taken = ended - self.before, time.monotonic() - self.start
        if since <= 0 or ended >= self.total:
            return ""
        return clock((self.total - ended) * taken / since)

    def aligned(self, *cells: str) -> str:
        """Return cells in columns; the last one is the longest."""
        total = len(f"{self.total} of {self.total}")
        titles: Sequence[str] = (*TITLES, self.selection.criterion)
        widths = [max(len(title), 8) for title in titles]
        widths[1] = max(widths[1], total)
        columns = [x.rjust(y) for x, y in zip(cells, widths, strict=False)]
        return "  ".join([*columns, cells[-1]]).rstrip()
