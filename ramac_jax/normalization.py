"""Conversion between the units of an agent and of its environment."""

from typing import NamedTuple

from ramac_jax.types import Array


class Scaling(NamedTuple):
    """How an agent's units relate to the environment's; all float32.

    Observations are shifted and divided, actions mapped from [low, high] to [-1, 1].
    """

    observation_mean: Array  # [O], 0 without normalisation
    observation_std: Array  # [O], 1 without normalisation
    action_low: Array  # [A]
    action_high: Array  # [A]


def normalize_observation(scaling: Scaling, observation: Array) -> Array:
    """Observation [..., O] in the environment's units -> in the agent's."""
    return (observation - scaling.observation_mean) / scaling.observation_std


def scale_action(scaling: Scaling, action: Array) -> Array:
    """Action [..., A] in [low, high] -> in [-1, 1]."""
    middle = 0.5 * (scaling.action_low + scaling.action_high)
    half_range = 0.5 * (scaling.action_high - scaling.action_low)
    return ((action - middle) / half_range).clip(-1.0, 1.0)


def unscale_action(scaling: Scaling, action: Array) -> Array:
    """Action [..., A] in [-1, 1] -> in [low, high]."""
    middle = 0.5 * (scaling.action_low + scaling.action_high)
    half_range = 0.5 * (scaling.action_high - scaling.action_low)
    return (middle + half_range * action).clip(scaling.action_low, scaling.action_high)
