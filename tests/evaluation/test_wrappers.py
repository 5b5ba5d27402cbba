"""Environments whose episodes depend on those before are refused or warned of."""

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.wrappers import ClipReward, NormalizeObservation, NormalizeReward

from ramac_jax import InputError
from ramac_jax.evaluation import Environments
from tests.evaluation.counters import COUNTER

PENDULUM = "Pendulum-v1"


class OwnStatistics(gymnasium.Wrapper):
    """Counts all steps ever made, and adds the count to the reward."""

    count = 0

    def step(self, action):
        observation, reward, *rest = self.env.step(action)
        self.count += 1
        return observation, reward + self.count, *rest


class Subclass(NormalizeReward):
    pass


@pytest.mark.parametrize("wrapper", [NormalizeObservation, NormalizeReward, Subclass])
def test_running_statistics_are_refused_by_their_wrapper(wrapper):
    spec = wrapper(gymnasium.make(PENDULUM)).spec
    with pytest.raises(InputError) as refused:
        Environments(spec, horizon=5)
    message = str(refused.value)
    assert "\n" not in message
    assert f"{PENDULUM} has {wrapper.__name__}, whose running statistics" in message
    assert "fixed statistics" in message


def test_every_wrapper_with_statistics_is_named():
    spec = NormalizeReward(NormalizeObservation(gymnasium.make(PENDULUM))).spec
    with pytest.raises(InputError, match="NormalizeReward and NormalizeObservation"):
        Environments(spec, horizon=5)


def test_another_state_that_survives_reset_is_warned_of():
    spec = EnvSpec(
        "Own-v0", entry_point=lambda: OwnStatistics(gymnasium.make(PENDULUM))
    )
    with pytest.warns(RuntimeWarning, match="Own-v0: the episode of a seed differs"):
        Environments(spec, horizon=5).close()


def test_a_generator_that_reset_does_not_seed_is_warned_of():
    class Noisy(gymnasium.ObservationWrapper):
        def observation(self, observation):
            return observation + np.random.normal()

    spec = EnvSpec("Noisy-v0", entry_point=lambda: Noisy(gymnasium.make(PENDULUM)))
    with pytest.warns(RuntimeWarning, match="does not seed, in .*Noisy, "):
        Environments(spec, horizon=5).close()


@pytest.mark.parametrize(
    "env",
    [
        COUNTER,  # raises an error in the episode of seed 0
        "Hopper-v5",
        "ramac_jax.envs:ramac_jax/hopper-medium-expert-v5",
        ClipReward(gymnasium.make(PENDULUM), -1.0, 1.0).spec,
    ],
)
def test_what_repeats_is_played_without_a_word(env):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Environments(env, horizon=20).close()
