"""RAFMAC's actor: Euler steps along a flow-matching velocity field over actions."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from ramac_jax.actors.noise import draw_time_and_noise
from ramac_jax.compute import random_numbers
from ramac_jax.compute.flat_params import functional
from ramac_jax.errors import check_counts
from ramac_jax.networks.vector_field import UNROLLED_STEPS, VectorField
from ramac_jax.pickling import picklable
from ramac_jax.types import Actor, Array, Key, Params


@picklable
def flow_actor(
    action_dim: int,
    num_steps: int = 10,
    *,
    widths: Sequence[int] = (128, 128, 128),
    time_width: int = 4,
    dtype: str | None = None,
) -> Actor:
    """Build a flow-matching `Actor`; its noise z is [..., A], where the flow starts.

    Args:
      action_dim: A.
      num_steps: T, Euler steps from noise at time 0 to the action at time 1.
      widths: hidden layers of the velocity field.
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
    velocity = functional(VectorField(action_dim, tuple(widths), time_width), dtype)

    def init(key: Key, observation: Array, action: Array) -> Params:
        return velocity.init(key, observation, action[..., :1])

    def draw_noise(observation: Array, key: Key) -> Array:
        shape = (*observation.shape[:-1], action_dim)
        return random_numbers.normal(key, shape, observation.dtype)

    def sample_from_noise(params: Params, observation: Array, noise: Array) -> Array:
        times = jnp.arange(num_steps, dtype=noise.dtype) / num_steps
        field = velocity.apply(params, observation, times[:, None])

        def euler(action: Array, from_time: Array) -> tuple[Array, None]:
            step = field._replace(from_time=from_time).vector(action)
            return action + step / num_steps, None

        unroll = num_steps <= UNROLLED_STEPS
        action, _ = jax.lax.scan(euler, noise, field.from_time, unroll=unroll)
        return jnp.clip(action, -1.0, 1.0)

    def bc_loss_from_noise(
        params: Params, observation: Array, action: Array, noise: tuple[Array, Array]
    ) -> Array:
        """E|v_theta(x_u, u, s) - (a - x_0)|^2 / A, x_u = (1 - u) x_0 + u a."""
        time, start = noise
        between = (1.0 - time) * start + time * action
        predicted = velocity.apply(params, observation, time).vector(between)
        return jnp.mean((predicted - (action - start)) ** 2)

    draw_bc_noise = draw_time_and_noise(action_dim)
    return Actor(
        init=init,
        draw_noise=draw_noise,
        sample_from_noise=sample_from_noise,
        draw_bc_noise=draw_bc_noise,
        bc_loss_from_noise=bc_loss_from_noise,
    )
