"""One step of an optimizer along clipped gradients, at a traced learning rate."""

from functools import partial

import jax
import jax.numpy as jnp
import optax

from ramac_jax.types import Params, Scalar

ADAM = optax.adam(1.0)


def clip(grads: Params, max_norm: Scalar) -> Params:
    """Scale gradients down to a norm of `max_norm`, over all leaves together."""
    norm = optax.tree.norm(grads)
    scale = jnp.minimum(1.0, max_norm / jnp.maximum(norm, 1e-12))
    return jax.tree.map(lambda g: scale * g, grads)


def clip_children(grads: Params, max_norm: Scalar) -> Params:
    """Clip the children of the root of the tree separately.

    They are the parts of an actor, such as a prior and its perturbation: one must not
    slow the other down.
    """
    each = partial(clip, max_norm=max_norm)
    return jax.tree.map(each, grads, is_leaf=lambda x: x is not grads)


def descend(
    optimizer: optax.GradientTransformation,
    params: Params,
    grads: Params,
    opt_state: optax.OptState,
    learning_rate: Scalar,
) -> tuple[Params, optax.OptState]:
    """Take one step of an optimizer along clipped gradients.

    The optimizer has a learning rate of 1; `learning_rate` multiplies its updates.
    """
    updates, opt_state = optimizer.update(grads, opt_state, params)
    params = jax.tree.map(lambda p, u: p + learning_rate * u, params, updates)
    return params, opt_state
