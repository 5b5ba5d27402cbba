"""Scores of actions against the data's actions at the nearest states."""

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ramac_jax.types import Array

AT_ONCE = 2**24  # distances from queries to data in memory together


class Pairs(NamedTuple):
    """States and actions, in a detector's units."""

    observation: Array  # [N, O]
    action: Array  # [N, A]


@partial(jax.jit, static_argnames=("family", "num_neighbours"))
def scores(
    family: str, data: Pairs, queries: Pairs, num_neighbours: int, bandwidth: float
) -> Array:
    """Return the scores [Q] of queries against the data, as in `Detector.score`."""
    size, action_dim = data.action.shape
    squares = jnp.sum(data.observation**2, axis=-1)

    def one_query(query: Pairs) -> Array:
        nearest = data.action
        if num_neighbours < size:
            # |s - s_i|^2 without |s|^2, which does not depend on i.
            product = jnp.matmul(
                data.observation, query.observation, precision="highest"
            )
            distances = squares - 2.0 * product
            nearest = data.action[smallest(distances, num_neighbours)]
        square = jnp.sum((nearest - query.action) ** 2, axis=-1)
        if family == "nearest":
            return jnp.sqrt(jnp.min(square))
        logs = -0.5 * square / bandwidth**2
        constant = action_dim * jnp.log(bandwidth * math.sqrt(2.0 * math.pi))
        return constant - jax.nn.logsumexp(logs) + math.log(num_neighbours)

    rows = max(AT_ONCE // size, 1)
    return jax.lax.map(one_query, queries, batch_size=rows)


def smallest(values: Array, count: int) -> Array:
    """Return the indices of the `count` smallest values of [D], in no order.

    They lie in the `count` groups with the smallest minima, so that only these groups
    are sorted.
    """
    width = max(math.isqrt(len(values) // count), 1)
    padded = jnp.pad(values, (0, -len(values) % width), constant_values=jnp.inf)
    groups = padded.reshape(-1, width)
    _, chosen = jax.lax.top_k(-jnp.min(groups, axis=1), count)
    _, places = jax.lax.top_k(-groups[chosen].ravel(), count)
    return chosen[places // width] * width + places % width
