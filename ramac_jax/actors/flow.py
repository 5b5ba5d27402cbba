"""RAFMAC's actor: Euler steps along a flow-matching velocity field over actions."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from ramac_jax.networks import UNROLLED_STEPS, VectorField
from ramac_jax.types import Actor, Array, Key, Params


def flow_actor(
    action_dim: int,
    num_steps: int = 10,
    *,
    widths: Sequence[int] = (128, 128, 128),
    time_width: int = 4,
) -> Actor:
    """Build a flow-matching `Actor`; its noise z is [..., A], where the flow starts.

    Args:
      action_dim: A.
      num_steps: T, Euler steps from noise at time 0 to the action at time 1.
      widths: hidden layers of the velocity field.
      time_width: units of the time embedding.
    """
    velocity = VectorField(action_dim, tuple(widths), time_width)

    def init(key: Key, observation: Array, action: Array) -> Params:
        return velocity.init(key, observation, action, action[..., :1])

    def draw_noise(observation: Array, key: Key) -> Array:
        shape = (*observation.shape[:-1], action_dim)
        return jax.random.normal(key, shape, observation.dtype)

    def push_noise(params: Params, observation: Array, noise: Array) -> Array:
        def euler(action, time):
            time = jnp.full((*action.shape[:-1], 1), time, action.dtype)
            step = velocity.apply(params, observation, action, time) / num_steps
            return action + step, None

        times = jnp.arange(num_steps) / num_steps
        unroll = num_steps <= UNROLLED_STEPS
        action, _ = jax.lax.scan(euler, noise, times, unroll=unroll)
        return jnp.clip(action, -1.0, 1.0)

    def sample(params: Params, observation: Array, key: Key) -> Array:
        return push_noise(params, observation, draw_noise(observation, key))

    def bc_loss(params: Params, observation: Array, action: Array, key: Key) -> Array:
        """E|v_theta(x_u, u, s) - (a - x_0)|^2 / A, x_u = (1 - u) x_0 + u a."""
        time_key, noise_key = jax.random.split(key)
        time = jax.random.uniform(time_key, (*action.shape[:-1], 1), action.dtype)
        noise = jax.random.normal(noise_key, action.shape, action.dtype)
        between = (1.0 - time) * noise + time * action
        predicted = velocity.apply(params, observation, between, time)
        return jnp.mean((predicted - (action - noise)) ** 2)

    return Actor(init, sample, bc_loss, draw_noise, push_noise)
