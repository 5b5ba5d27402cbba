"""Robots in batches equal Gymnasium's own steps bit for bit."""

import dataclasses
import sys

import gymnasium
import mujoco
import numpy as np
import pytest
from gymnasium.envs.mujoco.hopper_v5 import HopperEnv
from gymnasium.wrappers import ClipReward, TimeLimit

from ramac_jax.envs.registration import hazard_wrapper
from ramac_jax.evaluation import Environments, evaluate
from ramac_jax.evaluation.robot_rows import RobotRows, robot_rows
from ramac_jax.evaluation.simulators import Rows, Step, find_spec
from ramac_jax.tasks import COORDINATES, Hazard, env_id
from tests.evaluation.counters import HOPPER, UNBATCHED_HOPPER, assert_same_rows, play

pytest.importorskip("mujoco.batch", reason="MuJoCo 3 steps no batches")
HAZARD = Hazard("x velocity", 5, -0.2, 0.2, 0.5, -7.0, end_low=-1.5)
SIZE = 8  # of which two threads have four each


def assert_same_step(one, other):
    for name, left, right in zip(Step._fields, one, other, strict=True):
        np.testing.assert_array_equal(left, right, err_msg=name)


def play_both(rows, batches, *, seed=0, strength=1.0):
    """Play an episode of each row in both ways; return the steps of one."""
    rng, seeds = np.random.default_rng(seed), seed + np.arange(SIZE)
    running, steps = np.ones(SIZE, bool), []
    assert_same_step(rows.reset(0, seeds), batches.reset(0, seeds))
    while running.any():
        actions = rng.uniform(-1.0, 1.0, (SIZE, batches.action_dim)) * strength
        actions = actions.astype(np.float32)
        steps.append(rows.step(0, actions, running))
        assert_same_step(steps[-1], batches.step(0, actions, running))
        running &= ~steps[-1].ended
    return steps


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("robot", ["HalfCheetah", "Hopper", "Walker2d"])
def test_whole_episodes_equal_gymnasiums(robot, version):
    hazard = HAZARD._replace(coordinate=COORDINATES[robot]["x velocity"])
    spec = find_spec(f"{robot}-v{version}")
    spec = dataclasses.replace(spec, additional_wrappers=(hazard_wrapper(hazard),))
    rows = Rows(spec, 120)
    batches = robot_rows(rows, 2)
    first = play_both(rows, batches)
    assert batches.lanes[0].batch.nthread == 2
    again = play_both(rows, batches, seed=10, strength=0.3)
    for steps in (first, again):
        charged = sum(step.penalty for step in steps)
        assert (charged < 0).any()
    ends = sum(step.ended for step in first)
    assert (ends == 1).all()  # by a fall, the hazard or the horizon


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Hopper-v5", {"terminate_when_unhealthy": False, "healthy_reward": 0.3}),
        ("Hopper-v4", {"terminate_when_unhealthy": False, "forward_reward_weight": 2}),
        ("Hopper-v5", {"healthy_state_range": (-2.0, 2.0), "frame_skip": 2}),
        ("Walker2d-v5", {"exclude_current_positions_from_observation": False}),
        ("HalfCheetah-v5", {"reset_noise_scale": 0.5, "ctrl_cost_weight": 3.0}),
    ],
)
def test_the_arguments_of_an_environment_hold_in_a_batch(name, options):
    spec = find_spec(name)
    rows = Rows(dataclasses.replace(spec, kwargs=spec.kwargs | options), 40)
    play_both(rows, robot_rows(rows, 1))


def test_an_evaluation_is_the_same_in_a_batch_as_without(hopper, hopper_episodes):
    assert_same_rows(
        hopper_episodes, play(hopper, UNBATCHED_HOPPER, 3, seed=7, horizon=40)
    )


@pytest.mark.parametrize("option", ["num_workers", "num_threads"])
@pytest.mark.parametrize("threads", [1, 2])
def test_threads_change_nothing(hopper, hopper_episodes, option, threads):
    with Environments(HOPPER, horizon=40, **{option: threads}) as environments:
        episodes = evaluate(hopper, environments, num_episodes=3, seed=7)
        assert environments.workers == []
        assert environments.rows.lanes[0].batch.nthread == threads
    assert_same_rows(hopper_episodes, episodes)


