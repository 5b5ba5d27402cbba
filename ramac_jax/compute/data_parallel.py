"""A batch shared out along a mapped axis, and noise that does not depend on it.

Whoever shares a batch has as many of its rows as any other, in order, and draws the
noise of the whole batch to use its rows of that: what comes of an update is that of
the whole batch but for rounding.
"""

from typing import Any

import jax
import jax.numpy as jnp

from ramac_jax.types import Actor, Array, DrawNoiseFn, Key, Params
from ramac_jax.validation import InputError


def can_share(actor: Actor) -> bool:
    """Whether an actor draws its noise apart, so that its batches can be shared."""
    return None not in (
        actor.draw_noise,
        actor.sample_from_noise,
        actor.draw_bc_noise,
        actor.bc_loss_from_noise,
    )


def check_axis(axis_name: str | None) -> None:
    """Raise `InputError` where JAX itself would add up the gradients of the shares."""
    if axis_name is None:
        return
    index = jax.typeof(jax.lax.axis_index(axis_name))
    kinds = getattr(index, "manual_axis_type", None)
    # JAX calls it by either name; without a check nothing is known to vary.
    if getattr(kinds, "varying", None) or getattr(index, "vma", None):
        raise InputError(
            f"the gradients of the shares along {axis_name!r} would be added up, not "
            "averaged: give jax.shard_map check_vma=False"
        )


def own_rows(tree: Any, axis_name: str | None, axis: int = 0) -> Any:
    """This share of the rows of every leaf, along one of its axes; None: all rows.

    Raises `InputError` for rows that cannot be in as many equal shares.
    """
    if axis_name is None:
        return tree
    count, index = jax.lax.axis_size(axis_name), jax.lax.axis_index(axis_name)

    def own(leaf: Array) -> Array:
        size, rest = divmod(leaf.shape[axis], count)
        if rest:
            raise InputError(
                f"{leaf.shape[axis]} rows cannot be in {count} equal shares: give "
                "another batch size or number of devices"
            )
        return jax.lax.dynamic_slice_in_dim(leaf, index * size, size, axis)

    return jax.tree.map(own, tree)


def mean_of_shares(tree: Any, axis_name: str | None) -> Any:
    """The mean over all shares of what each has; None: the tree itself."""
    return tree if axis_name is None else jax.lax.pmean(tree, axis_name)


def own_noise(
    draw: DrawNoiseFn, observation: Array, key: Key, axis_name: str | None
) -> Any:
    """This share of the noise of a batch, leaves [..., B / shares, Z].

    Args:
      draw: the noise of observations, of which only shape and type matter to it.
      observation: of this share, [..., B / shares, O].
      key: for the batch, the same for all shares.
      axis_name: the axis of the shares; None: there is one.
    """
    if axis_name is None:
        return draw(observation, key)
    *front, rows, width = observation.shape
    whole = (*front, rows * jax.lax.axis_size(axis_name), width)
    noise = draw(jnp.zeros(whole, observation.dtype), key)
    return own_rows(noise, axis_name, axis=-2)


def sample(
    actor: Actor, params: Params, observation: Array, key: Key, axis_name: str | None
) -> Array:
    """The actor's actions [..., A] for a share of a batch; see `own_noise`."""
    if axis_name is None:
        return actor.sample(params, observation, key)
    assert actor.draw_noise is not None and actor.sample_from_noise is not None
    noise = own_noise(actor.draw_noise, observation, key, axis_name)
    return actor.sample_from_noise(params, observation, noise)


def bc_loss(
    actor: Actor,
    params: Params,
    observation: Array,
    action: Array,
    key: Key,
    axis_name: str | None,
) -> Array:
    """The actor's loss of cloning a share of a batch; see `own_noise`."""
    if axis_name is None:
        return actor.bc_loss(params, observation, action, key)
    assert actor.draw_bc_noise is not None and actor.bc_loss_from_noise is not None
    noise = own_noise(actor.draw_bc_noise, observation, key, axis_name)
    return actor.bc_loss_from_noise(params, observation, action, noise)
