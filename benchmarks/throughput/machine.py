"""The machine's best rates of matrix products and of copies, in compiled loops.

A loop inside one program excludes the costs of calls and of new memory.
"""

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

BEST_SHAPE = (2048, 2048, 2048)  # M, K, N of a product that is fast on all machines
FIRST_FLOP = 4e9  # of a call; more where the call takes less than CALL_SECONDS
CALL_SECONDS = 0.2
COPIED_BYTES = 64 * 10**6
FIRST_COPIES = 10  # of a call; more likewise


class Meter(NamedTuple):
    """A call whose rate can be measured repeatedly."""

    call: Callable[[], Any]
    work: float  # FLOP or bytes of one call

    def rate(self) -> float:
        """Return the work per second of another call."""
        return self.work / seconds(self.call)


def seconds(call: Callable[[], Any]) -> float:
    """Return the wall time of one call, until its results are ready."""
    start = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - start


def matrix_meter(
    rows: int, inner: int, columns: int, *, dtype: str | None = None
) -> Meter:
    """Return a meter of products [M, K] x [K, N], each followed by one with [N, K].

    The second matrix is the pseudo-inverse of the first, so that the numbers neither
    grow nor vanish in a long loop.

    Args:
      rows: M.
      inner: K.
      columns: N.
      dtype: of the matrices; None: float32, at JAX's present precision.
    """
    draw = np.random.default_rng(0)
    kind = dtype or jnp.float32
    x = jnp.asarray(draw.normal(size=(rows, inner)), kind)
    tall = (max(inner, columns), min(inner, columns))
    factor, _ = np.linalg.qr(draw.normal(size=tall))  # orthonormal columns
    factor = factor.T if inner < columns else factor
    # The transpose of a matrix with orthonormal columns or rows is its pseudo-inverse.
    there, back = (jnp.asarray(matrix, kind) for matrix in (factor, factor.T))

    @partial(jax.jit, static_argnums=0)
    def chain(rounds: int, x: Any, there: Any, back: Any) -> Any:
        return jax.lax.fori_loop(0, rounds, lambda _, x: (x @ there) @ back, x)

    flop = 4.0 * rows * inner * columns
    first = math.ceil(FIRST_FLOP / flop)
    return long_enough(lambda rounds: chain(rounds, x, there, back), flop, first)


def copy_meter() -> Meter:
    """Return a meter of bytes read and written; a copy multiplies by a factor."""
    x, factor = jnp.ones(COPIED_BYTES // 4), jnp.float32(-1.0)

    @partial(jax.jit, static_argnums=0)
    def copies(rounds: int, x: Any, factor: Any) -> Any:
        return jax.lax.fori_loop(0, rounds, lambda _, x: factor * x, x)

    return long_enough(
        lambda rounds: copies(rounds, x, factor), 2.0 * x.nbytes, FIRST_COPIES
    )


def long_enough(loop: Callable[[int], Any], work: float, first: int) -> Meter:
    """Return a meter of a loop that takes at least about `CALL_SECONDS`.

    Args:
      loop: runs a number of rounds; compiles for each new number.
      work: FLOP or bytes of one round.
      first: the least number of rounds.
    """
    jax.block_until_ready(loop(first))
    multiple = CALL_SECONDS / seconds(lambda: loop(first))
    rounds = first * max(1, math.ceil(multiple))
    jax.block_until_ready(loop(rounds))
    return Meter(call=lambda: loop(rounds), work=work * rounds)
