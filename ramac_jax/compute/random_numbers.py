"""Random numbers as `jax.random` draws them, in programs that compile fast."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ramac_jax.types import Array, Key, Scalar


def normal(key: Key, shape: Sequence[int], dtype: Any = jnp.float32) -> Array:
    """Draw from N(0, 1), the same bits as `jax.random.normal`."""
    return draw_flat(lambda flat: jax.random.normal(key, flat, dtype), shape)


def uniform(
    key: Key,
    shape: Sequence[int],
    dtype: Any = jnp.float32,
    low: Scalar = 0.0,
    high: Scalar = 1.0,
) -> Array:
    """Draw from U(low, high), the same bits as `jax.random.uniform`."""
    return draw_flat(
        lambda flat: jax.random.uniform(key, flat, dtype, low, high), shape
    )


def gumbel(key: Key, shape: Sequence[int], dtype: Any = jnp.float32) -> Array:
    """Draw from the standard Gumbel law, the same bits as `jax.random.gumbel`."""
    return draw_flat(lambda flat: jax.random.gumbel(key, flat, dtype), shape)


def stratified(free: Array) -> Array:
    """Turn draws [N] from U(0, 1) into one from each of N equal parts of (0, 1].

    A part picked at random is U(0, 1) again, so a mean over all parts has the same
    expectation as a mean over free draws, and less variance.
    """
    size = len(free)
    return (jnp.arange(size, dtype=free.dtype) + free) / size


def draw_flat(draw: Callable[[tuple[int]], Array], shape: Sequence[int]) -> Array:
    """Draw along one axis, then reshape.

    XLA unrolls a generator over short last axes, such as the axis of actions: normal
    numbers [5, 256, 6] take it three times as long to compile as 7,680 along one axis
    (docs/performance.md).
    """
    return draw((math.prod(shape),)).reshape(shape)
