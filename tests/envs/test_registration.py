"""The stochastic robots: penalties, ends, and repeatable rollouts."""

import copy
import math
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import ramac_jax.envs  # noqa: F401  registers the environments
from ramac_jax import InputError
from ramac_jax.envs.hazards import is_risky, penalties
from ramac_jax.envs.registration import HazardousReward
from ramac_jax.tasks import COORDINATES, QUANTITIES, TASKS, Hazard, env_id

# Half of a random Hopper's steps are risky, and every other one of these is charged.
LEANING = Hazard("torso angle", 1, -0.02, 0.02, 0.5, -50.0)
ROBOT = "Hopper-v5"
KNOWN = (
    "(A Box observation space (minimum|maximum) value is|"
    ".*different from the unwrapped)"
)


def charged(hazard=LEANING, robot=ROBOT):
    return HazardousReward(gymnasium.make(robot), hazard)


def roll(env, num_steps, seed=0):
    """Random actions over several episodes: observations, rewards, infos and draws."""
    rng = np.random.default_rng(seed)
    observation, _ = env.reset(seed=seed)
    steps = []
    for _ in range(num_steps):
        twin = copy.deepcopy(env.unwrapped.np_random)
        action = rng.uniform(env.action_space.low, env.action_space.high)
        observation, reward, terminated, truncated, info = env.step(
            action.astype(np.float32)
        )
        steps.append((observation, reward, twin.random(), info))
        if terminated or truncated:
            env.reset()
    return steps


@pytest.mark.parametrize("name", ["hopper-medium-replay", "halfcheetah-medium-expert"])
def test_gymnasiums_checker_accepts_the_environments(name):
    env = gymnasium.make(env_id(name), disable_env_checker=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=f"(\\x1b\\[\\d+m)?WARN: {KNOWN}")
        check_env(env, skip_render_check=True)


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("name", TASKS)
def test_every_task_is_registered_for_both_versions(name, version):
    spec = gymnasium.spec(env_id(name, version))
    assert spec.id == f"ramac_jax/{name}-v{version}"
    assert spec.max_episode_steps == TASKS[name].horizon
    assert f"_v{version}:" in spec.entry_point
    assert spec.additional_wrappers[0].kwargs == {
        "hazard": TASKS[name].hazard._asdict()
    }


@pytest.mark.filterwarnings("ignore:.*is out of date:DeprecationWarning")
def test_a_task_steps_on_the_robot_of_version_4():
    env = gymnasium.make(env_id("walker2d-medium-expert", 4))
    steps = roll(env, 3)
    assert env.unwrapped.__class__.__module__.endswith("walker2d_v4")
    assert steps[-1][0].shape == (17,)


@pytest.mark.filterwarnings("ignore:.*is out of date:DeprecationWarning")
@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("robot", COORDINATES)
def test_observations_hold_each_quantity_where_the_table_says(robot, version):
    env = gymnasium.make(f"{robot}-v{version}")
    env.reset(seed=0)
    observation = env.step(np.full(env.action_space.shape, 0.3, np.float32))[0]
    data, table = env.unwrapped.data, COORDINATES[robot]
    assert table.keys() == QUANTITIES.keys()
    # The first three joints of all of them: along x, along z, the torso's turn.
    assert observation[table["x velocity"]] == data.qvel[0]
    assert observation[table["torso angle"]] == data.qpos[2]


def test_another_process_makes_the_environment_from_its_spec():
    spec = gymnasium.spec(env_id("hopper-medium-replay"))
    read = type(spec).from_json(spec.to_json())
    env = gymnasium.make(read)
    wrapper = env
    while not isinstance(wrapper, HazardousReward):
        wrapper = wrapper.env
    assert wrapper.hazard == TASKS["hopper-medium-replay"].hazard


def test_the_same_seed_gives_the_same_rollout():
    one, two, other = (roll(charged(), 100, seed) for seed in (3, 3, 4))
    assert [x[1] for x in one] == [x[1] for x in two] != [x[1] for x in other]
    np.testing.assert_array_equal([x[0] for x in one], [x[0] for x in two])


def test_a_recorded_rollout_is_charged_alike_by_the_function_on_arrays():
    steps = roll(charged(), 300)
    observation = np.array([x[0] for x in steps])
    reward, draws = (np.array([x[k] for x in steps]) for k in (1, 2))
    base = np.array([x[3]["base_reward"] for x in steps])
    charge = penalties(LEANING, observation[:, 1], draws)
    assert 0 < (charge != 0).sum() < is_risky(LEANING, observation[:, 1]).sum()
    np.testing.assert_array_equal(base + charge, reward)
    np.testing.assert_array_equal(charge, [x[3]["penalty"] for x in steps])


def test_the_penalty_leaves_the_robot_alone():
    bare, hazardous = roll(gymnasium.make(ROBOT), 15), roll(charged(), 15)
    np.testing.assert_array_equal([x[0] for x in bare], [x[0] for x in hazardous])
    base = [x[3]["base_reward"] for x in hazardous]
    np.testing.assert_array_equal([x[1] for x in bare], base)


def test_penalties_have_the_frequency_of_their_probability():
    steps = roll(charged(LEANING._replace(probability=0.1)), 1200)
    risky = [x[3]["risky"] for x in steps]
    hits = [x[3]["penalty"] != 0 for x in steps]
    count = sum(risky)
    assert count > 400
    assert not any(hit and not r for hit, r in zip(hits, risky, strict=True))
    # Five standard deviations of a binomial count.
    assert abs(sum(hits) - 0.1 * count) < 5 * math.sqrt(count * 0.1 * 0.9)


def test_info_holds_the_penalty_and_its_cause():
    observation, reward, _, info = roll(charged(), 1)[0]
    assert {"risky", "penalty", "monitored", "base_reward"} <= info.keys()
    assert info["monitored"] == observation[1]
    assert info["risky"] is bool(is_risky(LEANING, observation[1]))
    assert reward == info["base_reward"] + info["penalty"]


def test_an_end_of_the_hazard_terminates_the_episode():
    env = charged(LEANING._replace(end_low=-0.01, end_high=0.01))
    env.reset(seed=0)
    ends = []
    while not (ends and ends[-1][1]):
        _, _, terminated, truncated, info = env.step(np.ones(3, np.float32))
        ends.append((info["monitored"], terminated, truncated))
    *before, last = ends
    assert abs(last[0]) > 0.01 and last[1:] == (True, False)
    assert all(abs(angle) <= 0.01 and not done for angle, done, _ in before)
    # Hopper's own limit is a lean of .2.
    assert abs(last[0]) < 0.2


def test_a_coordinate_beyond_the_observation_is_refused():
    with pytest.raises(InputError, match="coordinate 11 of observations"):
        charged(LEANING._replace(coordinate=11))


def test_a_reward_that_is_an_array_of_one_number_is_charged():
    class ArrayReward(gymnasium.RewardWrapper):
        def reward(self, reward):
            return np.array([reward])

    hazard = LEANING._replace(probability=1.0)
    plain = roll(charged(hazard), 30)
    array = roll(HazardousReward(ArrayReward(gymnasium.make(ROBOT)), hazard), 30)
    assert [x[1] for x in array] == [x[1] for x in plain]
    assert {type(x[1]) for x in array} == {float}
    assert [x[3]["base_reward"] for x in array] == [x[3]["base_reward"] for x in plain]
