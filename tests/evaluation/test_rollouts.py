"""Rollouts: known rewards, and failures that stay in their row."""

import dataclasses
from types import SimpleNamespace

import gymnasium
import jax
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.wrappers import NormalizeReward

import ramac_jax as rj
from ramac_jax.acting import ActingOptions
from ramac_jax.evaluation import (
    Environments,
    evaluate,
)
from tests.evaluation.counters import (
    COUNTER,
    HAZARDOUS,
    HOPPER,
    Counter,
    Hazardous,
    assert_same_rows,
    constant_policy,
    play,
)

pytestmark = pytest.mark.usefixtures("optimised")


def test_episodes_equal_their_closed_form():
    episodes = play(constant_policy(0.5, -0.25), HAZARDOUS, 4, seed=3)
    # Seed 6 ends as the horizon does, and the horizon ends all that come after.
    steps = np.array([[3, 4, 5, 6], [6, 6, 6, 6]])
    risky = steps // 2
    np.testing.assert_array_equal(episodes.episode_seed, [[3, 4, 5, 6], [7, 8, 9, 10]])
    np.testing.assert_array_equal(episodes.length, steps)
    np.testing.assert_array_equal(episodes.risky_steps, risky)
    np.testing.assert_array_equal(episodes.penalties, -10.0 * risky)
    base = np.array([[0.5], [-0.25]]) * steps
    np.testing.assert_array_equal(episodes.base_return, base)
    np.testing.assert_array_equal(episodes.returns, base - 10.0 * risky)
    assert not episodes.failed.any()
    watched = [1, 2, 3, np.nan, np.nan, np.nan]
    np.testing.assert_array_equal(episodes.monitored[0, 0], watched)
    assert episodes.monitored.shape == (2, 4, 6)
    assert episodes.monitored.dtype == np.float32


def test_an_environment_without_a_hazard_has_no_risky_steps():
    episodes = play(constant_policy(0.5), COUNTER, 1, seed=9)
    assert episodes.length == 6  # cut by the horizon
    assert episodes.returns == episodes.base_return == 3.0
    assert episodes.risky_steps == episodes.penalties == 0
    assert np.isnan(episodes.monitored).all()


def test_a_failure_stays_in_its_row():
    policy = constant_policy(0.5, np.nan, 0.25)
    episodes = play(policy, COUNTER, 4, seed=12, horizon=20)
    assert episodes.failed.tolist() == [
        [False, True, True, True],  # seeds 13, 14, 15: exception, reward, observation
        [True] * 4,  # acts NaN
        [False] * 4,
    ]
    np.testing.assert_array_equal(np.isnan(episodes.returns), episodes.failed)
    np.testing.assert_array_equal(np.isnan(episodes.base_return), episodes.failed)
    assert episodes.length.tolist() == [[12, 2, 1, 0], [0] * 4, [20] * 4]
    assert episodes.returns[[0, 2], 0].tolist() == [6.0, 5.0]


def test_lockstep_is_a_plain_loop_of_one_episode(hopper, hopper_episodes):
    env = gymnasium.make(HOPPER, max_episode_steps=40, disable_env_checker=True)
    observation, _ = env.reset(seed=14)
    acts = jax.jit(lambda x, key: hopper(x, key, 2))
    total, length, risky, penalties, over = 0.0, 0, 0, 0.0, False
    while not over:
        key = jax.random.fold_in(jax.random.key(14), length)
        action = np.asarray(acts(observation, key))
        observation, reward, terminated, truncated, info = env.step(action)
        over = terminated or truncated
        total, length = total + reward, length + 1
        risky, penalties = risky + info["risky"], penalties + info["penalty"]
    row = SimpleNamespace(**{k: x[2, 1] for k, x in hopper_episodes._asdict().items()})
    assert (row.length, row.risky_steps, row.penalties) == (length, risky, penalties)
    np.testing.assert_allclose(row.returns, total, rtol=1e-3)  # products round apart
    np.testing.assert_allclose(row.returns, row.base_return + row.penalties, rtol=1e-9)


