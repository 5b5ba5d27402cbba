"""A guard for policies at work: is an observation like those of the training data?

The score of an observation is the largest distance of its coordinates from their mean
in the data, in deviations. It sees a sensor that is stuck, exchanged or scaled
otherwise. It does not see a combination of ordinary coordinates that never occurs.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ramac_jax.broadcasting import lift
from ramac_jax.errors import InputError
from ramac_jax.types import Array

STD_FLOOR = 1e-3
"""Least deviation of a coordinate: an almost constant one is not amplified."""
SHARE_ABOVE = 1e-3
"""Share of the training data whose score is above the threshold."""


class Guard(NamedTuple):
    """What is known of the observations of the training data; all float32."""

    mean: Array  # [O], of centred observations, in the environment's units
    std: Array  # [O], at least `STD_FLOOR`
    threshold: Array  # [], the score that `SHARE_ABOVE` of the data exceeds


def measure_guard(observation: Any) -> Guard:
    """Return the guard of centred training data [D, O], in the environment's units.

    Raises `InputError` where there are no data, or not only finite ones.
    """
    known = np.asarray(observation, np.float32)
    if known.ndim != 2 or not len(known) or not np.isfinite(known).all():
        raise InputError("the guard needs finite observations [D, O]: give some")
    mean = known.mean(axis=0, dtype=np.float64).astype(np.float32)
    deviation = known.std(axis=0, dtype=np.float64)
    std = np.maximum(deviation, STD_FLOOR).astype(np.float32)
    score = np.max(np.abs((known - mean) / std), axis=1)
    threshold = np.quantile(score, 1.0 - SHARE_ABOVE).astype(np.float32)
    return Guard(jnp.asarray(mean), jnp.asarray(std), jnp.asarray(threshold))


def ood_score(guard: Guard | None, observation: Array) -> Array:
    """Return the scores [...] of centred observations [..., O].

    max_j |s_j - mean_j| / std_j, in the environment's units, and inf where an
    observation is not finite. Without a guard, which an older checkpoint does not have,
    a finite observation scores 0.
    """
    finite = jnp.all(jnp.isfinite(observation), axis=-1)
    if guard is None:
        score = jnp.zeros(observation.shape[:-1], observation.dtype)
    else:
        mean, std = (lift(x, observation.ndim) for x in (guard.mean, guard.std))
        deviations = jnp.abs((observation - mean) / std)
        score = jnp.max(deviations, axis=-1)
    return jnp.where(finite, score, jnp.inf)
