"""Conversion between the units of an agent and of its environment."""

from typing import Any, NamedTuple

import jax
import numpy as np

from ramac_jax.broadcasting import lift
from ramac_jax.types import Array


class Scaling(NamedTuple):
    """How an agent's units relate to the environment's; all float32.

    Observations are centred, shifted and divided, actions mapped from [low, high] to
    [-1, 1].
    """

    observation_mean: Array  # [O], of centred observations; 0 without normalisation
    observation_std: Array  # [O], 1 without normalisation
    action_low: Array  # [A]
    action_high: Array  # [A]
    observation_centre: Array | None = None
    """[O], subtracted in float64 before an observation is rounded to float32, where
    rounding would lose its moves; None: float32 holds every coordinate as it is."""


def centre_observation(scaling: Scaling, observation: Any) -> Any:
    """Observation [..., O] in the environment's units -> centred, in the same units.

    A NumPy array loses no digit to float32 before its centre is subtracted.
    """
    if scaling.observation_centre is None:
        return observation
    if isinstance(observation, jax.Array):
        return observation - lift(scaling.observation_centre, observation.ndim)
    centre = np.asarray(scaling.observation_centre, np.float64)
    with np.errstate(over="ignore"):  # beyond float32: inf
        return (np.asarray(observation, np.float64) - centre).astype(np.float32)


def normalize_observation(scaling: Scaling, observation: Array) -> Array:
    """Centred observation [..., O] -> in the agent's units."""
    mean, std = scaling.observation_mean, scaling.observation_std
    return (observation - lift(mean, observation.ndim)) / lift(std, observation.ndim)


def scale_action(scaling: Scaling, action: Array) -> Array:
    """Action [..., A] in [low, high] -> in [-1, 1]."""
    middle, half_range = middle_and_half_range(scaling, action.ndim)
    return ((action - middle) / half_range).clip(-1.0, 1.0)


def unscale_action(scaling: Scaling, action: Array) -> Array:
    """Action [..., A] in [-1, 1] -> in [low, high]."""
    middle, half_range = middle_and_half_range(scaling, action.ndim)
    low, high = (
        lift(x, action.ndim) for x in (scaling.action_low, scaling.action_high)
    )
    return (middle + half_range * action).clip(low, high)


def middle_and_half_range(scaling: Scaling, ndim: int) -> tuple[Array, Array]:
    """Middle and half width of the box of actions, for actions of so many axes."""
    middle = 0.5 * (scaling.action_low + scaling.action_high)
    half_range = 0.5 * (scaling.action_high - scaling.action_low)
    return lift(middle, ndim), lift(half_range, ndim)
