"""Episodes of environments that draw from NumPy's global generator repeat."""

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec

from ramac_jax.envs.own_randomness import OWN_RANDOMNESS, OwnRandomness
from ramac_jax.evaluation import Environments

ACTION = np.zeros(1, np.float32)


class Careless(gym.Env):
    """Starts and moves by the global generator, and by samples of its own actions."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float64)

    def __init__(self):
        self.action_space = gym.spaces.Box(-1.0, 1.0, (1,))

    def look(self):
        return np.array([np.random.normal(), self.action_space.sample()[0]])

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.look(), {}

    def step(self, action):
        return self.look(), 0.0, False, False, {}


def roll(env, seed, between=lambda: None):
    found = [env.reset(seed=seed)[0]]
    for _ in range(3):
        between()
        found.append(env.step(ACTION)[0])
    return np.array(found)


def test_a_seed_repeats_an_episode():
    env = OwnRandomness(Careless())
    first = roll(env, 3)
    np.testing.assert_array_equal(roll(env, 3), first)
    np.testing.assert_array_equal(roll(OwnRandomness(Careless()), 3), first)
    assert not np.array_equal(roll(env, 4), first)
    assert len(np.unique(first)) == first.size


def test_other_draws_in_between_change_nothing():
    first = roll(OwnRandomness(Careless()), 3)
    other = OwnRandomness(Careless())
    other.reset(seed=9)

    def disturb():
        np.random.seed(0)
        other.step(ACTION)

    np.testing.assert_array_equal(roll(OwnRandomness(Careless()), 3, disturb), first)


def test_the_global_generator_is_left_as_it_was():
    np.random.seed(5)
    before = np.random.get_state()[1].tolist()
    roll(OwnRandomness(Careless()), 3)
    assert np.random.get_state()[1].tolist() == before


def test_without_a_seed_episodes_differ():
    env = OwnRandomness(Careless())
    assert not np.array_equal(roll(env, None), roll(env, None))


def test_the_wrapper_is_made_from_its_spec():
    spec = EnvSpec(
        "Careless-v0",
        entry_point="tests.envs.test_own_randomness:Careless",
        additional_wrappers=(OWN_RANDOMNESS,),
    )
    again = EnvSpec.from_json(spec.to_json())
    with Environments(again, horizon=3) as environments:
        one, other = (environments.reset(0, np.array([3, 4])) for _ in range(2))
    np.testing.assert_array_equal(one.observation, other.observation)
    assert not np.array_equal(*one.observation)
