"""A worked example small enough for pen and paper.

The action is the actor's one weight, and critic e values it at gain_e w_e a, whatever
the fraction.
"""

import jax
import jax.numpy as jnp

import ramac_jax as rj
from tests.helpers import noiseless_actor

KEY = jax.random.key(7)
POINT_ACTOR = noiseless_actor(
    init=lambda key, observation, action: jnp.array([0.5]),
    sample=lambda params, observation: jnp.broadcast_to(
        params, (*observation.shape[:-1], 1)
    ),
    bc_loss=lambda params, observation, action: jnp.mean((params - action) ** 2),
)


def linear_critic(gains=(1.0, 1.0)):
    def quantiles(weights, observation, action, tau):
        value = (weights * jnp.array(gains))[:, None, None] * action  # [E, B, 1]
        return jnp.broadcast_to(value, (*value.shape[:2], tau.size))

    def init(key, observation, action):
        return jnp.array([2.0, 1.0])

    return rj.Critic(init=init, quantiles=quantiles, loss=rj.quantile_loss(quantiles))


ROWS = rj.Transition(
    observation=jnp.zeros((2, 1)),
    action=jnp.array([[0.1], [0.2]]),
    reward=jnp.array([1.0, 2.0]),
    next_observation=jnp.zeros((2, 1)),
    terminated=jnp.array([0.0, 1.0]),
)
HYPERPARAMS = rj.Hyperparams(
    actor_learning_rate=0.01,
    critic_learning_rate=0.1,
    max_grad_norm=0.5,
    discount=0.9,
    target_rate=0.5,
    ema_rate=0.1,
    bc_weight=2.0,
    risk_weight=0.5,
    value_max=1.5,
)
