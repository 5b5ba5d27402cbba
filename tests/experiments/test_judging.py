"""How often agents leave the data."""

import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from experiments import judging
from ramac_jax.checkpoints import Policy, PolicySpec
from ramac_jax.scaling import Scaling


def episodes(*lengths, seed=0):
    """Walks of some lengths, one after the other; actions follow the state."""
    draw, parts = np.random.default_rng(seed), []
    for length in lengths:
        walk = draw.normal(size=(length + 1, 2)).astype(np.float32)
        ended = np.zeros(length, np.float32)
        action = np.tanh(walk[:-1, :1]) + 0.05 * draw.normal(size=(length, 1))
        parts.append((walk[:-1], action.astype(np.float32), ended, walk[1:], ended))
    return rj.Transition(*(np.concatenate(x) for x in zip(*parts, strict=True)))


def test_whole_episodes_are_held_out():
    data = episodes(3, 4, 2)
    known, held_out = judging.split_episodes(data)
    np.testing.assert_array_equal(held_out.observation, data.observation[7:])
    np.testing.assert_array_equal(known.action, data.action[:7])
    known, held_out = judging.split_episodes(episodes(*[2] * 25))
    assert (len(known.reward), len(held_out.reward)) == (46, 4)  # the 10th and the 20th
    # Where one ends at the very state that the next begins with, its end tells.
    still = rj.Transition(*(np.zeros_like(x) for x in episodes(4)))
    ends = np.array([0, 1, 0, 1], np.float32)
    known, _ = judging.split_episodes(still._replace(terminated=ends))
    assert len(known.reward) == 2


def test_one_episode_cannot_be_judged():
    with pytest.raises(rj.InputError, match="of one episode"):
        judging.make_judge(episodes(5))


def test_agents_are_asked_in_their_units_at_states_of_the_data():
    """One agent does as the data do, in its own units; the other what none does."""
    # In the environment actions are 10 times as large; observations are shifted.
    scaling = Scaling(
        observation_mean=jnp.array([5.0, 5.0]),
        observation_std=jnp.array([2.0, 2.0]),
        action_low=jnp.array([-10.0]),
        action_high=jnp.array([10.0]),
    )

    def sample(bias, observation, key):
        raw = scaling.observation_std * observation + scaling.observation_mean
        return jnp.tanh(raw[..., :1]) + bias

    actor = rj.Actor(lambda *_: None, sample, lambda *_: jnp.zeros(()))
    policy = Policy(PolicySpec("flow", {}, scaling), actor, jnp.array([0.0, 1.0]))
    judge = judging.make_judge(episodes(*[50] * 40), num_neighbours=20)
    rates = judging.ood_rates(judge, policy)
    assert set(rates) == {"nearest", "density"} == set(judge.false_alarms())
    for name, (usual, strange) in rates.items():
        assert usual < 0.1 and strange > 0.5, name
