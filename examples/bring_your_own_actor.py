"""Your own arrays and actor; saving and loading a policy.

The actor here is a uniform policy around a linear function of the state: any functions
of parameters, observation and noise make an `Actor`. The environment's actions lie in
[0, 10], the agent's in [-1, 1]: `Scaling` translates.
"""

import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import ramac_jax as rj
from ramac_jax.normalization import Scaling, scale_action
from ramac_jax.policy import PolicySpec

NOISE = 0.1


def linear_actor(action_dim: int) -> rj.Actor:
    """Build an actor a = clip(W s + NOISE z), z uniform in [-1, 1]."""

    def init(key, observation, action):
        del key, action
        return jnp.zeros((observation.shape[-1], action_dim))

    def draw_noise(observation, key):
        shape = (*observation.shape[:-1], action_dim)
        return jax.random.uniform(key, shape, observation.dtype, minval=-1.0)

    def sample_from_noise(params, observation, noise):
        return jnp.clip(observation @ params + NOISE * noise, -1.0, 1.0)

    def draw_bc_noise(observation, key):
        del observation, key  # the loss is deterministic

    def bc_loss_from_noise(params, observation, action, noise):
        del noise
        return jnp.mean((action - observation @ params) ** 2)

    return rj.Actor(
        init=init,
        draw_noise=draw_noise,
        sample_from_noise=sample_from_noise,
        draw_bc_noise=draw_bc_noise,
        bc_loss_from_noise=bc_loss_from_noise,
    )


def load_arrays(size: int) -> tuple[rj.Transition, Scaling]:
    """Stand in for your files: NumPy arrays in the environment's units."""
    rng = np.random.default_rng(0)
    observation = rng.normal(size=(size, 2)).astype(np.float32)
    action = (5.0 + 2.0 * np.tanh(observation[:, :1])).astype(np.float32)
    scaling = Scaling(
        observation_mean=np.zeros(2, np.float32),
        observation_std=np.ones(2, np.float32),
        action_low=np.zeros(1, np.float32),
        action_high=np.full(1, 10.0, np.float32),
    )
    dataset = rj.Transition(
        observation=observation,
        action=scale_action(scaling, action),
        reward=rng.normal(size=size).astype(np.float32),
        next_observation=observation,
        terminated=np.ones(size, np.float32),
    )
    return dataset, scaling


def main(num_steps: int = 500, folder: str | None = None) -> np.ndarray:
    """Train, save, load and act; return actions [4, 1] in the environment's units."""
    dataset, scaling = load_arrays(2000)
    rj.check_transitions(dataset)
    dataset = jax.tree.map(jnp.asarray, dataset)

    actor = linear_actor(action_dim=1)
    critic = rj.iqn_critic(width=16, embedding_width=16, num_cosines=8)
    agent = rj.ramac_agent(actor, critic, rj.risk.cvar, num_quantiles=8)
    hyperparams = rj.Hyperparams(actor_learning_rate=1e-2)
    state = agent.init(jax.random.key(0), dataset)
    train = jax.jit(rj.make_train(agent, num_steps=num_steps, batch_size=64))
    state, _ = train(state, dataset, jax.random.key(1), hyperparams)

    with tempfile.TemporaryDirectory() as temporary:
        checkpoint = Path(folder or temporary, "checkpoint")
        rj.save_policy(checkpoint, state, PolicySpec(scaling=scaling))
        policy = rj.load_policy(checkpoint, actor=actor)
    actions = np.asarray(policy(dataset.observation[:4], jax.random.key(2)))
    print("actions in the environment's units:", actions[:, 0].round(2))
    return actions


if __name__ == "__main__":
    main()
