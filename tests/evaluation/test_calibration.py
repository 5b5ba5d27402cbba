"""Calibration: predictions and episodes, in one unit."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

import ramac_jax as rj
from ramac_jax.evaluation import (
    Episodes,
    calibrate,
    summarise_calibration,
)
from ramac_jax.evaluation.calibration import quantiles_of
from ramac_jax.normalization import Scaling
from ramac_jax.policy import CriticSpec, Policy, PolicySpec
from tests.helpers import noiseless_actor

UNITS = Scaling(jnp.full(1, 5.0), jnp.full(1, 2.0), -jnp.ones(1), jnp.ones(1))


def critic_of(spread):
    """Z ~ N(s + 10 a + e, spread), critics e = 0 and 1; their parameter is a shift."""

    def quantiles(params, observation, action, tau):
        middle = observation + 10.0 * action + params[:, None, None]  # [E, B, 1]
        return middle + spread * norm.ppf(np.asarray(tau))

    return rj.Critic(init=None, quantiles=quantiles, loss=None)


def policy(population, critic, critic_params, **spec):
    actor = noiseless_actor(
        init=lambda *_: jnp.zeros(1),
        sample=lambda params, observation: 0.0 * observation + params,
        bc_loss=lambda *_: 0.0,
    )
    params = jnp.linspace(0.0, 0.1, population)[:, None]
    spec = PolicySpec(scaling=UNITS, critic=CriticSpec(**spec))
    return Policy(spec, actor, params, critic, critic_params)


def episodes(rewards, failed=None):
    """Episodes [P, M] with these rewards [P, M, H], all from the raw state 9."""
    shape = rewards.shape[:2]
    failed = np.zeros(shape, bool) if failed is None else failed
    zeros = np.zeros(shape)
    return Episodes(
        *(zeros, zeros, zeros, zeros, zeros, zeros, failed, rewards),
        rewards=rewards.astype(np.float32),
        start=np.full((*shape, 1), 9.0, np.float32),
    )


def test_a_prediction_is_of_the_policys_own_action_in_units_of_the_rewards():
    """State 9 is (9 - 5) / 2 = 2 for the agent; the second agent acts with .1."""
    shifts = jnp.array([[0.0, 1.0]] * 2)
    agents = policy(2, critic_of(0.5), shifts, discount=0.5, reward_scale=0.1)
    rewards = np.array([[[8.0, 4.0, 2.0]], [[1.0, 0.0, 0.0]]])
    found = calibrate(agents, episodes(rewards))
    np.testing.assert_allclose(found.observed, [[10.5], [1.0]])
    assert found.predicted.shape == (2, 1, 100)
    np.testing.assert_allclose(
        found.predicted.mean(axis=-1), [[20.0], [30.0]], rtol=1e-4
    )
    np.testing.assert_allclose(found.predicted.std(), np.hypot(5.0, 5.0), rtol=0.02)


def test_a_critic_that_is_right_gets_no_note_and_one_that_is_wrong_gets_two():
    rng = np.random.default_rng(0)
    rewards = 2.0 + 3.0 * rng.normal(size=(1, 400, 1))
    right = policy(1, critic_of(3.0), jnp.zeros((1, 2)), discount=0.9)
    blind = policy(1, critic_of(0.01), jnp.ones((1, 2)), discount=0.9)
    found = calibrate(right, episodes(rewards))
    summary = summarise_calibration(found, 0.1)
    assert not summary["notes"]
    exact = 2.0 - 3.0 * norm.pdf(norm.ppf(0.1)) / 0.1
    assert summary["predicted"]["cvar"] == pytest.approx(exact, abs=0.05)
    assert summary["observed"]["cvar"]["value"] == pytest.approx(exact, abs=0.6)
    predicted, observed = quantiles_of(found)
    np.testing.assert_allclose(predicted[5:-5], observed[5:-5], atol=0.8)

    found = calibrate(blind, episodes(rewards))
    notes = summarise_calibration(found, 0.1)["notes"]
    assert len(notes) == 2
    assert notes[1].startswith("the critics predict a CVaR_0.1 of 2.98")
    assert "at the start of an episode, and episodes gave -3" in notes[1]


def test_failed_episodes_are_left_out():
    rewards = np.array([[[1.0], [50.0], [3.0]]])
    failed = np.array([[False, True, False]])
    agents = policy(1, critic_of(1.0), jnp.zeros((1, 2)), discount=1.0)
    found = calibrate(agents, episodes(rewards, failed))
    summary = summarise_calibration(found, 0.5)
    assert summary["observed"]["mean"]["value"] == pytest.approx(2.0)


def test_episodes_of_an_older_version_are_refused():
    old = episodes(np.ones((1, 1, 1)))._replace(rewards=None)
    agents = policy(1, critic_of(1.0), jnp.zeros((1, 2)), discount=1.0)
    with pytest.raises(rj.InputError, match="hold no rewards: evaluate the run again"):
        calibrate(agents, old)


@pytest.mark.parametrize(
    "agents",
    [
        policy(1, None, None, discount=1.0),
        policy(1, critic_of(1.0), jnp.zeros((1, 2))),
    ],
)
def test_unknown_critics_and_discounts_are_refused(agents):
    with pytest.raises(rj.InputError, match="no critics, or their discount is not"):
        calibrate(agents, episodes(np.ones((1, 1, 1))))
