"""Conservative critics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from tests.agent.worked import KEY, POINT_ACTOR


@pytest.mark.parametrize("penalty", [rj.losses.quantile_gap, rj.losses.value_gap])
def test_a_conservative_critic_prefers_the_actions_of_the_data(penalty):
    """The penalty is one of differences: theirs stays true, the others sink."""
    size = 16
    column, row = jnp.zeros((size, 1)), jnp.zeros(size)
    data = rj.Transition(column, column + 0.4, row, column, row + 1.0)
    critic = rj.value_critic(widths=(32,))
    agent = rj.ramac_agent(
        POINT_ACTOR,
        critic,
        num_quantiles=2,
        conservative=penalty,
        num_candidates=8,
    )
    asked = jnp.linspace(-1.0, 1.0, 21)[:, None]

    def learned(weight):
        hyperparams = rj.Hyperparams(
            actor_learning_rate=0.0,
            critic_learning_rate=1e-2,
            decay_steps=300.0,
            conservative_weight=weight,
        )
        state = agent.init(KEY, data)._replace(actor_params=jnp.array([-0.9]))
        run = jax.jit(rj.make_train(agent, num_steps=300, batch_size=16))
        state, metrics = run(state, data, KEY, hyperparams)
        args = (state.critic_params, jnp.zeros((21, 1)), asked, jnp.ones(1))
        return critic.quantiles(*args).mean(axis=(0, 2)), metrics

    values, metrics = learned(1.0)
    assert metrics["conservative_gap"] < -0.2
    assert np.argmax(values) == 14 and np.argmin(values) < 4  # .4, and the policy's
    np.testing.assert_allclose(values[14], 0.0, atol=0.05)
    assert np.all(values[np.abs(asked[:, 0] - 0.4) > 0.25] < values[14] - 0.2)
    plain, metrics = learned(0.0)
    np.testing.assert_allclose(plain, 0.0, atol=0.05)
    np.testing.assert_allclose(metrics["conservative_gap"], 0.0, atol=0.05)


def test_fewer_fractions_of_the_penalty_have_its_expectation_for_less_work(
    make_actor, make_batch
):
    critic = rj.iqn_critic(width=8, embedding_width=8, num_cosines=4)
    batch, keys = make_batch(), jax.random.split(jax.random.key(1), 400)
    gaps, operations = [], []
    for number in (None, 2):
        agent = rj.ramac_agent(
            make_actor("flow"),
            critic,
            num_quantiles=32,
            conservative=rj.losses.quantile_gap,
            num_candidates=2,
            num_penalty_quantiles=number,
        )
        state = agent.init(jax.random.key(0), batch)
        louder = jax.tree.map(lambda x: 3.0 * x, state.critic_params)
        state = state._replace(critic_params=louder)  # quantiles differ more

        def gap(key, agent=agent, state=state):
            return agent.update(state, batch, key, rj.Hyperparams())[1]

        lowered = jax.jit(gap).lower(keys[0])
        operations.append(lowered.cost_analysis()["flops"])
        gaps.append(jax.jit(jax.vmap(gap))(keys)["conservative_gap"])
    errors = [np.std(x) / np.sqrt(len(keys)) for x in gaps]
    assert 0.0 < errors[0] < 0.2 * abs(np.mean(gaps[0]))
    assert abs(np.mean(gaps[0]) - np.mean(gaps[1])) < 4.0 * np.hypot(*errors)
    assert operations[1] < 0.7 * operations[0]
