"""The table of the rounds of a search, which grows by a line as each round ends."""

import itertools
import time

from ramac_jax.cli.progress import clock
from ramac_jax.cli.runs.selection import Selection
from ramac_jax.cli.runs.study_trials import label_of
from ramac_jax.search import SearchResult, TrialResult
from ramac_jax.search.lineage import REASON

TITLES = ("round", "ended", "pruned", "failed", "running", "agent-updates/s", "left")
"""Of the columns before the score of the best trial and its setting."""


class LiveRounds:
    """The lines of one process, and its clock over the rounds that it trains."""

    def __init__(self, selection: Selection, total: int, known: SearchResult) -> None:
        """Start the clock.

        Args:
          selection: how settings are selected.
          total: trials that the study has in the end.
          known: what the study knew before.
        """
        self.selection, self.total = selection, total
        self.before = num_ended(known)
        self.start = time.monotonic()
        self.rate = ""

    def trained(self, *, updates: int, seconds: float) -> None:
        """Note the updates of all agents of a round, and its time in all."""
        rate = updates / seconds
        self.rate = f"{rate:,.0f}" if rate >= 100.0 else f"{rate:.3g}"

    def header(self) -> str:
        """Return the titles of the columns."""
        return self.aligned(*TITLES, self.selection.criterion, "best so far")

    def line(self, number: int, found: SearchResult) -> str:
        """Return the line of a round, after which the study has found so much."""
        states = [x.state for x in found.trials]
        column = self.selection.objectives.index(self.selection.measure)
        score = label = ""
        for best in sorted(found.best, key=lambda x: -x.scores[column])[:1]:
            score = f"{best.scores[column]:.4g}"
            label = f"{best.number}: {label_of(best)}"
        ended = num_ended(found)
        return self.aligned(
            str(number),
            f"{ended} of {self.total}",
            str(states.count("pruned")),
            str(sum(map(has_failed, found.trials))),
            str(states.count("running")),
            self.rate,
            self.time_left(ended),
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
        """Return cells in columns; the last one has any width."""
        titles = (*TITLES, self.selection.criterion)
        contents = ("", f"{self.total} of {self.total}", "", "", "", "", "00:00:00")
        widths = [
            max(len(title), len(content))
            for title, content in itertools.zip_longest(titles, contents, fillvalue="")
        ]
        columns = [x.rjust(y) for x, y in zip(cells, widths, strict=False)]
        return "  ".join([*columns, cells[-1]]).rstrip()


def num_ended(found: SearchResult) -> int:
    """Return how many trials have ended, lost ones that run again not counted."""
    return sum(x.state in ("complete", "pruned") or has_failed(x) for x in found.trials)


def has_failed(trial: TrialResult) -> bool:
    """Whether a trial failed for good, and does not run again."""
    return trial.state == "fail" and REASON in trial.attributes
