"""A batch a few rows at a time, so that what is computed of them stays in the cache."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

# Activations in float32: what suits the cache, and beyond which it matters.
ALL_CORES = 1024 * 256, 4096 * 256  # 1 MB and 4 MB, where one device has all cores
ONE_CORE = 512 * 256, 512 * 256  # where there are as many devices as cores


def rows_in_cache(num_rows: int, activations: int) -> int | None:
    """Transitions whose activations suit a processor's cache; None: all of them.

    Only a CPU gains by it, and only with many: an accelerator wants all rows at once,
    and loops over few leave nothing for a second core to do (docs/performance.md).

    Args:
      num_rows: transitions in a batch.
      activations: of a layer for each of them.
    """
    few, many = ALL_CORES if jax.local_device_count() == 1 else ONE_CORE
    if jax.default_backend() != "cpu" or num_rows * activations <= many:
        return None
    wanted = max(1, few // activations)
    size = num_rows // count_blocks(num_rows, wanted)
    return size if 2 * size > wanted else None  # no loop over what happens to divide


def each_block(function: Callable, block_size: int | None, *rows: Any) -> Any:
    """What a function gives for each block of rows [B, ...], on a leading axis.

    Args:
      function: of some of the rows.
      block_size: the blocks are equal and have as many rows as can be, up to this;
        None: all rows are one block.
      rows: trees of leaves [B, ...].
    """
    count, blocks = cut(rows, block_size)
    if count == 1:
        return jax.tree.map(lambda x: x[None], function(*rows))
    return jax.lax.map(lambda block: function(*block), blocks)


def mean_over_blocks(function: Callable, block_size: int | None, *rows: Any) -> Any:
    """The mean of what a function gives for each block; see `each_block`.

    Summed in the loop: a reduction of blocks side by side takes several times as long.
    """
    count, blocks = cut(rows, block_size)
    if count == 1:
        return function(*rows)
    like = jax.eval_shape(function, *jax.tree.map(lambda x: x[0], blocks))
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), like)

    def add(total, block):
        return jax.tree.map(jnp.add, total, function(*block)), None

    total, _ = jax.lax.scan(add, zeros, blocks)
    return jax.tree.map(lambda x: x / count, total)


def cut(rows: Any, block_size: int | None) -> tuple[int, Any]:
    """How many blocks, and the leaves [B, ...] in as many: [count, B / count, ...]."""
    count = count_blocks(len(jax.tree.leaves(rows)[0]), block_size)
    return count, jax.tree.map(lambda x: x.reshape(count, -1, *x.shape[1:]), rows)


def count_blocks(num_rows: int, block_size: int | None) -> int:
    """The fewest equal blocks that rows can be cut into, none above `block_size`."""
    if block_size is None:
        return 1
    return next(
        count
        for count in range(1, num_rows + 1)
        if num_rows % count == 0 and num_rows // count <= block_size
    )
