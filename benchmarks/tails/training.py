"""Recorded steps of a law, and critics that learn from them by the library's update."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import ramac_jax as rj
from benchmarks.tails.critics import Settings
from benchmarks.tails.laws import Law, step, tabulate

WIDTH = 64
BATCH_SIZE = 128
NUM_FRACTIONS = 1000
"""Midpoints at which the learned quantile function is read."""
NUM_WALKERS, NUM_STEPS = 1024, 512
"""Episodes that are recorded at the same time, and their steps."""


class Recording(NamedTuple):
    """Steps [T, M] of M walkers, who start again where an episode ends."""

    state: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    next_state: np.ndarray
    ends: np.ndarray


def record_steps(law: Law, num_walkers: int, num_steps: int, seed: int) -> Recording:
    """Record the uniform policy from the states of the law's starts."""
    rng, tables = np.random.default_rng(seed), tabulate(law)
    starts = np.array([state for _, state, _ in law.starts])
    state = rng.choice(starts, num_walkers)
    rows = []
    for _ in range(num_steps):
        walk = step(law, tables, rng, state)
        rows.append(Recording(state, *walk))
        state = np.where(walk.ends, rng.choice(starts, num_walkers), walk.next_state)
    return Recording(*map(np.stack, zip(*rows, strict=True)))


def returns_to_go(recording: Recording, discount: float) -> np.ndarray:
    """Discounted rewards [T, M] from each step to the end of its episode or record."""
    returns = np.array(recording.reward, np.float64)
    for t in reversed(range(len(returns) - 1)):
        returns[t] += discount * np.where(recording.ends[t], 0.0, returns[t + 1])
    return returns


def multi_step(
    recording: Recording, discount: float, window: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rewards of windows, their last next states, and whether an end is in them.

    All [T - window + 1, M]. The target of a window that goes on is
    sum_k gamma^k r_k + gamma^window Z(s_window).
    """
    count = len(recording.reward) - window + 1
    total = np.zeros((count, recording.reward.shape[1]))
    ended = np.zeros(total.shape, bool)
    for k in range(window):
        rows = slice(k, k + count)
        total += np.where(ended, 0.0, discount**k * recording.reward[rows])
        ended |= recording.ends[rows]
    return total, recording.next_state[window - 1 : window - 1 + count], ended


def encode_state(law: Law, state: np.ndarray) -> jax.Array:
    """States as one-hot vectors [..., S]."""
    return jnp.eye(len(law.outcomes), dtype=jnp.float32)[state]


def encode_action(action: np.ndarray) -> jax.Array:
    """Actions 0 and 1 as the coordinates -1 and 1, [..., 1]."""
    return jnp.asarray(2.0 * action - 1.0, jnp.float32)[..., None]


def make_dataset(
    law: Law, recording: Recording, settings: Settings
) -> tuple[rj.Transition, float]:
    """Return the transitions that a critic learns from, and the scale of rewards."""
    scale = settings.reward_scale
    if scale is None:
        half = len(recording.reward) // 2  # later returns lack most of their rewards
        returns = returns_to_go(recording, law.discount)[:half]
        scale = 1.0 / (3.0 * max(float(returns.std()), 1e-6))
    reward, next_state, ended = multi_step(recording, law.discount, settings.window)
    count = len(reward)
    dataset = rj.Transition(
        observation=encode_state(law, recording.state[:count].ravel()),
        action=encode_action(recording.action[:count].ravel()),
        reward=jnp.asarray(scale * reward.ravel(), jnp.float32),
        next_observation=encode_state(law, next_state.ravel()),
        terminated=jnp.asarray(ended.ravel(), jnp.float32),
    )
    return dataset, scale


def uniform_actor(num_actions: int) -> rj.Actor:
    """Build the policy of the laws as an actor, whose one parameter has no effect."""

    def init(key: Any, observation: Any, action: Any) -> Any:
        del key, observation, action
        return jnp.zeros(1)

    def draw_noise(observation: Any, key: Any) -> Any:
        drawn = jax.random.randint(key, (*observation.shape[:-1], 1), 0, num_actions)
        return 2.0 * drawn - 1.0

    def sample_from_noise(params: Any, observation: Any, noise: Any) -> Any:
        del params, observation
        return jnp.asarray(noise, jnp.float32)

    def bc_loss_from_noise(
        params: Any, observation: Any, action: Any, noise: Any
    ) -> Any:
        del observation, action, noise
        return jnp.sum(params)

    return rj.Actor(init, draw_noise, sample_from_noise, draw_noise, bc_loss_from_noise)


def learn_quantiles(
    law: Law,
    settings: Settings,
    dataset: rj.Transition,
    *,
    num_updates: int,
    num_seeds: int,
) -> np.ndarray:
    """Train critics, and read their quantiles in scaled rewards.

    Returns [seeds, starts, NUM_FRACTIONS]: what an agent acts on, the least of the
    ensemble at each fraction.
    """
    critic = rj.iqn_critic(
        settings.num_critics,
        width=WIDTH,
        embedding_width=WIDTH,
        num_cosines=settings.num_cosines,
    )
    actor = uniform_actor(len(law.outcomes[0]))
    agent = rj.ramac_agent(
        actor, critic, rj.risk.neutral, settings.num_quantiles, num_risk_quantiles=1
    )
    hyperparams = rj.Hyperparams(
        discount=law.discount**settings.window,
        huber_threshold=settings.huber_threshold,
        risk_weight=0.0,
        decay_steps=float(num_updates),
    )
    train = rj.make_train(agent, num_steps=num_updates, batch_size=BATCH_SIZE)
    keys = jax.random.split(jax.random.key(0), num_seeds)
    example = jax.tree.map(lambda x: x[:1], dataset)
    states = jax.vmap(agent.init, in_axes=(0, None))(keys, example)
    population = jax.jit(jax.vmap(train, in_axes=(0, None, 0, None)))
    states, _ = population(states, dataset, keys, hyperparams)
    tau = (jnp.arange(NUM_FRACTIONS) + 0.5) / NUM_FRACTIONS
    observation = encode_state(law, np.array([state for _, state, _ in law.starts]))
    action = encode_action(np.array([action for _, _, action in law.starts]))
    read = jax.vmap(critic.quantiles, in_axes=(0, None, None, None))
    quantiles = read(states.critic_params, observation, action, tau)
    return np.asarray(jnp.min(quantiles, axis=1), np.float64)
