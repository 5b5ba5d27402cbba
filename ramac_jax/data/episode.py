"""One episode of a Minari dataset as checked NumPy transitions."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from minari import EpisodeData, MinariDataset

from ramac_jax.data.clipping import Clipping, clip_actions, reject_outside
from ramac_jax.errors import InputError
from ramac_jax.normalization import Scaling, centre_observation, scale_action
from ramac_jax.observations import Layout, flatten, width
from ramac_jax.returns import steps_to_end
from ramac_jax.types import Transition
from ramac_jax.validation import check_transitions

SeeFn = Callable[[np.ndarray], None]
"""Is shown the flat observations [T + 1, O] of an episode, not yet rounded."""


class Reading(NamedTuple):
    """How the episodes of datasets become transitions."""

    scaling: Scaling  # of actions; observations are centred and not yet normalized
    layout: Layout | None = None
    """How observations become vectors; None: they are vectors already."""
    clip_actions: bool = False
    """Clip actions that are beyond their bounds; otherwise they are refused."""


def leave_unseen(observation: np.ndarray) -> None:
    """Ignore an episode's observations."""


def float32(values: Any) -> Any:
    """Return a float32 NumPy array; a number beyond float32's range becomes inf."""
    with np.errstate(over="ignore"):
        return np.asarray(values, np.float32)


def identity_scaling(dataset: MinariDataset, layout: Layout | None = None) -> Scaling:
    """Return the scaling that leaves observations, flattened, as they are."""
    box = dataset.action_space
    shape = dataset.observation_space.shape if layout is None else (width(layout),)
    return Scaling(
        observation_mean=float32(np.zeros(shape)),
        observation_std=float32(np.ones(shape)),
        action_low=float32(box.low),
        action_high=float32(box.high),
    )


def read_episode(
    dataset_id: str,
    episode: EpisodeData,
    reading: Reading,
    see: SeeFn = leave_unseen,
) -> tuple[Transition, Clipping]:
    """Cut an episode of T steps and T + 1 observations into T checked transitions.

    A truncated step keeps its true next observation and is not terminated. Also returns
    what was clipped of the actions.
    """
    where = f"dataset {dataset_id}, episode {episode.id}"
    if not len(episode.rewards):
        raise InputError(f"{where}: it has no step; leave it out")
    try:
        return checked_transitions(episode, reading, see)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def checked_transitions(
    episode: EpisodeData, reading: Reading, see: SeeFn
) -> tuple[Transition, Clipping]:
    """Return the transitions of an episode; the error does not say which it is."""
    scaling = reading.scaling
    low, high = np.asarray(scaling.action_low), np.asarray(scaling.action_high)
    flat = flat_observations(episode, reading.layout)
    action, clipping = float32(episode.actions), Clipping()
    check_width("observations", flat, scaling.observation_mean.shape)
    check_width("actions", action, low.shape)
    see(flat)
    if reading.clip_actions:
        action, clipping = clip_actions(action, low, high)
    reject_outside(action, low, high)
    observation = float32(centre_observation(scaling, flat))
    transitions = Transition(
        observation=observation[:-1],
        action=scale_action(scaling, action),
        reward=float32(episode.rewards),
        next_observation=observation[1:],
        terminated=float32(episode.terminations),
        steps=float32(steps_to_end(np.asarray(episode.terminations, bool))),
    )
    check_transitions(transitions)
    return transitions, clipping


def flat_observations(episode: EpisodeData, layout: Layout | None) -> np.ndarray:
    """Return the observations [T + 1, O] of an episode as vectors, not rounded."""
    if layout is None:
        return np.asarray(episode.observations)
    return np.asarray(flatten(layout, episode.observations))


def check_width(name: str, value: np.ndarray, width: tuple[int, ...]) -> None:
    """Raise `InputError` unless rows [T, ...] have the shape of their space."""
    if value.shape[1:] != width:
        raise InputError(
            f"{name} have shape {list(value.shape)} and their space {list(width)}; "
            "download or make it again"
        )
