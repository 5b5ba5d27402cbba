"""Which candidates are typical of the policy that drew them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.acting import (
    ActingNoise,
    ActingNumbers,
    ActingParams,
    ActingRule,
    act_from_noise,
    is_typical,
)
from tests.helpers import noiseless_actor

pytestmark = pytest.mark.slow


def value_of_action(nan_below=-9.0):
    """Z(s, a) = a, or NaN for low actions."""

    def quantiles(params, observation, action, tau):
        value = jnp.where(action < nan_below, jnp.nan, action)
        return jnp.broadcast_to(value, (1, len(action), len(tau)))

    return rj.Critic(
        init=lambda *_: None, quantiles=quantiles, loss=rj.quantile_loss(quantiles)
    )


def test_actions_without_neighbours_are_left_out_and_both_modes_stay():
    """Four actions in each mode, whose third neighbours are at .03, .02, .02 and .03;
    two more lie alone."""
    left = -0.8 + 0.01 * np.arange(4)
    actions = np.concatenate([left, -left, [0.0, 0.3]])[:, None]
    found = is_typical(jnp.array(actions))
    assert found.tolist() == [True] * 8 + [False] * 2


@pytest.mark.parametrize(("count", "least"), [(2, 2), (3, 3), (4, 2), (8, 4), (17, 9)])
def test_half_of_the_candidates_are_typical(count, least):
    actions = jax.random.normal(jax.random.key(count), (count, 500, 3))
    kept = is_typical(actions).sum(axis=0)
    assert kept.shape == (500,) and kept.min() == least
    assert count < 8 or kept.mean() < least + 0.5  # pairs tie now and then


def test_an_action_that_is_alone_is_not_taken_however_good_it_is():
    """Of the four that are close together the best is taken, .23."""
    drawn = jnp.array([0.9, 0.2, 0.21, 0.22, 0.23, -0.5, -0.9, 0.6])[:, None]
    actor = noiseless_actor(lambda params, observation: drawn)
    rule = ActingRule(actor, value_of_action(), rj.risk.neutral, 4, 8)
    numbers = ActingNumbers(1.0, 1.0)
    found = act_from_noise(
        rule, ActingParams(None, None), jnp.zeros(3), ActingNoise(None), numbers
    )
    assert found == pytest.approx(0.23)


@pytest.mark.parametrize("count", [2, 8])
@pytest.mark.parametrize("fault", ["action", "value"])
def test_a_candidate_that_is_nan_is_not_hidden(count, fault):
    drawn = jnp.linspace(-0.5, 0.5, count).at[0].set(jnp.nan)[:, None]
    if fault == "value":
        drawn = drawn.at[0].set(-0.9)  # far from the others
    actor = noiseless_actor(lambda params, observation: drawn)
    critic = value_of_action(nan_below=-0.8 if fault == "value" else -9.0)
    rule = ActingRule(actor, critic, rj.risk.neutral, 4, count)
    found = act_from_noise(
        rule,
        ActingParams(None, None),
        jnp.zeros(3),
        ActingNoise(None),
        ActingNumbers(1.0, 1.0),
    )
    np.testing.assert_array_equal(found, drawn[0])


def test_an_observation_has_typical_actions_of_its_own():
    actions = jax.random.normal(jax.random.key(0), (6, 4, 5, 2))
    together = is_typical(actions)
    for row in np.ndindex(4, 5):
        alone = is_typical(actions[:, row[0], row[1]])
        np.testing.assert_array_equal(together[:, row[0], row[1]], alone)


def test_the_share_of_typical_actions_rises_with_the_density():
    """Of a normal law in two dimensions, whose density falls with the radius."""
    actions = jax.random.normal(jax.random.key(1), (8, 20_000, 2))
    typical, radius = is_typical(actions), jnp.linalg.norm(actions, axis=-1)
    edges = [0.0, 0.7, 1.4, 2.1, 2.8]
    shares = [
        float(typical[(radius >= low) & (radius < high)].mean())
        for low, high in zip(edges[:-1], edges[1:], strict=True)
    ]
    assert np.all(np.diff(shares) < -0.1) and shares[0] > 0.65 and shares[-1] < 0.1


def test_no_mode_is_lost_whose_actions_are_as_dense():
    """Of two equal modes each has nearly half of the typical actions."""
    key, side = jax.random.split(jax.random.key(2))
    mode = 0.8 * jax.random.rademacher(side, (8, 20_000, 1)).astype(jnp.float32)
    actions = mode + 0.05 * jax.random.normal(key, (8, 20_000, 2))
    taken = mode[is_typical(actions)]
    assert np.mean(taken > 0.0) == pytest.approx(0.5, abs=0.01)
