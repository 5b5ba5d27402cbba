"""One batch on several devices: each computes a shard of its rows.

Every device draws the noise of the whole batch and uses its own rows of it, so that an
update is the same as on one device but for rounding.
"""

import functools
from typing import Any

import jax

from ramac_jax.errors import InputError
from ramac_jax.hyperparams import Hyperparams
from ramac_jax.pickling import picklable
from ramac_jax.types import (
    Agent,
    Array,
    MeanFn,
    Metrics,
    Noise,
    State,
    Transition,
)


@picklable
def data_parallel(agent: Agent, axis_name: str) -> Agent:
    """Build the agent whose devices along a mapped axis share every batch.

    Its update takes the arguments of the agent's update. Every device receives the same
    ones, the whole batch included, and computes a shard of the batch. Map it by
    `jax.vmap`, or by `jax.shard_map` with `check_vma=False`, along an axis of that
    name.

    The update raises `InputError` where the rows of a batch cannot be split equally,
    where a leaf of `Noise.rows` is not [..., B, Z], and where JAX adds up the gradients
    of the shards by itself.
    """

    @functools.cache  # one function for each mean, so that a jitted update traces once
    def over_shards(mean: MeanFn) -> MeanFn:
        return lambda tree: mean(jax.lax.pmean(tree, axis_name))

    def update_from_noise(
        state: State,
        batch: Transition,
        noise: Noise,
        hyperparams: Hyperparams,
        mean: MeanFn,
    ) -> tuple[State, Metrics]:
        """Update with this device's rows of the batch and of the noise."""
        check_axis(axis_name)
        check_row_noise(noise.rows, len(batch.reward))
        shard = own_rows(batch, axis_name)
        noise = noise._replace(rows=own_rows(noise.rows, axis_name, axis=-2))
        return agent.update_from_noise(
            state, shard, noise, hyperparams, over_shards(mean)
        )

    return agent._replace(update_from_noise=update_from_noise)


def check_axis(axis_name: str) -> None:
    """Raise `InputError` where JAX itself adds up the gradients of the shards."""
    index = jax.typeof(jax.lax.axis_index(axis_name))
    kinds = getattr(index, "manual_axis_type", None)
    # The name of this attribute differs between versions of JAX.
    if getattr(kinds, "varying", None) or getattr(index, "vma", None):
        raise InputError(
            f"JAX would add up the gradients along {axis_name!r} instead of averaging "
            "them: give jax.shard_map check_vma=False"
        )


def check_row_noise(rows: Any, size: int) -> None:
    """Raise `InputError` for a leaf that is not [..., B, Z] for a batch of B rows."""
    for leaf in jax.tree.leaves(rows):
        if leaf.shape[-2:-1] != (size,):
            raise InputError(
                f"noise has shape {list(leaf.shape)} for {size} rows: draw it as "
                f"[..., {size}, Z], so that every device can take its own rows"
            )


def own_rows(tree: Any, axis_name: str, axis: int = 0) -> Any:
    """This device's rows of every leaf, along one of its axes.

    Raises `InputError` for rows that cannot be split equally.
    """
    count, index = jax.lax.axis_size(axis_name), jax.lax.axis_index(axis_name)

    def own(leaf: Array) -> Array:
        size, rest = divmod(leaf.shape[axis], count)
        if rest:
            raise InputError(
                f"{leaf.shape[axis]} rows cannot be split into {count} equal shards: "
                "give another batch size or number of devices"
            )
        return jax.lax.dynamic_slice_in_dim(leaf, index * size, size, axis)

    return jax.tree.map(own, tree)
