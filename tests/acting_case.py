"""A critic whose values are a closed form, and agents and policies that act by it."""

import jax
import jax.numpy as jnp

import ramac_jax as rj
from ramac_jax.normalization import Scaling
from ramac_jax.policy import CriticSpec, Policy, PolicySpec

KEY = jax.random.key(0)
OBSERVATION = jnp.linspace(-1.0, 1.0, 15).reshape(5, 3)
BATCH = rj.Transition(
    OBSERVATION, jnp.zeros((5, 2)), jnp.zeros(5), OBSERVATION, jnp.zeros(5)
)
UNITS = Scaling(jnp.ones(3), jnp.full(3, 2.0), jnp.full(2, -4.0), jnp.full(2, 4.0))


def mean_and_spread_critic():
    """Z(s, a; tau) = a_0 - a_1 + (1 + a_0 + a_1) (tau - 1/2) + e, critics e = 1, 0."""

    def quantiles(params, observation, action, tau):
        mean = action[..., :1] - action[..., 1:]
        spread = 1.0 + action.sum(axis=-1, keepdims=True)
        return params[:, None, None] + mean + spread * (tau - 0.5)

    return rj.Critic(
        init=lambda *_: jnp.array([1.0, 0.0]),
        quantiles=quantiles,
        loss=rj.quantile_loss(quantiles),
    )


def closed_form(actions, level):
    """CVaR of the least critic: the mean of tau over (0, level) is level / 2."""
    a, b = actions[..., 0], actions[..., 1]
    return a - b + (1.0 + a + b) * (0.5 * level - 0.5)


def make_agent(actor, **options):
    agent = rj.ramac_agent(actor, mean_and_spread_critic(), num_quantiles=4, **options)
    return agent, agent.init(KEY, BATCH)


def make_policy(actor, states, **spec):
    """A policy of states [P, ...], with the critics of `make_agent`."""
    critic = CriticSpec(**{"num_quantiles": 4, "risk_level": 0.1} | spec)
    return Policy(
        spec=PolicySpec(scaling=UNITS, critic=critic),
        actor=actor,
        params=states.actor_params,
        critic=mean_and_spread_critic(),
        critic_params=states.critic_params,
    )


def flow_agent():
    """A flow actor, the agent of it, and a state of that agent."""
    actor = rj.flow_actor(2, 1, widths=(8,))
    return actor, *make_agent(actor)
