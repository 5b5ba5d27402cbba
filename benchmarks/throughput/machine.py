"""What the machine can do at best: matrix products and copies, as compiled loops.

A loop inside one program pays neither for calls nor for memory that is taken anew.
"""

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

BEST_SHAPE = (2048, 2048, 2048)  # M, K, N of a product that machines do well
FIRST_FLOP = 4e9  # of a call, or more where that takes less than CALL_SECONDS
CALL_SECONDS = 0.2
COPIED_BYTES = 64 * 10**6
FIRST_COPIES = 10  # of a call, likewise


class Meter(NamedTuple):
    """Something that can be timed again and again."""

    call: Callable[[], Any]
    work: float  # FLOP or bytes of one call

    def rate(self) -> float:
        """Work per second, by one more call."""
        return self.work / seconds(self.call)


def seconds(call: Callable[[], Any]) -> float:
    """Wall time of one finished call."""
    start = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - start


def matrix_meter(
    rows: int, inner: int, columns: int, *, dtype: str | None = None
) -> Meter:
    """FLOP of products [M, K] x [K, N], each followed by one with [N, K].

    Of float32, at JAX's precision for it, unless a type is told.

    The second matrix is the pseudo-inverse of the first, so that numbers keep their
    size however long the loop is.
    """
    draw = np.random.default_rng(0)
    kind = dtype or jnp.float32
    x = jnp.asarray(draw.normal(size=(rows, inner)), kind)
    tall = (max(inner, columns), min(inner, columns))
    whole, _ = np.linalg.qr(draw.normal(size=tall))  # orthonormal columns
    whole = whole.T if inner < columns else whole
    # The transpose of such a matrix is its pseudo-inverse.
    there, back = (jnp.asarray(matrix, kind) for matrix in (whole, whole.T))

    @partial(jax.jit, static_argnums=0)
    def chain(rounds: int, x: Any, there: Any, back: Any) -> Any:
        return jax.lax.fori_loop(0, rounds, lambda _, x: (x @ there) @ back, x)

    flop = 4.0 * rows * inner * columns
    first = math.ceil(FIRST_FLOP / flop)
    return long_enough(lambda rounds: chain(rounds, x, there, back), flop, first)


def copy_meter() -> Meter:
    """Bytes read and written by copying an array, each number times a factor."""
    x, factor = jnp.ones(COPIED_BYTES // 4), jnp.float32(-1.0)

    @partial(jax.jit, static_argnums=0)
    def copies(rounds: int, x: Any, factor: Any) -> Any:
        return jax.lax.fori_loop(0, rounds, lambda _, x: factor * x, x)

    return long_enough(
        lambda rounds: copies(rounds, x, factor), 2.0 * x.nbytes, FIRST_COPIES
    )


def long_enough(loop: Callable[[int], Any], work: float, first: int) -> Meter:
    """A loop, as a function of its rounds, with enough of them for `CALL_SECONDS`.

    Args:
      loop: compiles when it is first called with a number of rounds.
      work: of one round.
      first: rounds at least.
    """
    jax.block_until_ready(loop(first))
    too_short = CALL_SECONDS / seconds(lambda: loop(first))
    rounds = first * max(1, math.ceil(too_short))
    jax.block_until_ready(loop(rounds))
    return Meter(lambda: loop(rounds), work * rounds)
