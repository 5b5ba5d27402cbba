"""An environment and a replay buffer inside one compiled program.

The state is a position in [-1, 1], the action a move. Further right pays more, and
right of 0.5 one step in ten costs 5.
"""

import jax
import jax.numpy as jnp

import ramac_jax as rj

CAPACITY = 500


def step(
    position: jax.Array, action: jax.Array, key: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Move, and return the new position [1] and the reward []."""
    position = jnp.clip(position + 0.1 * action, -1.0, 1.0)
    hurt = (position > 0.5) & jax.random.bernoulli(key, 0.1)
    return position, (position - 5.0 * hurt)[0]


def main(num_steps: int = 1000, batch_size: int = 32) -> rj.State:
    """Act and learn in one `jax.lax.scan`; return the state of the agent."""
    critic = rj.iqn_critic(width=16, embedding_width=16, num_cosines=8)
    actor = rj.flow_actor(action_dim=1, num_steps=2, widths=(16,))
    agent = rj.ramac_agent(actor, critic, rj.risk.cvar, num_quantiles=8)

    def act_and_learn(carry, i):
        state, replay, position = carry
        key = jax.random.fold_in(jax.random.key(1), i)
        act_key, step_key, row_key, update_key = jax.random.split(key, 4)
        action = agent.act(state, position, act_key)
        after, reward = step(position, action, step_key)
        new = rj.Transition(
            observation=position,
            action=action,
            reward=reward,
            next_observation=after,
            terminated=0.0,
        )
        slot = i % CAPACITY
        replay = jax.tree.map(lambda rows, x: rows.at[slot].set(x), replay, new)
        filled = jnp.minimum(i + 1, CAPACITY)
        rows = jax.random.randint(row_key, (batch_size,), 0, filled)
        batch = jax.tree.map(lambda x: x[rows], replay)
        state, metrics = agent.update(state, batch, update_key, rj.Hyperparams())
        return (state, replay, after), (reward, metrics)

    column, row = jnp.zeros((CAPACITY, 1)), jnp.zeros(CAPACITY)
    replay = rj.Transition(
        observation=column,
        action=column,
        reward=row,
        next_observation=column,
        terminated=row,
    )
    start = (agent.init(jax.random.key(0), replay), replay, jnp.zeros(1))
    run = jax.jit(
        lambda carry: jax.lax.scan(act_and_learn, carry, jnp.arange(num_steps))
    )
    (state, _, _), (rewards, metrics) = run(start)
    print(f"mean reward {rewards.mean():.2f}, worst {rewards.min():.2f}")
    print(f"last critic loss {metrics['critic_loss'][-1]:.3f}")
    return state


if __name__ == "__main__":
    main()
