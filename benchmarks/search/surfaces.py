"""Known response surfaces of the shapes that RAMAC's settings have.

Each surface is a function of x = log10 risk_weight, y = log10 critic_learning_rate and
the risk level, whose maximum is 1 and is known.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from ramac_jax.search import Range

SPACE: Mapping[str, Range] = {
    "risk_weight": Range(1e-3, 1.0),
    "critic_learning_rate": Range(1e-5, 1e-2),
    "risk_level": Range(0.05, 1.0, log=False),
}
"""What the search varies: three decades of each of the first two."""

Coordinates = tuple[np.ndarray, np.ndarray, np.ndarray]
"""x, y and level, each [B]."""


class Surface(NamedTuple):
    """A known response of scores to settings."""

    value: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    """(x [B], y [B], level [B]) -> the expected score [B], at most 1."""
    maximum: tuple[float, float, float]
    """x, y and level at which the expected score is 1."""
    noise: float = 0.0
    """Standard deviation of a score around its expectation."""


def ridge(x: np.ndarray, y: np.ndarray, level: np.ndarray) -> np.ndarray:
    """A less averse level needs a larger weight, and a rate that is neither slow nor
    fast:

    exp(-((x + 2 - level) / 0.4)^2 / 2 - ((y + 3.5) / 0.7)^2 / 2)
    (1 - (level - 0.3)^2 / 2)
    """
    across, along = (x + 2.0 - level) / 0.4, 1.0 - (level - 0.3) ** 2 / 2.0
    return np.exp(-(across**2) / 2.0 - ((y + 3.5) / 0.7) ** 2 / 2.0) * along


def cliff(x: np.ndarray, y: np.ndarray, level: np.ndarray) -> np.ndarray:
    """The score rises with the weight until the agent leaves the data, earlier for a
    fast critic and an averse level:

    (1 - (e - x) / 2) exp(-((y + 3.5) / 0.8)^2 / 2 - ((level - 0.3) / 0.5)^2 / 2), and 0
    where x > e or x < e - 2, with e = -0.8 - 0.4 (y + 3.5) + 0.5 (level - 0.3)
    """
    before = -0.8 - 0.4 * (y + 3.5) + 0.5 * (level - 0.3) - x
    height = np.where(before >= 0.0, np.maximum(1.0 - before / 2.0, 0.0), 0.0)
    bell = ((y + 3.5) / 0.8) ** 2 / 2.0 + ((level - 0.3) / 0.5) ** 2 / 2.0
    return height * np.exp(-bell)


def plateau(x: np.ndarray, y: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Many settings are nearly as good as the best one, and nothing leads there:

    exp(-((x + 1.5) / 0.7)^8 - ((y + 3.5) / 0.7)^8) (1 - 0.3 |level - 0.2|)
    """
    flat = ((x + 1.5) / 0.7) ** 8 + ((y + 3.5) / 0.7) ** 8
    return np.exp(-flat) * (1.0 - 0.3 * np.abs(level - 0.2))


SURFACES = {
    "ridge": Surface(ridge, (-1.7, -3.5, 0.3)),
    "cliff": Surface(cliff, (-0.8, -3.5, 0.3)),
    "plateau": Surface(plateau, (-1.5, -3.5, 0.2), noise=0.05),
}
"""The surfaces by name."""
