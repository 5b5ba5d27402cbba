"""Noise that several actors draw alike."""

import jax

from ramac_jax.compute import random_numbers
from ramac_jax.types import Array, DrawNoiseFn, Key


def draw_time_and_noise(action_dim: int) -> DrawNoiseFn:
    """Build the noise of a denoising loss: times from U(0, 1), noise from N(0, I).

    For observations [..., O] it draws times [..., 1] and noise [..., A].
    """

    def draw(observation: Array, key: Key) -> tuple[Array, Array]:
        time_key, noise_key = jax.random.split(key)
        front, dtype = observation.shape[:-1], observation.dtype
        time = random_numbers.uniform(time_key, (*front, 1), dtype)
        return time, random_numbers.normal(noise_key, (*front, action_dim), dtype)

    return draw
