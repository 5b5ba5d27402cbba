"""The update as one pure function in a loop of your own.

A state of one number, an action of one number. The action decides the reward: 2 for
an action above 0, which 1 time in 10 costs 20 instead, and 1 for an action below. Above
pays -0.2 on average and has the worse tail, so the agent should act below 0.
"""

import jax
import jax.numpy as jnp

import ramac_jax as rj


def make_dataset(key: jax.Array, size: int) -> rj.Transition:
    """Draw uniform actions and their rewards; every episode is one step."""
    action_key, penalty_key = jax.random.split(key)
    action = jax.random.uniform(action_key, (size, 1), minval=-1.0)
    penalised = jax.random.bernoulli(penalty_key, 0.1, (size,))
    reward = jnp.where(action[:, 0] < 0.0, 1.0, jnp.where(penalised, -20.0, 2.0))
    nothing = jnp.zeros((size, 1))
    return rj.Transition(
        observation=nothing,
        action=action,
        reward=reward,
        next_observation=nothing,
        terminated=jnp.ones(size),
    )


def main(num_steps: int = 600, batch_size: int = 64) -> float:
    """Train, print the losses, and return the share of actions below 0."""
    dataset = make_dataset(jax.random.key(0), 5000)
    rj.check_transitions(dataset)

    critic = rj.iqn_critic(width=32, embedding_width=16, num_cosines=8)
    actor = rj.flow_actor(action_dim=1, num_steps=5, widths=(32, 32))
    agent = rj.ramac_agent(actor, critic, rj.risk.cvar, num_quantiles=8)
    hyperparams = rj.Hyperparams(
        actor_learning_rate=3e-3,
        critic_learning_rate=3e-3,
        risk_level=0.1,
        risk_weight=0.3,
        risk_warmup=num_steps / 3,
    )

    state = agent.init(jax.random.key(1), dataset)
    update = jax.jit(agent.update, donate_argnums=0)
    for step in range(num_steps):
        key = jax.random.fold_in(jax.random.key(2), step)
        batch_key, update_key = jax.random.split(key)
        batch = rj.sample_batch(dataset, batch_key, batch_size)
        state, metrics = update(state, batch, update_key, hyperparams)
        if step % 150 == 0:
            print(f"{step:5d}", {name: f"{x:.3f}" for name, x in metrics.items()})

    action = agent.act(state, jnp.zeros((1000, 1)), jax.random.key(3))
    safe = float(jnp.mean(action < 0.0))
    print(f"{100 * safe:.0f} % of the actions avoid the penalty")
    return safe


if __name__ == "__main__":
    main()
