"""Optuna asks for hyperparameters, and a vmapped population answers with its scores.

Each round trains eight settings with two seeds each as one compiled program. The
rewards that select a setting are not those that report it: the best of many is partly
luck.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optuna

import ramac_jax as rj
from ramac_jax.search import Range, Round, SearchResult, make_sampler, search

SPACE = {"risk_weight": Range(0.1, 10.0), "actor_learning_rate": Range(1e-4, 1e-2)}


def make_dataset(key: jax.Array, size: int) -> rj.Transition:
    """Draw states, actions around them, and rewards with a rare penalty."""
    keys = jax.random.split(key, 3)
    observation = jax.random.normal(keys[0], (size, 2))
    action = jax.random.uniform(keys[1], (size, 1), minval=-1.0)
    risky = action[:, 0] > 0.0
    penalised = risky & jax.random.bernoulli(keys[2], 0.1, (size,))
    return rj.Transition(
        observation=observation,
        action=action,
        reward=jnp.where(penalised, -5.0, jnp.where(risky, 1.0, 0.5)),
        next_observation=observation,
        terminated=jnp.ones(size),
    )


def cvar_of_rewards(actions: np.ndarray, seed: int, level: float = 0.1) -> np.ndarray:
    """CVaR of fresh rewards of these actions [..., M, 1]."""
    risky = actions[..., 0] > 0.0
    penalised = risky & (np.random.default_rng(seed).random(risky.shape) < 0.1)
    rewards = np.where(penalised, -5.0, np.where(risky, 1.0, 0.5))
    tail = np.sort(rewards, axis=-1)[..., : int(level * rewards.shape[-1])]
    return tail.mean(axis=-1)


def main(num_trials: int = 24, num_steps: int = 300, size: int = 2000) -> SearchResult:
    """Search 24 settings in rounds of eight; report the best one."""
    dataset = make_dataset(jax.random.key(0), size)
    critic = rj.iqn_critic(width=32, embedding_width=16, num_cosines=8)
    actor = rj.flow_actor(action_dim=1, num_steps=3, widths=(32,))
    agent = rj.ramac_agent(actor, critic, rj.risk.cvar, num_quantiles=8)
    seeds = jax.random.split(jax.random.key(1), 2)
    train = rj.make_train(agent, num_steps=num_steps, batch_size=64)

    def train_and_act(seed: jax.Array, hyperparams: rj.Hyperparams) -> jax.Array:
        state = agent.init(seed, dataset)
        state, _ = train(state, dataset, seed, hyperparams)
        return agent.act(state, dataset.observation, jax.random.key(2))

    over_seeds = jax.vmap(train_and_act, in_axes=(0, None))
    over_both = jax.jit(jax.vmap(over_seeds, in_axes=(None, 0)))
    acted: dict[int, np.ndarray] = {}

    def score(round_: Round) -> np.ndarray:
        actions = np.asarray(over_both(seeds, round_.hyperparams))  # [8, 2, M, 1]
        acted.update(zip(round_.numbers, actions, strict=False))
        return cvar_of_rewards(actions, seed=0).mean(axis=-1)  # [8]

    study = optuna.create_study(
        direction="maximize", sampler=make_sampler("tpe", SPACE, seed=0)
    )
    found = search(study, SPACE, score, num_trials=num_trials, batch_size=8)
    best = found.best[0]
    reported = cvar_of_rewards(acted[best.number], seed=1).mean()
    setting = ", ".join(f"{name} {value:.2g}" for name, value in best.setting.items())
    print(f"trial {best.number}: {setting}")
    print(f"CVaR {best.scores[0]:.2f} selected it; on other rewards {reported:.2f}")
    return found


if __name__ == "__main__":
    main()
