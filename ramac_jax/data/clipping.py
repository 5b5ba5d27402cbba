"""Actions beyond their bounds: refused, or clipped and counted."""

from typing import Any, NamedTuple

import numpy as np

from ramac_jax.validation import ACTION_TOLERANCE, reject_rows


class Clipping(NamedTuple):
    """What was clipped of the actions of a dataset."""

    steps: int = 0  # whose action was beyond its bounds, rounding left out
    largest_excess: float = 0.0  # in the environment's units

    def __add__(self, other: "Clipping") -> "Clipping":  # type: ignore[override]
        """Return what was clipped of two parts of a dataset."""
        largest = max(self.largest_excess, other.largest_excess)
        return Clipping(self.steps + other.steps, largest)

    def describe(self, steps: int) -> str:
        """Return the line for the user, about a dataset of so many steps."""
        return (
            f"the actions of {self.steps:,} of {steps:,} steps clipped to their bounds,"
            f" which they exceeded by up to {self.largest_excess:.3g}"
        )


def clip_actions(
    action: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, Clipping]:
    """Return actions [T, A] within their bounds [A], and what was clipped.

    Raises `InputError` for actions that are not finite.
    """
    bad = ~np.isfinite(action)
    reject_rows("action", bad, action, "NaN or infinite", "clean the data")
    clipped = np.clip(action, low, high)
    excess = np.abs(action - clipped)[is_outside(action, low, high)]
    if not excess.size:
        return clipped, Clipping()
    return clipped, Clipping(len(excess), float(excess.max()))


def reject_outside(
    action: np.ndarray, low: np.ndarray, high: np.ndarray, name: str = "action"
) -> None:
    """Raise `InputError` for actions [T, A] beyond their bounds [A] and rounding."""
    outside = is_outside(action, low, high)
    advice = "fix the data, or clip them with --clip-actions (clip_actions=True)"
    reject_rows(name, outside, action, "outside its space", advice)


def is_outside(action: np.ndarray, low: np.ndarray, high: np.ndarray) -> Any:
    """Return which actions [T, A] are beyond their bounds [A] by more than rounding."""
    slack = ACTION_TOLERANCE * (high - low)
    outside = (action < low - slack) | (action > high + slack)
    return np.any(outside, axis=-1)
