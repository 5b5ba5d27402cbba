"""The head as XLA compiles it, with its activations stored or recomputed."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from ramac_jax.types import Array

HeadFn = Callable[[Array, Array, Array, Array, Array, Array], Array]


def pairwise_sum(x: Array) -> Array:
    """Sum over the first axis by adding halves: [M, ...] -> [...].

    Elementwise additions alone: XLA's reductions of a product over an outer axis take
    several times as long on a CPU (benchmarks/README.md).
    """
    size = x.shape[0]
    if size == 1:
        return x[0]
    half = size // 2
    total = pairwise_sum(x[:half] + x[half : 2 * half])
    return total + x[-1] if size % 2 else total


@jax.custom_vjp
def outer_product(feature: Array, weight: Array) -> Array:
    """feature [B, E] and weight [N, E] to their product [B, N, E].

    Its gradient is written by hand, so only reverse mode can differentiate it.
    """
    return feature[:, None, :] * weight[None, :, :]


def _outer_product_forward(
    feature: Array, weight: Array
) -> tuple[Array, tuple[Array, Array]]:
    return outer_product(feature, weight), (feature, weight)


def _outer_product_backward(
    inputs: tuple[Array, Array], cotangent: Array
) -> tuple[Array, Array]:
    feature, weight = inputs
    by_fraction = jnp.swapaxes(cotangent * weight[None, :, :], 0, 1)  # [N, B, E]
    return pairwise_sum(by_fraction), pairwise_sum(cotangent * feature[:, None, :])


outer_product.defvjp(_outer_product_forward, _outer_product_backward)


def matmul(a: Array, b: Array) -> Array:
    """a b, accumulated and returned in float32 at least."""
    wide = jnp.promote_types(a.dtype, jnp.float32)
    return jnp.dot(a, b, preferred_element_type=wide)


def plain_head(
    feature: Array,
    weight: Array,
    kernel: Array,
    bias: Array,
    out_kernel: Array,
    out_bias: Array,
) -> Array:
    """Let XLA compile it; it stores [B, N, E] and [B, N, W] for the gradient."""
    product = outer_product(feature, weight).reshape(-1, feature.shape[-1])
    hidden = jax.nn.relu(product @ kernel + bias[None, :])  # [B N, W]
    quantiles = matmul(hidden, out_kernel)
    quantiles += out_bias[None, :].astype(quantiles.dtype)
    return quantiles.reshape(feature.shape[0], weight.shape[0])


def rematerialized_head(*arguments: Array) -> Array:
    """Store only the arguments of `plain_head`, and recompute the rest."""
    quantiles: Array = jax.checkpoint(plain_head)(*arguments)
    return quantiles
