"""Scores of actions against the data's actions at the nearest states."""

import math
from functools import partial
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from ramac_jax.types import Array

if TYPE_CHECKING:
    from scipy.spatial import KDTree

AT_ONCE = 2**24  # distances, or numbers of nearest actions, in memory together


def nearest_actions(
    states: "KDTree", action: np.ndarray, observation: np.ndarray, num_neighbours: int
) -> np.ndarray:
    """Return the data's actions at the K states nearest to each of Q: [Q, K, A].

    Where K is the number of data they are the same for all states: [1, K, A].

    Args:
      states: of the data, D.
      action: of the data [D, A].
      observation: [Q, O]; one that is not finite has any neighbours.
      num_neighbours: K.
    """
    if num_neighbours == len(action):
        return action[None]
    finite = np.isfinite(observation).all(axis=1, keepdims=True)
    known = np.where(finite, observation, 0.0)
    places = states.query(known, k=num_neighbours, workers=-1)[1]
    return action[places.reshape(len(observation), num_neighbours)]


@partial(jax.jit, static_argnames="family")
def scores(family: str, nearest: Array, action: Array, bandwidth: float) -> Array:
    """Return the scores [Q] of actions [Q, A] against those of `nearest_actions`.

    NaN where an action is not finite.
    """
    size, action_dim = nearest.shape[1:]

    def of_one(pair: tuple[Array, Array]) -> Array:
        known, own = pair
        square = jnp.sum((known - own) ** 2, axis=-1)
        if family == "nearest":
            return jnp.sqrt(jnp.min(square))
        logs = -0.5 * square / bandwidth**2
        constant = action_dim * jnp.log(bandwidth * math.sqrt(2.0 * math.pi))
        return constant - jax.nn.logsumexp(logs) + math.log(size)

    rows = max(AT_ONCE // size, 1)
    if len(nearest) == 1:
        found = jax.lax.map(lambda x: of_one((nearest[0], x)), action, batch_size=rows)
    else:
        found = jax.lax.map(of_one, (nearest, action), batch_size=rows)
    return jnp.where(jnp.isfinite(action).all(axis=-1), found, jnp.nan)
