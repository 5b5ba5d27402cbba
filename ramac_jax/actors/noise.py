"""An actor made of pure functions of its noise."""

import jax

from ramac_jax.compute import random_numbers as randomness
from ramac_jax.types import (
    Actor,
    Array,
    BCLossFromNoiseFn,
    DrawNoiseFn,
    InitFn,
    Key,
    Params,
    SampleFromNoiseFn,
)


def from_noise(
    init: InitFn,
    draw_noise: DrawNoiseFn,
    sample_from_noise: SampleFromNoiseFn,
    draw_bc_noise: DrawNoiseFn,
    bc_loss_from_noise: BCLossFromNoiseFn,
) -> Actor:
    """Build the `Actor` of its five functions, that draws noise where it has a key."""

    def sample(params: Params, observation: Array, key: Key) -> Array:
        return sample_from_noise(params, observation, draw_noise(observation, key))

    def bc_loss(params: Params, observation: Array, action: Array, key: Key) -> Array:
        noise = draw_bc_noise(observation, key)
        return bc_loss_from_noise(params, observation, action, noise)

    return Actor(
        init,
        sample,
        bc_loss,
        draw_noise,
        sample_from_noise,
        draw_bc_noise,
        bc_loss_from_noise,
    )


def time_and_noise(action_dim: int) -> DrawNoiseFn:
    """Draw what it takes to clone by denoising: times of U(0, 1) and noise of N(0, I).

    Of the times [..., 1] and of the noise [..., A] one for each observation.
    """

    def draw(observation: Array, key: Key) -> tuple[Array, Array]:
        time_key, noise_key = jax.random.split(key)
        front, dtype = observation.shape[:-1], observation.dtype
        time = randomness.uniform(time_key, (*front, 1), dtype)
        return time, randomness.normal(noise_key, (*front, action_dim), dtype)

    return draw
