"""Hazards: the rule that makes a locomotion reward stochastic, as functions on arrays.

Wherever the state after a step is risky, the reward of that step is charged a penalty
with some probability; the base reward stays. A hazard may also end the episode.
"""

import math
from typing import NamedTuple

import numpy as np

from ramac_jax.validation import InputError, Range, check_names

QUANTITIES = {"x velocity": "m/s", "torso angle": "rad"}
"""What a hazard may watch, with its unit."""
COORDINATES = {
    "HalfCheetah": {"x velocity": 8, "torso angle": 1},
    "Hopper": {"x velocity": 5, "torso angle": 1},
    "Walker2d": {"x velocity": 8, "torso angle": 1},
}
"""Where the observations of Gymnasium's robots hold each quantity."""


class Hazard(NamedTuple):
    """When a step is risky, what that costs, and when it ends the episode.

    Bounds are in the unit of the quantity and belong to the safe side.
    """

    quantity: str  # a name in `QUANTITIES`
    coordinate: int  # of the observation, that holds it
    low: float  # risky below ...
    high: float  # ... and above
    probability: float  # that a risky step is charged
    penalty: float  # added to the reward of a charged step; negative
    end_low: float = -math.inf  # the episode ends below ...
    end_high: float = math.inf  # ... and above


class Task(NamedTuple):
    """One benchmark of the paper: a robot, a hazard and how it is scored."""

    robot: str  # Gymnasium's name without the version
    hazard: Hazard
    horizon: int  # steps of an evaluation episode in the paper
    random_return: float  # D4RL's reference returns, over 1000 steps
    expert_return: float


def velocity_hazard(limit: float, penalty: float) -> Hazard:
    """HalfCheetah faster than `limit` in either direction, one time in twenty."""
    coordinate = COORDINATES["HalfCheetah"]["x velocity"]
    return Hazard("x velocity", coordinate, -limit, limit, 0.05, penalty)


def angle_hazard(
    low: float, high: float, penalty: float, end: float = math.inf
) -> Hazard:
    """Leaning outside [low, high], one time in ten; the end outside [-end, end]."""
    coordinate = COORDINATES["Hopper"]["torso angle"]  # the same of every robot there
    return Hazard("torso angle", coordinate, low, high, 0.1, penalty, -end, end)


CHEETAH_RETURNS = (-280.178953, 12135.0)
HOPPER_RETURNS = (-20.272305, 3234.3)
WALKER_RETURNS = (1.629008, 4592.3)
WALKER_HAZARD = angle_hazard(-0.5, 0.5, -30.0, end=1.0)
TASKS = {
    "halfcheetah-medium-expert": Task(
        "HalfCheetah", velocity_hazard(10.0, -70.0), 200, *CHEETAH_RETURNS
    ),
    "halfcheetah-medium-replay": Task(
        "HalfCheetah", velocity_hazard(5.0, -60.0), 200, *CHEETAH_RETURNS
    ),
    "hopper-medium-expert": Task(
        "Hopper", angle_hazard(-0.17, 0.04, -50.0), 500, *HOPPER_RETURNS
    ),
    "hopper-medium-expert-older": Task(
        "Hopper", angle_hazard(-0.1, 0.1, -50.0), 500, *HOPPER_RETURNS
    ),
    "hopper-medium-replay": Task(
        "Hopper", angle_hazard(-0.1, 0.1, -50.0, end=0.2), 500, *HOPPER_RETURNS
    ),
    "walker2d-medium-expert": Task("Walker2d", WALKER_HAZARD, 500, *WALKER_RETURNS),
    "walker2d-medium-replay": Task("Walker2d", WALKER_HAZARD, 500, *WALKER_RETURNS),
}
"""The six tasks; Hopper-medium-expert also with the band of an older version."""


def find_task(name: str) -> Task:
    """The task of a name; `InputError` with the nearest names for any other."""
    check_names("task", [name], TASKS)
    return TASKS[name]


def is_risky(hazard: Hazard, quantity: np.ndarray | float) -> np.ndarray:
    """Whether each value of the watched quantity [...] lies outside the safe band."""
    return np.asarray((quantity < hazard.low) | (quantity > hazard.high))


def is_end(hazard: Hazard, quantity: np.ndarray | float) -> np.ndarray:
    """Whether each value of the watched quantity [...] ends the episode."""
    return np.asarray((quantity < hazard.end_low) | (quantity > hazard.end_high))


def penalties(
    hazard: Hazard, quantity: np.ndarray | float, draws: np.ndarray | float
) -> np.ndarray:
    """What is added to the reward of each step [...]: the penalty, or 0.

    Args:
      hazard: the rule.
      quantity: the watched quantity [...] after each step.
      draws: uniform numbers of [0, 1), one for each step, the risky and the others.
    """
    charged = is_risky(hazard, quantity) & (draws < hazard.probability)
    return np.where(charged, hazard.penalty, 0.0)


def check_hazard(hazard: Hazard) -> None:
    """Raise `InputError` for a rule that no episode could follow."""
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
