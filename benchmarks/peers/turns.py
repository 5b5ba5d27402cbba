"""Rounds in turns, and the ratios of neighbours."""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.throughput.measurement import median_and_range

RateFn = Callable[[float], float]
"""Seconds of a round -> agent-updates/s."""


def take_turns(
    ours: RateFn, theirs: RateFn, rounds: int, seconds: float
) -> dict[str, Any]:
    """Run ours and theirs in turns; return both rates and the ratio of each pair."""
    found = np.array([(ours(seconds), theirs(seconds)) for _ in range(rounds)])
    return {
        **median_and_range("ours_per_s", found[:, 0]),
        **median_and_range("theirs_per_s", found[:, 1]),
        **median_and_range("ratio", found[:, 0] / found[:, 1]),
        "rounds": found.tolist(),
    }
