"""Rounds in turns, and the ratios of neighbours."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.throughput.measurement import median_and_range

PAUSE = 0.2  # seconds between two turns, in which the threads of the former fall asleep


def take_turns(
    turns: Mapping[str, Callable[[], float]], rounds: int
) -> dict[str, np.ndarray]:
    """Call each function once in each round; return its results [rounds] by name."""
    found: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(rounds):
        for name, call in turns.items():
            time.sleep(PAUSE)
            found[name].append(call())
    return {name: np.array(several) for name, several in found.items()}


def ratios(name: str, ours: np.ndarray, theirs: np.ndarray) -> dict[str, Any]:
    """Return the ratio of each round by a name, with their median and range."""
    pairs = ours / theirs
    return {**median_and_range(name, pairs), f"{name}_pairs": pairs.tolist()}
