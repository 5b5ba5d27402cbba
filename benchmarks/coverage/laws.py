"""Known laws of returns, of seeds that differ."""

from collections.abc import Callable

import numpy as np
from scipy.special import ndtri, stdtrit

Law = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(fraction of the episodes, fraction of the seeds), both in (0, 1) -> return."""


def runs_and_falls(
    fraction: np.ndarray, falling: np.ndarray, stumbling: float, deviation: float
) -> np.ndarray:
    """Return returns of a robot that falls early, later or not at all."""
    later = falling + stumbling
    early = np.clip(fraction / np.maximum(falling, 1e-12), 1e-12, 1.0 - 1e-12)
    rest = np.clip((fraction - later) / (1.0 - later), 1e-12, 1.0 - 1e-12)
    stumbled = 250.0 + 650.0 * (fraction - falling) / max(stumbling, 1e-12)
    ran = 1000.0 + deviation * ndtri(rest)
    fell = np.where(fraction < falling, 150.0 + 40.0 * ndtri(early), stumbled)
    return np.where(fraction < later, fell, ran)


LAWS: dict[str, Law] = {
    "normal": lambda u, seed: ndtri(u) + 0.5 * ndtri(seed),
    "Student's t": lambda u, seed: stdtrit(3, u) + 0.5 * ndtri(seed),
    "left-skewed": lambda u, seed: np.log(u) * np.exp(0.3 * ndtri(seed)),
    "right-skewed": lambda u, seed: np.exp(0.5 * ndtri(u) + 0.2 * ndtri(seed)),
    "two points": lambda u, seed: -1.0 * (u < 0.025 + 0.05 * seed),
    "hopper": lambda u, seed: runs_and_falls(u, 0.12 * seed, 0.24, 30.0),
    "rare falls": lambda u, seed: runs_and_falls(u, 0.06 * seed, 0.0, 20.0),
    "bad seeds": lambda u, seed: runs_and_falls(
        u, np.where(seed > 0.9, 0.5, 0.0), 0.0, 30.0
    ),
}
"""Laws of returns by name: a normal, Student's t with 3 degrees of freedom, minus an
exponential, a lognormal, -1 with probability 5 % and 0, and a robot that falls early in
6 % of its episodes (of the rare falls 3 %). Of the seed in the middle, that is: the
others are shifted, scaled, or fall more or less often. One bad seed in ten falls in
every other episode, and the others never do."""


def middles(size: int) -> np.ndarray:
    """Return the middles of equal parts of (0, 1) [size]."""
    return (np.arange(size) + 0.5) / size
