"""One step of Adam along clipped gradients, with rates that can be traced."""

import jax
import jax.numpy as jnp
import optax

from ramac_jax.types import Params, Scalar

ADAM = optax.scale_by_adam()  # rates are applied by hand, so that they can be traced


def descend(
    params: Params,
    grads: Params,
    opt_state: optax.OptState,
    learning_rate: Scalar,
    max_grad_norm: Scalar,
) -> tuple[Params, optax.OptState]:
    """Take one Adam step along gradients scaled down to norm `max_grad_norm`.

    Parts side by side at the top of the tree, such as a prior and its perturbation, are
    scaled apart: what one learns from must not hold the other back.
    """

    def clip(part):
        norm = optax.tree.norm(part)
        scale = jnp.minimum(1.0, max_grad_norm / jnp.maximum(norm, 1e-12))
        return jax.tree.map(lambda g: scale * g, part)

    clipped = jax.tree.map(clip, grads, is_leaf=lambda x: x is not grads)
    direction, opt_state = ADAM.update(clipped, opt_state)
    params = jax.tree.map(lambda p, d: p - learning_rate * d, params, direction)
    return params, opt_state
