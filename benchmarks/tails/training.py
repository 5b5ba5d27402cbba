"""Recorded steps of a law, and critics that learn from them by the library's update."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import ramac_jax as rj
from benchmarks.tails.critics import Settings
from benchmarks.tails.laws import Law, step, tabulate
from ramac_jax.returns import steps_to_end
from ramac_jax.validation import check_target_steps

WIDTH = 64
BATCH_SIZE = 128
NUM_FRACTIONS = 1000
"""Midpoints at which the learned quantile function is read."""
NUM_WALKERS, NUM_STEPS = 8192, 512
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
    law = law._replace(policy=None)
    rng, tables = np.random.default_rng(seed), tabulate(law)
    starts = np.array([state for _, state, _ in law.starts])
    state = rng.choice(starts, num_walkers)
    rows = []
    for _ in range(num_steps):
        walk = step(law, tables, rng, state)
        rows.append(Recording(state, *walk))
        state = np.where(walk.ends, rng.choice(starts, num_walkers), walk.next_state)
    return Recording(*map(np.stack, zip(*rows, strict=True)))


def encode_state(law: Law, state: np.ndarray) -> jax.Array:
    """States as one-hot vectors [..., S]."""
    return jnp.eye(len(law.outcomes), dtype=jnp.float32)[state]


def encode_action(action: np.ndarray) -> jax.Array:
    """Actions 0 and 1 as the coordinates -1 and 1, [..., 1]."""
    return jnp.asarray(2.0 * action - 1.0, jnp.float32)[..., None]


def make_dataset(law: Law, recording: Recording) -> rj.Transition:
    """Return the steps as transitions [M T, ...], walker by walker."""
    by_walker = Recording(*(np.swapaxes(x, 0, 1) for x in recording))
    ends = by_walker.ends.copy()
    ends[:, -1] = True  # of the record
    rows = Recording(*(x.ravel() for x in by_walker))
    return rj.Transition(
        observation=encode_state(law, rows.state),
        action=encode_action(rows.action),
        reward=jnp.asarray(rows.reward, jnp.float32),
        next_observation=encode_state(law, rows.next_state),
        terminated=jnp.asarray(rows.ends, jnp.float32),
        steps=jnp.asarray(steps_to_end(ends.ravel()), jnp.float32),
    )


def choose_scale(law: Law, settings: Settings, dataset: rj.Transition) -> float:
    """Return the factor on the rewards that a critic learns from."""
    if settings.reward_scale is not None:
        return settings.reward_scale
    spread = float(rj.discounted_returns(dataset, law.discount).std())
    return 1.0 / (3.0 * max(spread, 1e-6))


def build_critic(law: Law, settings: Settings, dataset: rj.Transition) -> rj.Critic:
    """Build a critic of rewards that are scaled."""
    if settings.critic == "categorical":
        low, high = rj.value_range(dataset, law.discount)
        return rj.categorical_critic(
            low,
            high,
            settings.num_critics,
            widths=(WIDTH, WIDTH),
            num_atoms=settings.num_atoms,
        )
    return rj.iqn_critic(
        settings.num_critics,
        width=WIDTH,
        embedding_width=WIDTH,
        num_cosines=settings.num_cosines,
    )


def draw_actions(law: Law, key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Draw actions of the law's policy, as the coordinates that `encode_action` has."""
    chances = None if law.policy is None else jnp.array(law.policy)
    drawn = jax.random.choice(key, len(law.outcomes[0]), shape, p=chances)
    return 2.0 * drawn.astype(jnp.float32) - 1.0


def fixed_actor(law: Law) -> rj.Actor:
    """Build the policy of a law as an actor, whose one parameter has no effect."""

    def init(key: Any, observation: Any, action: Any) -> Any:
        del key, observation, action
        return jnp.zeros(1)

    def draw_noise(observation: Any, key: Any) -> Any:
        return draw_actions(law, key, (*observation.shape[:-1], 1))

    def sample_from_noise(params: Any, observation: Any, noise: Any) -> Any:
        del params, observation
        return noise

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
    """Train critics, and read their quantiles.

    Returns [seeds, starts, NUM_FRACTIONS]: what an agent acts on, the least of the
    ensemble at each fraction.
    """
    check_target_steps(settings.target_steps, dataset)
    scale = choose_scale(law, settings, dataset)
    dataset = dataset._replace(reward=scale * dataset.reward)
    critic = build_critic(law, settings, dataset)
    actor = fixed_actor(law)
    agent = rj.ramac_agent(
        actor,
        critic,
        rj.risk.neutral,
        settings.num_quantiles,
        num_risk_quantiles=1,
        target_steps=settings.target_steps,
        independent_targets=settings.independent_targets,
        ood_actions=settings.ood_weight > 0.0,
    )
    hyperparams = rj.Hyperparams(
        critic_learning_rate=settings.critic_learning_rate,
        discount=law.discount,
        target_lambda=settings.target_lambda,
        ood_weight=settings.ood_weight,
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
    return np.asarray(jnp.min(quantiles, axis=1), np.float64) / scale
