"""Layers and their initial parameters, and the multi-layer perceptron."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.nn.initializers import Initializer

from ramac_jax.types import Array, Key

FAN_IN_UNIFORM = nn.initializers.variance_scaling(1.0 / 3.0, "fan_in", "uniform")


def symmetric_uniform(bound: float) -> Initializer:
    """Initial parameters from U(-bound, bound)."""

    def init(
        key: Key,
        shape: Sequence[int],
        dtype: Any = jnp.float32,
        out_sharding: Any = None,
    ) -> Array:
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
        promote_dtype=cast_to_kernel,
    )(x)


def cast_to_kernel(
    x: Array, kernel: Array, bias: Array, **unused: Any
) -> tuple[Array, Array, Array]:
    """Cast the inputs to the dtype of the kernel.

    Inputs arrive in full precision: rounding a time or a fraction to bfloat16 turns the
    fastest cosines of its embedding by most of a circle.
    """
    return x.astype(kernel.dtype), kernel, bias


class Layer(nn.Module):
    """Kernel [I, width] and bias [width] of `dense`, for the caller to apply."""

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
    """x tanh(log(1 + e^x)) (Misra, 2019), with a single exponential.

    tanh(log(y)) = (y^2 - 1)/(y^2 + 1). Beyond x = 20 the factor is 1 to the last bit.
    """
    return _mish_and_slope(x)[0]


def _mish_and_slope(x: Array) -> tuple[Array, Array]:
    power = jnp.exp(jnp.minimum(x, 20.0))
    excess = power * (power + 2.0)  # (1 + e^x)^2 - 1
    below = excess + 2.0
    factor = excess / below
    return x * factor, factor + x * (4.0 * power * (power + 1.0) / (below * below))


@mish.defjvp
def _mish_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    # Keeps one slope for the gradient, not every intermediate result.
    value, slope = _mish_and_slope(*primals)
    return value, slope * tangents[0]


class MLP(nn.Module):
    """[..., I] -> [..., output_dim], with Mish between layers."""

    widths: Sequence[int]
    output_dim: int
    layer_norm: bool = False  # of each hidden layer, before Mish

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for width in self.widths:
            x = dense(x, width)
            x = mish(nn.LayerNorm()(x) if self.layer_norm else x)
        return dense(x, self.output_dim)
