"""Flax modules: layers, shapes and initial weights; nothing of losses or sampling."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.nn.initializers import Initializer

from ramac_jax.networks.heads import HeadFn, plain_head
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
    return nn.Dense(
        width,
        kernel_init=kernel_init,
        bias_init=bias_init,
        promote_dtype=in_type_of_kernel,
    )(x)


def in_type_of_kernel(x, kernel, bias, **unused):
    """Compute in the type of the weights, whatever that of the inputs.

    Inputs come as they are, since a time or fraction in bfloat16 turns the faster
    cosines of its embedding by the better part of a circle.
    """
    return x.astype(kernel.dtype), kernel, bias


class Layer(nn.Module):
    """Kernel [I, width] and bias [width] of `dense`, to be applied piece by piece."""

    fan_in: int  # I
    width: int
    kernel_init: Initializer = FAN_IN_UNIFORM
    bias_init: Initializer | None = None  # None: U(-1/sqrt(I), 1/sqrt(I))

    @nn.compact
    def __call__(self) -> tuple[Array, Array]:
        bias_init = self.bias_init or symmetric_uniform(self.fan_in**-0.5)
        kernel = self.param("kernel", self.kernel_init, (self.fan_in, self.width))
        return kernel, self.param("bias", bias_init, (self.width,))


@jax.custom_jvp
def mish(x: Array) -> Array:
    """x tanh(log(1 + e^x)) (Misra, 2019), with its tanh and log solved for e^x.

    tanh(log(y)) = (y^2 - 1)/(y^2 + 1): one exponential in place of three functions.
    Beyond x = 20 the factor is 1 to the last bit.
    """
    return _mish_and_slope(x)[0]


def _mish_and_slope(x):
    power = jnp.exp(jnp.minimum(x, 20.0))
    excess = power * (power + 2.0)  # (1 + e^x)^2 - 1
    below = excess + 2.0
    factor = excess / below
    return x * factor, factor + x * (4.0 * power * (power + 1.0) / (below * below))


@mish.defjvp
def _mish_jvp(primals, tangents):
    # One slope is kept for the gradient, not each step of the way to it.
    value, slope = _mish_and_slope(*primals)
    return value, slope * tangents[0]


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


class Field(NamedTuple):
    """A vector field with all that does not depend on the action worked out."""

    from_observation: Array  # [..., W], its part of the first layer, with the bias
    from_time: Array  # [..., W], likewise, or [T, W] for the steps of a sampler
    from_action: Array  # [A, W], the kernel of the rest of it
    layers: tuple[tuple[Array, Array], ...]  # kernel and bias of each of the others

    def vector(self, action: Array) -> Array:
        """The vector [..., A] at an action [..., A], and of its type."""
        seen = action.astype(self.from_action.dtype)
        x = self.from_observation + self.from_time + seen @ self.from_action
        for kernel, bias in self.layers:
            x = mish(x) @ kernel + bias
        return x.astype(action.dtype)


class VectorField(nn.Module):
    """(observation [..., O], time [..., 1]) -> `Field`, with Mish between layers.

    The denoiser of a diffusion or the velocity of a flow: an MLP of the observation,
    the action and the embedded time side by side.
    """

    action_dim: int
    widths: Sequence[int]
    time_width: int

    @nn.compact
    def __call__(self, observation: Array, time: Array) -> Field:
        embedded = sinusoidal_embedding(time, self.time_width)
        embedded = mish(dense(embedded, 2 * self.time_width))
        embedded = dense(embedded, self.time_width)
        seen, acted = observation.shape[-1], self.action_dim
        sizes = (seen + acted + self.time_width, *self.widths, self.action_dim)
        (kernel, bias), *layers = (Layer(*shape)() for shape in pairwise(sizes))
        return Field(
            observation.astype(kernel.dtype) @ kernel[:seen] + bias,
            embedded @ kernel[seen + acted :],
            kernel[seen : seen + acted],
            tuple(layers),
        )


class QuantileNetwork(nn.Module):
    """Implicit quantile network (Dabney et al., 2018).

    (observation [..., O], action [..., A], tau [N]) -> quantiles [..., N]. The pair
    (s, a) is encoded once and tau once; only their product has both axes.
    """

    width: int
    embedding_width: int
    num_cosines: int
    kernel_init: Initializer = CRITIC_NORMAL
    head: HeadFn = plain_head

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
        kernel, bias = Layer(self.embedding_width, self.width, self.kernel_init)()
        last = Layer(
            self.width, 1, symmetric_uniform(HEAD_BOUND), nn.initializers.zeros
        )
        rows = feature.reshape(-1, self.embedding_width)
        quantiles = self.head(rows, weight, kernel, bias, *last())
        return quantiles.reshape(*feature.shape[:-1], tau.shape[0])
