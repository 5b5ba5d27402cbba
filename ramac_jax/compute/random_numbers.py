"""Random numbers as `jax.random` draws them, in programs that compile fast."""

import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from ramac_jax.types import Array, Key, Scalar


def normal(key: Key, shape: Sequence[int], dtype=jnp.float32) -> Array:
    """Numbers of N(0, 1): those of `jax.random.normal`, bit by bit."""
    return drawn_in_a_row(lambda row: jax.random.normal(key, row, dtype), shape)


def uniform(
    key: Key,
    shape: Sequence[int],
    dtype=jnp.float32,
    low: Scalar = 0.0,
    high: Scalar = 1.0,
) -> Array:
    """Numbers of U(low, high): those of `jax.random.uniform`, bit by bit."""
    return drawn_in_a_row(
        lambda row: jax.random.uniform(key, row, dtype, low, high), shape
    )


def stratified(free: Array) -> Array:
    """Numbers of U(0, 1) [N] as one of each of N equal parts of (0, 1], in order.

    Each, picked at random, is U(0, 1) again, and a mean over all of them has the
    expectation of one over free draws with less variance.
    """
    size = len(free)
    return (jnp.arange(size, dtype=free.dtype) + free) / size


def drawn_in_a_row(draw: Callable[[tuple[int]], Array], shape: Sequence[int]) -> Array:
    """Draw as many numbers as a shape has along one axis, then shape them.

    XLA unrolls a generator over short last axes, such as that of actions: normal
    numbers [5, 256, 6] take it three times as long to compile as 7,680 in a row
    (docs/performance.md).
    """
    return draw((math.prod(shape),)).reshape(shape)
