"""RADAC's actor: denoising diffusion over actions, differentiable in every step."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ramac_jax.actors.noise import draw_time_and_noise
from ramac_jax.compute import random_numbers
from ramac_jax.compute.flat_params import functional
from ramac_jax.errors import check_counts
from ramac_jax.networks.vector_field import UNROLLED_STEPS, VectorField
from ramac_jax.pickling import picklable
from ramac_jax.types import Actor, Array, Key, Params


def variance_preserving_betas(num_steps: int) -> np.ndarray:
    """beta_t = 1 - exp(-b_min/T - (b_max - b_min)(2t - 1)/(2 T^2)), t = 1..T.

    The variance-preserving SDE with b from .1 to 10, integrated over each step
    (Xiao et al., 2022): noisy enough at the end for a handful of steps.
    """
    b_min, b_max = 0.1, 10.0
    t = np.arange(1, num_steps + 1)
    area = b_min / num_steps + 0.5 * (b_max - b_min) * (2 * t - 1) / num_steps**2
    return 1.0 - np.exp(-area)


def linear_betas(num_steps: int) -> np.ndarray:
    """Ho et al. (2020): 1e-4 to .02 over 1000 steps, rescaled to T, at most .999.

    Suited to long chains: at 20 steps or fewer the last betas reach the bound.
    """
    return np.minimum(np.linspace(0.1, 20.0, num_steps) / num_steps, 0.999)


def cosine_betas(num_steps: int) -> np.ndarray:
    """Nichol and Dhariwal (2021): abar_t ~ cos^2(pi/2 (t/T + s)/(1 + s)), s = .008."""
    offset = 0.008
    t = np.arange(num_steps + 1) / num_steps
    alpha_bar = np.cos(0.5 * np.pi * (t + offset) / (1.0 + offset)) ** 2
    return np.minimum(1.0 - alpha_bar[1:] / alpha_bar[:-1], 0.999)


def denoising_steps(beta: np.ndarray) -> tuple[np.ndarray, ...]:
    """alpha_bar_t and q(a_{t-1} | a_t, a_0), for t = 1..T: four arrays [T].

    q is normal with the mean clean_weight_t a_0 + noisy_weight_t a_t and the standard
    deviation stddev_t, which is 0 at the last step, t = 1.
    """
    alpha_bar = np.cumprod(1.0 - beta)
    previous = np.append(1.0, alpha_bar[:-1])
    clean_weight = beta * np.sqrt(previous) / (1.0 - alpha_bar)
    noisy_weight = (1.0 - previous) * np.sqrt(1.0 - beta) / (1.0 - alpha_bar)
    stddev = np.sqrt(beta * (1.0 - previous) / (1.0 - alpha_bar))
    return alpha_bar, clean_weight, noisy_weight, stddev


@picklable
def diffusion_actor(
    action_dim: int,
    num_steps: int = 5,
    betas: Callable[[int], np.ndarray] = variance_preserving_betas,
    *,
    widths: Sequence[int] = (256, 256, 256),
    time_width: int = 16,
    dtype: str | None = None,
) -> Actor:
    """Build a diffusion `Actor`; its noise z is [T, ..., A], the start and each step's.

    Args:
      action_dim: A.
      num_steps: T, denoising steps.
      betas: schedule of noise, from T to beta_1..beta_T.
      widths: hidden layers of the denoiser.
      time_width: units of the time embedding.
      dtype: that the network computes in, such as "bfloat16"; parameters, actions
        and loss keep theirs. None: the dtype of the parameters.

    Raises `InputError` for a number below 1.
    """
    check_counts(
        action_dim=action_dim,
        num_steps=num_steps,
        widths=widths,
        time_width=time_width,
    )
    denoiser = functional(VectorField(action_dim, tuple(widths), time_width), dtype)
    alpha_bar, clean_weight, noisy_weight, stddev = denoising_steps(betas(num_steps))

    def init(key: Key, observation: Array, action: Array) -> Params:
        return denoiser.init(key, observation, action[..., :1])

    def draw_noise(observation: Array, key: Key) -> Array:
        shape = (num_steps, *observation.shape[:-1], action_dim)
        return random_numbers.normal(key, shape, observation.dtype)

    def sample_from_noise(params: Params, observation: Array, noise: Array) -> Array:
        times = jnp.arange(num_steps, dtype=noise.dtype)
        field = denoiser.apply(params, observation, times[:, None])

        def denoise(mean: Array, step: Any) -> tuple[Array, None]:
            from_time, kept, clean_weight, noisy_weight, added = step
            action = mean + added
            predicted = field._replace(from_time=from_time).vector(action)
            clean = (action - jnp.sqrt(1.0 - kept) * predicted) / jnp.sqrt(kept)
            clean = jnp.clip(clean, -1.0, 1.0)
            return clean_weight * clean + noisy_weight * action, None

        # a_t is the mean of q plus noise; a_T is all noise, and a_0 has none.
        column = (num_steps,) + (1,) * (noise.ndim - 1)
        scale = np.append(stddev[1:], 1.0).reshape(column).astype(noise.dtype)
        coefficients = jax.tree.map(
            lambda x: jnp.asarray(x, noise.dtype),
            (alpha_bar, clean_weight, noisy_weight),
        )
        steps = (field.from_time, *coefficients, scale * noise)
        unroll = num_steps <= UNROLLED_STEPS
        start = jnp.zeros_like(noise[-1])
        action, _ = jax.lax.scan(denoise, start, steps, reverse=True, unroll=unroll)
        return jnp.clip(action, -1.0, 1.0)

    def bc_loss_from_noise(
        params: Params, observation: Array, action: Array, noise: tuple[Array, Array]
    ) -> Array:
        """E|eps - eps_theta(sqrt(abar_t) a + sqrt(1 - abar_t) eps, t, s)|^2 / A."""
        time, eps = noise
        index = jnp.floor(num_steps * time).astype(jnp.int32)
        kept = jnp.asarray(alpha_bar, action.dtype)[index]
        noisy = jnp.sqrt(kept) * action + jnp.sqrt(1.0 - kept) * eps
        field = denoiser.apply(params, observation, index.astype(action.dtype))
        predicted = field.vector(noisy)
        return jnp.mean((eps - predicted) ** 2)

    draw_bc_noise = draw_time_and_noise(action_dim)
    return Actor(
        init=init,
        draw_noise=draw_noise,
        sample_from_noise=sample_from_noise,
        draw_bc_noise=draw_bc_noise,
        bc_loss_from_noise=bc_loss_from_noise,
    )