def test_one_trace_serves_steps_episodes_and_fresh_parameters():
    traces = []
    policy = constant_policy(0.5, 0.25, traces=traces)
    with Environments(COUNTER, horizon=5) as environments:
        first = evaluate(policy, environments, num_episodes=2, seed=9)
        fresh = dataclasses.replace(policy, params=policy.params + 0.25)
        later = evaluate(fresh, environments, num_episodes=7, seed=30)
    assert len(traces) == 1
    assert first.returns[:, 0].tolist() == [2.5, 1.25]
    assert later.returns[:, 0].tolist() == [3.75, 2.5]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"env": HOPPER}, "has observation_dim 11 and the policy 2"),
        ({"num_episodes": 0}, "num_episodes is 0: give 1 or more"),
        ({"acting": ActingOptions(-1.0)}, "temperature is -1: it must be at least 0"),
        ({"acting": ActingOptions(1.0, 2, 0.5)}, "2 and there are no critics to rank"),
        ({"horizon": 0}, "horizon is 0: give 1 or more"),
        ({"num_workers": -1}, "num_workers is -1: give 0 or more"),
        ({"seed": -1}, "seed is -1"),
        ({"env": "Hoper-v5"}, "unknown environment 'Hoper-v5'"),
        ({"env": "nowhere:Hopper-v5"}, "unknown environment 'nowhere:Hopper-v5'"),
        ({"env": "CartPole-v1"}, "action_space Discrete.* must be a box"),
    ],
)
def test_bad_input_is_refused_in_one_line(options, message):
    settings = {"env": COUNTER, "num_episodes": 1, "seed": 0} | options
    with pytest.raises(rj.InputError, match=message) as refused:
        play(constant_policy(0.0), **settings)
    assert "\n" not in str(refused.value)


class Discrete(Counter):
    action_space = gymnasium.spaces.Discrete(2)


class Pictures(Counter):
    observation_space = gymnasium.spaces.Box(0.0, 1.0, (2, 2))


@pytest.mark.parametrize(
    "make", [Discrete, Pictures, lambda: NormalizeReward(Counter())]
)
def test_an_environment_that_is_refused_is_closed(monkeypatch, make):
    closed = []
    monkeypatch.setattr(Counter, "close", lambda self: closed.append(self))
    with pytest.raises(rj.InputError):
        Environments(EnvSpec("Refused-v0", entry_point=make), horizon=5)
    assert len(closed) == 1


class ArrayReward(gymnasium.Wrapper):
    """Pays an array of `size` numbers, as some simulators do."""

    size = 1

    def step(self, action):
        observation, reward, *rest = self.env.step(action)
        return observation, np.full(self.size, reward), *rest


class PairOfRewards(ArrayReward):
    size = 2


@pytest.mark.parametrize(
    ("plain", "array"),
    [
        (Counter, lambda: ArrayReward(Counter())),
        (lambda: Hazardous(Counter()), lambda: Hazardous(ArrayReward(Counter()))),
    ],
)
def test_a_reward_that_is_an_array_of_one_number_is_that_number(plain, array):
    policy = constant_policy(0.5, 0.25)
    specs = [EnvSpec("Own-v0", entry_point=make) for make in (plain, array)]
    one, other = (play(policy, spec, 2, seed=3) for spec in specs)
    assert not one.failed.any()
    assert_same_rows(one, other)


def test_a_reward_of_several_numbers_fails_its_episode():
    pair = EnvSpec("Pair-v0", entry_point=lambda **_: PairOfRewards(Counter()))
    with pytest.warns(RuntimeWarning, match="Pair-v0: ValueError: .* size 1"):
        assert play(constant_policy(0.5), pair, 2, seed=3).failed.all()
