"""Coordinates that float32 would blur: found, and given a centre to be moved to.

At 1e6 float32 has steps of 0.06. A position there, in float64, would lose its moves.
Such a coordinate is reduced by a constant before it is rounded; every other coordinate
stays as it is.
"""

from typing import Any

import numpy as np

from ramac_jax.guard import STD_FLOOR

BLUR = 1e-3
"""Share of a coordinate's mean move that rounding may take."""
GAIN = 8.0
"""A coordinate is centred where this makes its numbers so many times smaller."""


class Rounding:
    """What rounding to float32 does to observations, seen episode by episode."""

    def __init__(self) -> None:
        self.error: Any = 0.0  # largest, of each coordinate [O]
        self.moves: Any = 0.0  # sum of their sizes [O]
        self.steps = 0
        self.low: Any = np.inf
        self.high: Any = -np.inf

    def add(self, observation: np.ndarray) -> None:
        """Take account of an episode's observations [T + 1, O], not yet rounded."""
        if np.can_cast(observation.dtype, np.float32):
            return
        observation = np.asarray(observation, np.float64)
        with np.errstate(over="ignore", invalid="ignore"):  # inf is refused elsewhere
            rounded = observation.astype(np.float32).astype(np.float64)
            error = np.abs(observation - rounded).max(axis=0)
            self.error = np.maximum(self.error, error)
            self.moves = self.moves + np.abs(np.diff(observation, axis=0)).sum(axis=0)
        self.steps += len(observation) - 1
        self.low = np.minimum(self.low, observation.min(axis=0))
        self.high = np.maximum(self.high, observation.max(axis=0))

    def centre(self) -> Any:
        """Return the float32 number [O] to reduce each coordinate by; None for none."""
        move = np.maximum(self.moves / max(self.steps, 1), STD_FLOOR)
        half_range = 0.5 * (self.high - self.low)
        largest = np.maximum(np.abs(self.low), np.abs(self.high))
        blurred = (self.error > BLUR * move) & (GAIN * half_range < largest)
        if not np.any(blurred):
            return None
        middle = 0.5 * (self.low + self.high)
        return np.where(blurred, middle, 0.0).astype(np.float32)
