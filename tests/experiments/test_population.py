"""Behaviour cloning that comes before the rest."""

import jax
import jax.numpy as jnp
import numpy as np

import ramac_jax as rj
from experiments.population import init_population, pretrain, train_population


def test_pretraining_changes_the_actors_alone_and_clones(make_agent, make_batch):
    batch = make_batch(size=32)._replace(action=jnp.full((32, 2), 0.5))
    agent = make_agent("flow")
    cloner = make_agent("flow", critic=rj.constant_critic())
    keys = jax.random.split(jax.random.key(0), 2)
    hyperparams = rj.Hyperparams(actor_learning_rate=0.02)
    hyperparams = jax.tree.map(lambda x: jnp.full(2, x, jnp.float32), hyperparams)
    states, train_keys = init_population(agent, batch, keys)
    fresh = jax.tree.map(np.asarray, states)
    options = {"num_steps": 100, "batch_size": 16}
    warm = pretrain(cloner, states, batch, keys, hyperparams, **options)
    for name in ("critic_params", "target_critic_params", "critic_opt_state", "step"):
        jax.tree.map(
            np.testing.assert_array_equal, getattr(warm, name), getattr(fresh, name)
        )
    # What the actors then lose on the data tells that they have learned it.
    draws = jax.random.split(jax.random.key(1), 2)
    observe = jax.vmap(agent.act, in_axes=(0, None, 0))
    before = jnp.abs(
        observe(jax.tree.map(jnp.asarray, fresh), batch.observation, draws) - 0.5
    )
    after = jnp.abs(observe(warm, batch.observation, draws) - 0.5)
    assert (after.mean(axis=(1, 2)) < 0.5 * before.mean(axis=(1, 2))).all()
    # The states can be trained on, and the optimiser goes on where cloning left it.
    assert (np.asarray(jax.tree.leaves(warm.actor_opt_state)[0]) == 100).all()
    calls = train_population(
        agent, warm, batch, train_keys, hyperparams, title="", **options
    )
    states, _ = next(iter(calls))
    np.testing.assert_array_equal(states.step, [100, 100])
