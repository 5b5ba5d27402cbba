"""One step of an optimizer along clipped gradients, at a traced learning rate."""

import jax
import jax.numpy as jnp
import optax

from ramac_jax.types import Params, Scalar

ADAM = optax.adam(1.0)


def descend(
    optimizer: optax.GradientTransformation,
    params: Params,
    grads: Params,
    opt_state: optax.OptState,
    learning_rate: Scalar,
    max_grad_norm: Scalar,
) -> tuple[Params, optax.OptState]:
    """Take one step along gradients scaled down to norm `max_grad_norm`.

    The optimizer has a learning rate of 1; `learning_rate` multiplies its updates.
    Children of the root of the tree, such as a prior and its perturbation, are clipped
    separately: one must not slow the other down.
    """

    def clip(part: Params) -> Params:
        norm = optax.tree.norm(part)
        scale = jnp.minimum(1.0, max_grad_norm / jnp.maximum(norm, 1e-12))
        return jax.tree.map(lambda g: scale * g, part)

    clipped = jax.tree.map(clip, grads, is_leaf=lambda x: x is not grads)
    updates, opt_state = optimizer.update(clipped, opt_state, params)
    params = jax.tree.map(lambda p, u: p + learning_rate * u, params, updates)
    return params, opt_state
