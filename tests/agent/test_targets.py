"""The targets of the critics, by the worked example."""

import jax
import jax.numpy as jnp
import numpy as np

import ramac_jax as rj
from tests.agent.worked import HYPERPARAMS, KEY, POINT_ACTOR, ROWS, linear_critic


def test_truncated_rows_bootstrap_and_terminated_ones_do_not(worked):
    _, metrics = worked
    # a' = .25 of the target actor: 1 + .9 min(.75, -.25) = .775; 2 is clipped to 1.5
    np.testing.assert_allclose(metrics["target_mean"], (0.775 + 1.5) / 2, rtol=1e-6)
    np.testing.assert_allclose(metrics["target_clipped"], 0.5)


def test_targets_stay_within_what_a_critic_can_represent():
    critic = linear_critic()._replace(low=0.8, high=1.2)
    agent = rj.ramac_agent(POINT_ACTOR, critic, num_quantiles=4)
    state = agent.init(KEY, ROWS)._replace(
        target_actor_params=jnp.array([0.25]),
        target_critic_params=jnp.array([3.0, -1.0]),
    )
    _, metrics = agent.update(state, ROWS, KEY, HYPERPARAMS)
    np.testing.assert_allclose(metrics["target_mean"], (0.8 + 1.2) / 2, rtol=1e-6)
    np.testing.assert_allclose(metrics["target_clipped"], 1.0)


def test_joined_steps_weigh_what_follows_by_the_discount_of_all_of_them():
    """.5 + .9 .6 + .81 min(.75, -.25); the second row ends, and 2 is clipped to 1.5."""
    agent = rj.ramac_agent(POINT_ACTOR, linear_critic(), num_quantiles=4)
    state = agent.init(KEY, ROWS)._replace(
        target_actor_params=jnp.array([0.25]),
        target_critic_params=jnp.array([3.0, -1.0]),
    )
    rows = ROWS._replace(
        reward=jnp.array([[0.5, 0.6], [2.0, 0.0]]), steps=jnp.array([2.0, 1.0])
    )
    _, metrics = agent.update(state, rows, KEY, HYPERPARAMS)
    expected = 0.5 + 0.9 * 0.6 + 0.81 * -0.25
    np.testing.assert_allclose(metrics["target_mean"], (expected + 1.5) / 2, rtol=1e-6)


def test_rows_cut_from_a_dataset_are_single_steps(worked):
    """The steps that are left in their episodes say nothing about the rewards."""
    agent = rj.ramac_agent(POINT_ACTOR, linear_critic(), num_quantiles=4)
    state = agent.init(KEY, ROWS)._replace(
        target_actor_params=jnp.array([0.25]),
        target_critic_params=jnp.array([3.0, -1.0]),
    )
    rows = ROWS._replace(steps=jnp.array([2.0, 1.0]))
    _, metrics = agent.update(state, rows, KEY, HYPERPARAMS)
    assert metrics["target_mean"] == worked[1]["target_mean"]


def test_a_critic_of_independent_targets_learns_as_if_it_were_alone():
    """The critics of an ensemble then differ from one that learns alone in nothing."""
    hyperparams = HYPERPARAMS._replace(value_max=np.inf, risk_weight=0.0)
    weights = jnp.array([3.0, -1.0])

    def learned(chosen, *, independent):
        critic = linear_critic()._replace(init=lambda *_: chosen)
        if chosen.size == 1:
            critic = linear_critic((1.0,))._replace(init=lambda *_: chosen)
        agent = rj.ramac_agent(
            POINT_ACTOR, critic, num_quantiles=4, independent_targets=independent
        )
        train = rj.make_train(agent, num_steps=20, batch_size=2)
        state = agent.init(KEY, ROWS)
        state, metrics = jax.jit(train)(state, ROWS, KEY, hyperparams)
        return state.critic_params, metrics["target_mean"]

    together, target = learned(weights, independent=True)
    alone = [learned(weights[i : i + 1], independent=True) for i in range(2)]
    np.testing.assert_allclose(together, [x[0][0] for x in alone], rtol=1e-5)
    np.testing.assert_allclose(target, np.mean([x[1] for x in alone]), rtol=1e-5)
    shared, lower = learned(weights, independent=False)
    assert shared[0] < together[0] - 0.05 and lower < target - 0.05
