"""The rule of a hazard as functions on arrays.

Where the state after a step is risky, a penalty is added to the reward of that step
with some probability. A hazard may also end the episode. The reward itself may speak of
another state: that of OGBench's single tasks speaks of the state before the step.
"""

from typing import Any

import numpy as np

from ramac_jax.errors import InputError, check_names
from ramac_jax.hyperparams import Range
from ramac_jax.tasks import QUANTITIES, Hazard


def is_risky(hazard: Hazard, quantity: np.ndarray | float) -> np.ndarray:
    """Return whether each value of the quantity [...] is outside [low, high]."""
    return np.asarray((quantity < hazard.low) | (quantity > hazard.high))


def is_end(hazard: Hazard, quantity: np.ndarray | float) -> np.ndarray:
    """Return whether each value of the quantity [...] ends the episode."""
    return np.asarray((quantity < hazard.end_low) | (quantity > hazard.end_high))


def penalties(
    hazard: Hazard, quantity: np.ndarray | float, draws: np.ndarray | float
) -> np.ndarray:
    """Return the addition to the reward of each step [...]: the penalty, or 0.

    Args:
      hazard: the rule.
      quantity: the monitored quantity [...] after each step.
      draws: uniform numbers in [0, 1), one for each step whether risky or not.
    """
    charged = is_risky(hazard, quantity) & (draws < hazard.probability)
    return np.where(charged, hazard.penalty, 0.0)


def as_number(value: Any) -> float:
    """Return a reward as a number; some environments pay an array of one number.

    Raises `ValueError` for an array of another size.
    """
    return float(np.asarray(value, np.float64).item())


def check_hazard(hazard: Hazard) -> None:
    """Raise `InputError` for bounds, a probability or a penalty that make no rule."""
    check_names("quantity", [hazard.quantity], QUANTITIES)
    if hazard.coordinate < 0:
        raise InputError(f"coordinate is {hazard.coordinate}: give one from 0 on")
    allowed = {"probability": Range(0.0, 1.0), "penalty": Range(high=0.0)}
    for name, values in allowed.items():
        value = getattr(hazard, name)
        if value not in values:
            raise InputError(f"{name} of the hazard is {value:g}: it must be {values}")
    for low, high in (("low", "high"), ("end_low", "end_high")):
        if not getattr(hazard, low) < getattr(hazard, high):
            raise InputError(
                f"{low} of the hazard is {getattr(hazard, low):g} and {high} "
                f"{getattr(hazard, high):g}: the lower bound must be below the upper"
            )
