"""The OOD evaluator against agents that stay in the data and agents that leave it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.evaluation import make_ood_evaluator, ood_rates
from ramac_jax.evaluation.ood_evaluator import split_episodes
from ramac_jax.normalization import Scaling
from ramac_jax.policy import Policy, PolicySpec
from tests.helpers import noiseless_actor


def episodes(*lengths, seed=0):
    """Walks of these lengths, one after the other; actions follow the state."""
    draw, parts = np.random.default_rng(seed), []
    for length in lengths:
        walk = draw.normal(size=(length + 1, 2)).astype(np.float32)
        ended = np.zeros(length, np.float32)
        action = np.tanh(walk[:-1, :1]) + 0.05 * draw.normal(size=(length, 1))
        parts.append(
            rj.Transition(walk[:-1], action.astype(np.float32), ended, walk[1:], ended)
        )
    return jax.tree.map(lambda *x: np.concatenate(x), *parts)


def test_whole_episodes_are_held_out_in_turn():
    data = episodes(3, 4, 2, 5, 1)
    known, calibration, queries = split_episodes(data, 10)
    np.testing.assert_array_equal(calibration.observation, data.observation[3:7])
    np.testing.assert_array_equal(queries.observation, data.observation[9:14])
    kept = np.r_[0:3, 7:9, 14:15]
    np.testing.assert_array_equal(known.action, data.action[kept])
    parts = split_episodes(episodes(*[2] * 25), 10)
    assert [len(x.reward) for x in parts] == [46, 2, 2]  # the 10th and the 20th
    # An episode that ends where the next one starts ends by `terminated` alone.
    still = jax.tree.map(np.zeros_like, episodes(8))
    ends = np.array([0, 1] * 4, np.float32)
    parts = split_episodes(still._replace(terminated=ends), 10)
    assert [len(x.reward) for x in parts] == [4, 2, 2]


def test_three_episodes_are_too_few():
    with pytest.raises(rj.InputError, match="have 3 episodes: detectors need 4"):
        make_ood_evaluator(episodes(5, 5, 5))


def test_agents_act_in_their_units_at_states_of_the_data():
    """One agent acts as the data do, in its own units; the other as none does."""
    # In the environment actions are 10 times as large; observations are shifted.
    scaling = Scaling(
        observation_mean=jnp.array([5.0, 5.0]),
        observation_std=jnp.array([2.0, 2.0]),
        action_low=jnp.array([-10.0]),
        action_high=jnp.array([10.0]),
    )

    def sample(bias, observation):
        raw = scaling.observation_std * observation + scaling.observation_mean
        return jnp.tanh(raw[..., :1]) + bias

    actor = noiseless_actor(sample)
    policy = Policy(PolicySpec(scaling=scaling), actor, jnp.array([0.0, 1.0]))
    ood_evaluator = make_ood_evaluator(episodes(*[50] * 40), num_neighbours=20)
    rates = ood_rates(ood_evaluator, policy)
    errors = ood_evaluator.false_positive_rates()
    assert set(rates) == {"nearest", "density"} == set(errors)
    for name, (usual, strange) in rates.items():
        assert usual < 0.15 and strange > 0.5, name
    assert errors["density"] == pytest.approx(0.01, abs=0.05)
