"""How fast a search goes: agent-updates/s of a round, and the time left."""

import time

from ramac_jax.cli.progress import clock
from ramac_jax.search import Found


class Pace:
    """The clock of one process, over the rounds that it trains."""

    def __init__(self) -> None:
        """Start the clock of a study without trials."""
        self.updates, self.seconds = 0, 0.0
        self.begin(0)

    def begin(self, before: int) -> None:
        """Start the clock of a study in which so many trials have ended before."""
        self.start, self.before = time.monotonic(), before

    def trained(self, *, updates: int, seconds: float) -> None:
        """Note the updates of all agents of a round, and what it took with episodes."""
        self.updates, self.seconds = updates, seconds

    def parts(self, found: Found, total: int) -> list[str]:
        """Return the rate of the last round and the time left, in words.

        The time left is that of the trials which `total` lacks, at the pace of all
        processes since this one began; it is left out at the end, and before any trial
        has ended since then.
        """
        parts = []
        if self.seconds > 0.0:
            parts.append(f"{self.updates / self.seconds:,.3g} agent-updates/s")
        ended = sum(x.state in ("complete", "pruned") for x in found.trials)
        since, taken = ended - self.before, time.monotonic() - self.start
        if since > 0 and total > ended:
            parts.append(f"{clock((total - ended) * taken / since)} left")
        return parts
