"""A batch a few rows at a time, so that its activations stay in a cache.

`num_rows` says how many rows are computed at a time, at most; None: the whole batch,
which is the plain form of each function. The results are the same but for rounding.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ramac_jax.compute.flat_params import unpack
from ramac_jax.errors import InputError
from ramac_jax.types import Array, Metrics, Params, Tree

LossFn = Callable[[Params, Any], tuple[Array, Metrics]]
"""(params, rows with leaves [B, ...]) -> means over the rows."""


def whole_batch(num_rows: int, num_fractions: int) -> None:
    """Compute all rows at once: the plain `MicroBatchFn`."""
    del num_rows, num_fractions


def gradient(
    loss: LossFn, params: Params, rows: Any, num_rows: int | None = None
) -> tuple[Params, Metrics]:
    """Gradient of a mean over rows with respect to `params`, and its metrics.

    Without micro-batches this is `jax.grad(loss, has_aux=True)(params, rows)`.

    Args:
      loss: a mean over the rows that it receives, and metrics that are means too.
      params: networks; packed ones are unpacked outside the loop.
      rows: a tree of leaves [B, ...].
      num_rows: rows at a time, at most; None: all.
    """
    layers, pack = jax.vjp(unpack, params)
    slope = jax.grad(loss, has_aux=True)
    count, batches = split(rows, num_rows)
    if count == 1:
        grads, metrics = slope(layers, rows)
    else:
        first = jax.tree.map(lambda x: x[0], batches)
        shapes = jax.eval_shape(slope, layers, first)
        zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

        def add(total: Any, batch: Any) -> tuple[Any, None]:
            return jax.tree.map(jnp.add, total, slope(layers, batch)), None

        # Added up in the loop: XLA takes several times as long to reduce a stack.
        total, _ = jax.lax.scan(add, zeros, batches)
        grads, metrics = jax.tree.map(lambda x: x / count, total)
    return pack(grads)[0], metrics


def map_rows(
    function: Callable[[Any], Tree], rows: Any, num_rows: int | None = None
) -> Tree:
    """Apply a function of rows [b, ...] -> leaves [b, ...] to a batch.

    It is `gradient` where only values are needed; it stops no gradient.

    Args:
      function: of a tree of rows.
      rows: a tree of leaves [B, ...].
      num_rows: rows at a time, at most; None: all.
    """
    count, batches = split(rows, num_rows)
    if count == 1:
        return function(rows)
    results = jax.lax.map(function, batches)
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), results)


def mean_over_rows(
    sums: Callable[[Array, Array], tuple[Array, Array]],
    action: Array,
    observation: Array,
    num_rows: int | None = None,
) -> tuple[Array, Array]:
    """Means over the batch of two per-row values, the first differentiable by action.

    In micro-batches each is differentiated as soon as it is computed, so that its
    activations are free before the next one.

    Args:
      sums: (actions [b, A], observations [b, O]) -> sums over these rows of a value
        and of another one, which is not differentiated.
      action: [B, A].
      observation: [B, O].
      num_rows: rows at a time, at most; None: all.
    """
    size = len(action)
    fixed = jax.lax.stop_gradient(action)
    count, batches = split((fixed, observation), num_rows)
    if count == 1:
        value, other = sums(action, observation)
        return value / size, jax.lax.stop_gradient(other) / size
    slope = jax.value_and_grad(sums, has_aux=True)
    (values, others), slopes = jax.lax.map(lambda batch: slope(*batch), batches)
    value = jnp.sum(values) + jnp.sum(slopes.reshape(action.shape) * (action - fixed))
    return value / size, jnp.sum(others) / size


def split(rows: Any, num_rows: int | None) -> tuple[int, Any]:
    """Number of micro-batches, and leaves [B, ...] as [count, B / count, ...]."""
    count = count_micro_batches(len(jax.tree.leaves(rows)[0]), num_rows)
    return count, jax.tree.map(lambda x: x.reshape(count, -1, *x.shape[1:]), rows)


def count_micro_batches(size: int, num_rows: int | None) -> int:
    """The fewest equal parts of a batch, none of more rows than `num_rows`.

    Raises `InputError` for parts without a row.
    """
    if num_rows is None:
        return 1
    if num_rows < 1:
        raise InputError(f"a micro-batch has {num_rows} rows: give 1 or more, or None")
    counts = range(1, size + 1)
    return next(n for n in counts if size % n == 0 and size // n <= num_rows)
