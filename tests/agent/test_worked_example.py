"""The arithmetic of one update, by the worked example."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from tests.agent.worked import HYPERPARAMS, KEY, POINT_ACTOR, ROWS, linear_critic


def test_the_actor_reads_the_updated_critics(worked):
    state, metrics = worked
    # predictions lie below the targets, so Adam's first step raises both weights by .1
    np.testing.assert_allclose(state.critic_params, [2.1, 1.1], rtol=1e-5)
    np.testing.assert_allclose(metrics["risk_value"], 1.1 * 0.5, rtol=1e-5)


def test_the_actor_weighs_cloning_against_risk(worked):
    state, metrics = worked
    # L_bc = (.4^2 + .3^2) / 2, its slope .7; the value's slope is the lesser weight
    np.testing.assert_allclose(metrics["bc_loss"], 0.125, rtol=1e-6)
    np.testing.assert_allclose(metrics["actor_loss"], 0.25 - 0.275, rtol=1e-5)
    slope = 2.0 * 0.7 - 0.5 * 1.1  # .85, clipped to .5; Adam keeps a tenth
    assert slope > HYPERPARAMS.max_grad_norm
    np.testing.assert_allclose(state.actor_opt_state[0].mu, [0.05], rtol=1e-5)
    np.testing.assert_allclose(state.actor_params, [0.49], rtol=1e-5)


def test_averages_of_the_worked_example(worked):
    state, _ = worked
    np.testing.assert_allclose(state.target_actor_params, [0.274], rtol=1e-5)
    np.testing.assert_allclose(state.target_critic_params, [2.55, 0.05], rtol=1e-5)


def test_gradients_are_clipped_per_critic():
    rows = ROWS._replace(terminated=jnp.ones(2))
    hyperparams = HYPERPARAMS._replace(max_grad_norm=1e-3)

    def after_one_update(gains):
        agent = rj.ramac_agent(POINT_ACTOR, linear_critic(gains), num_quantiles=4)
        state, _ = jax.jit(agent.update)(agent.init(KEY, rows), rows, KEY, hyperparams)
        return state.critic_opt_state[0].mu

    plain, scaled = after_one_update((1.0, 1.0)), after_one_update((1000.0, 1.0))
    np.testing.assert_allclose(np.abs(plain), 1e-4, rtol=1e-5)  # both clipped, / 10
    np.testing.assert_allclose(plain[1], scaled[1], rtol=1e-6)
    np.testing.assert_allclose(np.abs(scaled[0]), 1e-4, rtol=1e-5)


@pytest.mark.parametrize("normalize", [False, True])
def test_a_normalised_value_moves_the_actor_alike_whatever_its_unit(normalize):
    hyperparams = HYPERPARAMS._replace(critic_learning_rate=0.0, max_grad_norm=np.inf)

    def gradient(gain):
        agent = rj.ramac_agent(
            POINT_ACTOR,
            linear_critic((gain, gain)),
            num_quantiles=4,
            normalize_value=normalize,
        )
        state, _ = jax.jit(agent.update)(agent.init(KEY, ROWS), ROWS, KEY, hyperparams)
        return float(state.actor_opt_state[0].mu[0]) / 0.1

    # 2 * .7 of cloning; the lesser critic, of weight 1, has slope 1 and value .5
    slopes = (1.0 / 0.5, 1.0 / 0.5) if normalize else (1.0, 1000.0)
    for gain, slope in zip((1.0, 1000.0), slopes, strict=True):
        assert gradient(gain) == pytest.approx(2.0 * 0.7 - 0.5 * slope, rel=1e-4)


def test_a_value_is_normalised_by_its_mean_size_not_by_the_size_of_its_mean():
    """Rows of value .5 and -1.5: mean -.5, mean size 1, slope (1 - 3) / 2."""

    def quantiles(weights, observation, action, tau):
        value = weights[:, None, None] * observation * action
        return jnp.broadcast_to(value, (*value.shape[:2], tau.size))

    def init(key, observation, action):
        return jnp.ones(2)

    critic = rj.Critic(init=init, quantiles=quantiles, loss=rj.quantile_loss(quantiles))
    agent = rj.ramac_agent(POINT_ACTOR, critic, num_quantiles=4, normalize_value=True)
    rows = ROWS._replace(observation=jnp.array([[1.0], [-3.0]]))
    hyperparams = HYPERPARAMS._replace(critic_learning_rate=0.0, max_grad_norm=np.inf)
    state, _ = jax.jit(agent.update)(agent.init(KEY, rows), rows, KEY, hyperparams)
    gradient = float(state.actor_opt_state[0].mu[0]) / 0.1
    assert gradient == pytest.approx(2.0 * 0.7 + 0.5 * 1.0 / 1.0, rel=1e-4)
