"""Seeds and hyperparameters as one compiled program, with an honest selection.

Three risk weights with four seeds each are twelve agents. Two seeds of each weight
select, the other two report: the best of many noisy figures is partly luck.
"""

import jax
import jax.numpy as jnp
import numpy as np

import ramac_jax as rj

WEIGHTS = [0.0, 0.1, 0.5]


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


def cvar_of_rewards(action: np.ndarray, level: float, seed: int) -> float:
    """CVaR of fresh rewards of these actions [M, 1]."""
    risky = action[:, 0] > 0.0
    penalised = risky & (np.random.default_rng(seed).random(len(action)) < 0.1)
    reward = np.where(penalised, -5.0, np.where(risky, 1.0, 0.5))
    return float(np.sort(reward)[: int(level * len(reward))].mean())


def main(num_steps: int = 1000, batch_size: int = 64) -> dict[float, float]:
    """Train twelve agents at once; return the reported CVaR of each weight."""
    dataset = make_dataset(jax.random.key(0), 2000)
    critic = rj.iqn_critic(width=32, embedding_width=16, num_cosines=8)
    actor = rj.flow_actor(action_dim=1, num_steps=3, widths=(32,))
    agent = rj.ramac_agent(actor, critic, rj.risk.cvar, num_quantiles=8)

    base = rj.Hyperparams(actor_learning_rate=3e-3, critic_learning_rate=3e-3)
    settings = rj.grid(base, risk_weight=WEIGHTS)  # every leaf [3]
    seeds = jax.random.split(jax.random.key(1), 4)
    train = rj.make_train(agent, num_steps=num_steps, batch_size=batch_size)
    over_seeds = jax.vmap(train, in_axes=(0, None, 0, None))
    over_both = jax.vmap(over_seeds, in_axes=(None, None, None, 0))

    states = jax.vmap(agent.init, in_axes=(0, None))(seeds, dataset)
    states, _ = jax.jit(over_both)(states, dataset, seeds, settings)  # leaves [3, 4]
    act = jax.vmap(
        jax.vmap(agent.act, in_axes=(0, None, None)), in_axes=(0, None, None)
    )
    actions = np.asarray(act(states, dataset.observation, jax.random.key(2)))

    scores = np.array(
        [[cvar_of_rewards(a, 0.1, seed) for seed, a in enumerate(x)] for x in actions]
    )
    selected = int(scores[:, :2].mean(axis=1).argmax())
    reported = dict(zip(WEIGHTS, scores[:, 2:].mean(axis=1).tolist(), strict=True))
    for weight, score in reported.items():
        mark = "  selected" if weight == WEIGHTS[selected] else ""
        print(f"risk weight {weight:4.2f}: CVaR {score:6.2f}{mark}")
    return reported


if __name__ == "__main__":
    main()
