"""The vector field of a diffusion or a flow, with all that a sampler can reuse."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp

from ramac_jax.broadcasting import lift
from ramac_jax.networks.layers import Layer, dense, mish
from ramac_jax.types import Array

UNROLLED_STEPS = 10  # a sampler up to this long is unrolled, and so fused


def sinusoidal_embedding(time: Array, width: int) -> Array:
    """Sines and cosines of time [..., 1] at max(width // 2, 1) frequencies."""
    half = max(width // 2, 1)
    frequency = 1e4 ** (-jnp.arange(half) / max(half - 1, 1))
    angle = time * lift(frequency, time.ndim)
    return jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], axis=-1)


class Field(NamedTuple):
    """A vector field with everything computed that does not depend on the action."""

    from_observation: Array  # [..., W], its part of the first layer, and the bias
    from_time: Array  # [..., W], likewise, or [T, W] for the steps of a sampler
    from_action: Array  # [A, W], kernel of the action's part
    layers: tuple[tuple[Array, Array], ...]  # kernel and bias of every later layer

    def vector(self, action: Array) -> Array:
        """The vector [..., A] at an action [..., A], in the dtype of the action."""
        cast = action.astype(self.from_action.dtype)
        observed = self.from_observation
        x = observed + lift(self.from_time, observed.ndim) + cast @ self.from_action
        for kernel, bias in self.layers:
            x = mish(x) @ kernel + lift(bias, x.ndim)
        return x.astype(action.dtype)


class VectorField(nn.Module):
    """(observation [..., O], time [..., 1]) -> `Field`, with Mish between layers.

    The denoiser of a diffusion or the velocity of a flow: an MLP of the concatenated
    observation, action and embedded time.
    """

    action_dim: int
    widths: Sequence[int]
    time_width: int

    @nn.compact
    def __call__(self, observation: Array, time: Array) -> Field:
        embedded = sinusoidal_embedding(time, self.time_width)
        embedded = mish(dense(embedded, 2 * self.time_width))
        embedded = dense(embedded, self.time_width)
        observation_dim, action_dim = observation.shape[-1], self.action_dim
        inputs = observation_dim + action_dim
        sizes = (inputs + self.time_width, *self.widths, action_dim)
        (kernel, bias), *layers = (Layer(*shape)() for shape in pairwise(sizes))
        cast = observation.astype(kernel.dtype)
        part = cast @ kernel[:observation_dim]
        return Field(
            from_observation=part + lift(bias, part.ndim),
            from_time=embedded @ kernel[inputs:],
            from_action=kernel[observation_dim:inputs],
            layers=tuple(layers),
        )
