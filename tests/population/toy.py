"""A population that compiles in a second, for what any agent would show."""

import jax
import jax.numpy as jnp
import numpy as np

import ramac_jax as rj
from ramac_jax import losses
from ramac_jax.population import Schedule, cross
from tests.helpers import keyed_agent

SCHEDULE = Schedule(
    num_steps=10, batch_size=4, bc_steps=4, log_every=4, save_every=3, watch_every=5
)


def init(key, example):
    """Random weights [O, A] at rest."""
    shape = (example.observation.shape[1], example.action.shape[1])
    weights = jax.random.uniform(key, shape)
    return rj.State(
        actor_params={"weights": weights},
        target_actor_params={"weights": jnp.copy(weights)},
        critic_params=jnp.zeros(2),
        target_critic_params=jnp.ones(2),
        actor_opt_state=jnp.zeros(shape),
        critic_opt_state=(),
        step=jnp.int32(0),
    )


def update(state, batch, key, knobs):
    """Least squares with momentum and noise: every input changes every number."""
    weights = state.actor_params["weights"]
    target = state.target_actor_params["weights"]
    noise = jax.random.uniform(key, batch.action.shape)
    error = batch.observation @ weights - batch.action + noise
    momentum = 0.9 * state.actor_opt_state + batch.observation.T @ error
    rate = knobs.actor_learning_rate * losses.cosine_decay(
        state.step, knobs.decay_steps
    )
    weights = weights - rate * momentum
    critic = 0.9 * state.critic_params + jnp.mean(batch.reward)
    state = rj.State(
        actor_params={"weights": weights},
        target_actor_params={"weights": 0.5 * (target + weights)},
        critic_params=critic,
        target_critic_params=0.5 * (state.target_critic_params + critic),
        actor_opt_state=momentum,
        critic_opt_state=(),
        step=state.step + 1,
    )
    return state, {"error": jnp.mean(error**2), "noise": jnp.mean(noise)}


def act(state, observation, key):
    """The action without noise."""
    return observation @ state.actor_params["weights"]


def clone(state, batch, key, knobs):
    """Half as fast, and with a critic that is of no use to the agent."""
    slow = knobs._replace(actor_learning_rate=0.5 * knobs.actor_learning_rate)
    return update(state, batch._replace(reward=1.0 + batch.reward), key, slow)


AGENT = keyed_agent(init, update, act)
CLONER = keyed_agent(init, clone, act)


def make_dataset(size=12, observation_dim=100):
    """Random transitions, wide enough that any two members fill a file of their own."""
    rng = np.random.default_rng(0)
    numbers = rj.Transition(
        rng.normal(size=(size, observation_dim)),
        rng.uniform(-1.0, 1.0, size=(size, 2)),
        rng.normal(size=size),
        rng.normal(size=(size, observation_dim)),
        np.zeros(size),
    )
    return jax.tree.map(lambda x: x.astype(np.float32), numbers)


DATASET = make_dataset()


def make_critic():
    """Two critics, linear in the observation, the action and the fraction."""

    def init(key, observation, action):
        width = observation.shape[-1] + action.shape[-1]
        return jax.random.uniform(key, (2, width))

    def quantiles(params, observation, action, tau):
        both = jnp.concatenate([observation, action], axis=-1)
        return jnp.einsum("ef,bf->eb", params, both)[..., None] * (1.0 + tau)

    return rj.Critic(init=init, quantiles=quantiles, loss=rj.losses.quantile_huber)


def true_agent():
    """A small flow that clones first, with a batch large enough to be shared."""
    actor = rj.flow_actor(2, 2, widths=(8,), time_width=4)
    critic = rj.iqn_critic(width=8, embedding_width=8, num_cosines=4)
    agent = rj.ramac_agent(actor, critic, num_quantiles=4)
    schedule = SCHEDULE._replace(
        num_steps=6, batch_size=64, bc_steps=2, log_every=3, watch_every=None
    )
    cloner = rj.ramac_agent(actor, rj.constant_critic())
    return agent, cloner, make_dataset(128, 3), schedule


def make_members(size=5, diverging=()):
    """Members that differ in seed and rate, some of them with a rate out of bounds."""
    rate = np.linspace(1e-3, 5e-3, size, dtype=np.float32)
    rate[list(diverging)] = 1e30
    members = cross(rj.Hyperparams(decay_steps=30.0), range(size))
    knobs = members.hyperparams._replace(actor_learning_rate=rate)
    return members._replace(hyperparams=knobs)


def watch(step, params, members):
    """Two figures of each member."""
    weights = params["weights"]
    return {
        "size": np.abs(weights).sum(axis=(1, 2), dtype=np.float64),
        "rate": step * members.hyperparams.actor_learning_rate,
    }
