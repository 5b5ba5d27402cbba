"""Flax modules: layers, shapes and initial weights; nothing of losses or sampling."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.nn.initializers import Initializer

from ramac_jax.types import Array

FAN_IN_UNIFORM = nn.initializers.variance_scaling(1.0 / 3.0, "fan_in", "uniform")
CRITIC_NORMAL = nn.initializers.normal(0.1)
HEAD_BOUND = 3e-4
UNROLLED_STEPS = 10  # a sampler up to this long is unrolled, and so fused


def symmetric_uniform(bound: float) -> Initializer:
    """Initial weights U(-bound, bound)."""

    def init(key, shape, dtype=jnp.float32, out_sharding=None):
        del out_sharding
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init


def dense(x: Array, width: int, kernel_init: Initializer = FAN_IN_UNIFORM) -> Array:
    """Affine layer [..., I] -> [..., width] with biases U(-1/sqrt(I), 1/sqrt(I))."""
    bias_init = symmetric_uniform(x.shape[-1] ** -0.5)
    return nn.Dense(width, kernel_init=kernel_init, bias_init=bias_init)(x)


def mish(x: Array) -> Array:
    """x tanh(log(1 + e^x)) (Misra, 2019), with its tanh and log solved for e^x.

    tanh(log(y)) = (y^2 - 1)/(y^2 + 1): one exponential in place of three functions.
    Beyond x = 20 the factor is 1 to the last bit.
    """
    power = jnp.exp(jnp.minimum(x, 20.0))
    excess = power * (power + 2.0)  # (1 + e^x)^2 - 1
    return x * (excess / (excess + 2.0))


def sinusoidal_embedding(time: Array, width: int) -> Array:
    """Sines and cosines of time [..., 1] at `width` / 2 geometric frequencies."""
    half = width // 2
    frequency = 1e4 ** (-jnp.arange(half) / max(half - 1, 1))
    angle = time * frequency
    return jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], axis=-1)


class MLP(nn.Module):
    """[..., I] -> [..., output_dim], with Mish between layers."""

    widths: Sequence[int]
    output_dim: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for width in self.widths:
            x = mish(dense(x, width))
        return dense(x, self.output_dim)


class VectorField(nn.Module):
    """(observation [..., O], action [..., A], time [..., 1]) -> vector [..., A].

    The denoiser of a diffusion or the velocity of a flow, with Mish between layers.
    """

    action_dim: int
    widths: Sequence[int]
    time_width: int

    @nn.compact
    def __call__(self, observation: Array, action: Array, time: Array) -> Array:
        embedded = sinusoidal_embedding(time, self.time_width)
        embedded = mish(dense(embedded, 2 * self.time_width))
        embedded = dense(embedded, self.time_width)
        hidden = jnp.concatenate([observation, action, embedded], axis=-1)
        for width in self.widths:
            hidden = mish(dense(hidden, width))
        return dense(hidden, self.action_dim)


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

    Its gradient is written out, so that it can be differentiated in reverse mode only.
    """
    return feature[:, None, :] * weight[None, :, :]


def _outer_product_forward(feature, weight):
    return outer_product(feature, weight), (feature, weight)


def _outer_product_backward(inputs, cotangent):
    feature, weight = inputs
    by_fraction = jnp.swapaxes(cotangent * weight[None, :, :], 0, 1)  # [N, B, E]
    return pairwise_sum(by_fraction), pairwise_sum(cotangent * feature[:, None, :])


outer_product.defvjp(_outer_product_forward, _outer_product_backward)


class QuantileNetwork(nn.Module):
    """Implicit quantile network (Dabney et al., 2018).

    (observation [..., O], action [..., A], tau [N]) -> quantiles [..., N]. The pair
    (s, a) is encoded once and tau once; only their product has both axes.
    """

    width: int
    embedding_width: int
    num_cosines: int
    kernel_init: Initializer = CRITIC_NORMAL

    @nn.compact
    def __call__(self, observation: Array, action: Array, tau: Array) -> Array:
        from_observation = nn.relu(dense(observation, self.width, self.kernel_init))
        from_action = nn.relu(dense(action, self.width, self.kernel_init))
        pair = jnp.concatenate([from_observation, from_action], axis=-1)
        feature = nn.relu(
            dense(pair, self.embedding_width, self.kernel_init)
        )  # [..., E]
        cosines = jnp.cos(jnp.pi * jnp.arange(self.num_cosines) * tau[:, None])
        weight = nn.relu(
            dense(cosines, self.embedding_width, self.kernel_init)
        )  # [N, E]
        rows = feature.reshape(-1, self.embedding_width)
        product = outer_product(rows, weight).reshape(-1, self.embedding_width)
        hidden = nn.relu(dense(product, self.width, self.kernel_init))  # [B N, W]
        quantiles = nn.Dense(1, kernel_init=symmetric_uniform(HEAD_BOUND))(hidden)
        return quantiles.reshape(*feature.shape[:-1], tau.shape[0])