@pytest.mark.parametrize("way", ["batch", "gymnasium"])
def test_an_unstable_simulation_fails_alone_until_its_next_episode(way):
    """MuJoCo resets it with a warning, and its numbers are finite again."""
    rows = Rows(find_spec(HOPPER), 10)
    played = robot_rows(rows, 2) if way == "batch" else rows
    seeds, running = np.arange(3), np.ones(3, bool)
    played.reset(0, seeds)
    if way == "batch":
        played.lanes[0].velocity[1] = 1e12
    else:
        played.lanes[0][1].unwrapped.data.qvel[:] = 1e12
    step = played.step(0, np.zeros((3, 3), np.float32), running)
    assert step.failed.tolist() == [False, True, False]
    assert step.ended.tolist() == [False, True, False]
    assert not step.observation[1].any()
    assert step.observation[[0, 2]].all(axis=1).all()
    assert not played.reset(0, seeds).failed.any()
    assert not played.step(0, np.zeros((3, 3), np.float32), running).failed.any()


def test_an_error_of_mujoco_fails_its_rows_and_is_warned_of(monkeypatch):
    played = robot_rows(Rows(find_spec(HOPPER), 10), 2)
    played.reset(0, np.arange(3))

    def fail(*_):
        raise mujoco.batch.SimulationError(np.array([2]), "out of memory", 3)

    monkeypatch.setattr(played.lanes[0].batch, "step", fail)
    with pytest.warns(RuntimeWarning, match="SimulationError: .* out of memory"):
        step = played.step(0, np.zeros((3, 3), np.float32), np.ones(3, bool))
    assert step.failed.tolist() == [False, False, True]
    assert step.reward[2] == step.base_reward[2] == 0.0 < step.reward[0]


def test_an_environment_whose_reset_keeps_mujocos_counts_is_known(monkeypatch):
    """Each of its episodes fails where its own simulation blows up, and only then."""
    monkeypatch.setattr(mujoco, "mj_resetData", lambda *_: None)
    rows = Rows(find_spec("HalfCheetah-v5"), 10)
    seeds, running, action = np.arange(1), np.ones(1, bool), np.zeros((1, 6))
    for unstable in (True, False, True, True):
        rows.reset(0, seeds)
        if unstable:
            rows.lanes[0][0].unwrapped.data.qvel[:] = 1e12
        assert rows.step(0, action, running).failed.all() == unstable


@pytest.mark.parametrize("call", ["reset", "forward", "step"])
def test_any_error_of_a_batch_fails_its_rows(monkeypatch, call):
    """Such as that of a callback in Python, which no batch can call."""
    played = robot_rows(Rows(find_spec(HOPPER), 10), 2)
    played.reset(0, np.arange(3))
    running = np.array([True, False, True])

    def fail(*_, **options):
        raise ValueError("a callback must be a C function")

    monkeypatch.setattr(played.lanes[0].batch, call, fail)
    with pytest.warns(RuntimeWarning, match="ValueError: a callback must be"):
        if call == "step":
            step = played.step(0, np.zeros((3, 3), np.float32), running)
        else:
            step, running = played.reset(0, np.arange(3)), np.ones(3, bool)
    assert step.failed.tolist() == running.tolist()


def made(env, steps=10, **options):
    options |= {"max_episode_steps": steps, "disable_env_checker": True}
    return gymnasium.make(env, **options)


def hazardous(times):
    spec = find_spec(HOPPER)
    wrappers = times * spec.additional_wrappers
    return made(dataclasses.replace(spec, additional_wrappers=wrappers))


@pytest.mark.parametrize(
    "make",
    [
        lambda: ClipReward(made("Hopper-v5"), -1.0, 1.0),
        lambda: hazardous(times=2),
        lambda: made("Ant-v5"),
        lambda: made("Hopper-v5", render_mode="rgb_array"),
        lambda: made("Hopper-v5", steps=9),
        lambda: TimeLimit(made("Hopper-v5"), 5),
    ],
)
def test_what_no_batch_knows_keeps_gymnasiums_steps(make):
    rows = Rows(find_spec("Hopper-v5"), 10)
    for known in (made("Hopper-v5"), hazardous(times=1)):
        rows.lanes[0] = [known]
        assert robot_rows(rows, 1) is not None
    rows.lanes[0] = [make()]
    assert robot_rows(rows, 1) is None


def test_a_gymnasium_that_pays_otherwise_keeps_its_steps(monkeypatch):
    rows = Rows(find_spec("Hopper-v5"), 10)
    assert isinstance(robot_rows(rows, 1), RobotRows)
    monkeypatch.setattr(HopperEnv, "control_cost", lambda *_: 1e-9)
    assert robot_rows(rows, 1) is None


def test_mujoco_3_keeps_gymnasiums_steps(monkeypatch):
    monkeypatch.setitem(sys.modules, "mujoco.batch", None)
    with Environments(env_id("walker2d-medium-replay"), horizon=5) as environments:
        assert isinstance(environments.rows, Rows)
