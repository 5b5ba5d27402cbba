"""OGBench's files, made small by its own environments: the rewards of single tasks."""

import importlib.util

import gymnasium
import numpy as np
import pytest

from ramac_jax import InputError
from ramac_jax.cli import data as command
from ramac_jax.data import ogbench
from ramac_jax.data.loading import load_datasets
from ramac_jax.data.relabel import read_record, relabel_dataset
from ramac_jax.envs.registration import make_environment
from ramac_jax.evaluation import Environments
from ramac_jax.extras import MissingExtra
from ramac_jax.tasks import Hazard
from tests import episodes

INSTALLED = importlib.util.find_spec("ogbench") is not None
needs_ogbench = pytest.mark.skipif(not INSTALLED, reason="needs the extra ogbench")
STEPS = 8
FILES = {
    "point": "pointmaze-medium-navigate-v0.npz",
    "teleport": "pointmaze-teleport-navigate-v0.npz",
    "ant": "antmaze-medium-navigate-v0.npz",
    "cube": "cube-single-play-v0.npz",
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Write a file in OGBench's format: two trajectories, the second at the goal."""
    folder = tmp_path_factory.mktemp("ogbench")

    def record(kind):
        path = folder / FILES[kind]
        if not path.exists():
            np.savez_compressed(path, **play(ogbench.name_task(FILES[kind], 1).env_id))
        return path

    return record


def play(env_id):
    """Random actions of a single task, as OGBench's own script stores them."""
    env, rng, rows = make_environment(ogbench.task_spec(env_id)), None, []
    for seed in (0, 1):
        observation, _ = env.reset(seed=seed)
        if seed == 1:
            observation = go_to_goal(env.unwrapped)
        rng = np.random.default_rng(seed)
        for step in range(STEPS + 1):
            action = rng.uniform(-1.0, 1.0, env.action_space.shape)
            state = env.unwrapped.data.qpos.copy()
            rows.append((observation, action, step == STEPS, state))
            observation = env.step(action.astype(np.float32))[0]
    env.close()
    names = ("observations", "actions", "terminals", "qpos")
    columns = dict(zip(names, map(np.array, zip(*rows, strict=True)), strict=True))
    return {
        name: value if name == "terminals" else value.astype(np.float32)
        for name, value in columns.items()
    }


def go_to_goal(env):
    """Put the agent, or the cube, at the goal; return the observation there."""
    if hasattr(env, "set_xy"):
        env.set_xy(np.asarray(env.cur_goal_xy) + [env._goal_tol - 0.05, 0.0])
        return env.get_ob()
    env.data.joint("object_joint_0").qpos[:3] = env.data.mocap_pos[0]
    return env.compute_observation()


@pytest.mark.parametrize(
    ("name", "env_id", "dataset_id"),
    [
        (
            "pointmaze-medium-navigate-v0.npz",
            "pointmaze-medium-singletask-task2-v0",
            "ogbench/pointmaze-medium-navigate/task2-v0",
        ),
        (
            "antmaze-teleport-explore-v0-val.npz",
            "antmaze-teleport-singletask-task2-v0",
            "ogbench/antmaze-teleport-explore/task2-val-v0",
        ),
        (
            "scene-play-v0.npz",
            "scene-singletask-task2-v0",
            "ogbench/scene-play/task2-v0",
        ),
    ],
)
def test_the_name_of_a_file_determines_the_environment(name, env_id, dataset_id):
    assert ogbench.name_task(name, 2) == (env_id, dataset_id)


def test_other_names_are_not_ogbenchs():
    assert ogbench.name_task("mine.npz", 1) is None
    assert ogbench.name_task("my-data-v0.npz", 1) is None
    for name in ("visual-cube-single-play-v0.npz", "powderworld-easy-play-v0.npz"):
        with pytest.raises(InputError, match="has no single task on vectors"):
            ogbench.name_task(name, 1)
    with pytest.raises(InputError, match="--ogbench-task is 6: give 1 to 5"):
        ogbench.name_task("scene-play-v0.npz", 6)


@pytest.mark.skipif(INSTALLED, reason="the extra ogbench is installed")
def test_without_the_package_the_extra_is_named(tmp_path):
    with pytest.raises(MissingExtra, match=r"pip install 'ramac_jax\[ogbench\]'"):
        ogbench.read_ogbench(tmp_path / FILES["point"], "pointmaze-medium-v0")


@needs_ogbench
@pytest.mark.parametrize("kind", list(FILES))
def test_rewards_and_masks_are_those_of_the_package(recorded, kind):
    from ogbench.relabel_utils import relabel_dataset as label
    from ogbench.utils import load_dataset

    path = recorded(kind)
    env_id = ogbench.name_task(path.name, 1).env_id
    found = ogbench.read_ogbench(path, env_id)
    expected = load_dataset(str(path), add_info=True)
    env = gymnasium.make(env_id)
    env.reset(seed=0)
    label(env_id, env, expected)
    parts = found.converted.episodes
    assert [len(x.rewards) for x in parts] == [STEPS, STEPS]
    for name, ours in (
        ("rewards", [x.rewards for x in parts]),
        ("actions", [x.actions for x in parts]),
        ("observations", [x.observations[:-1] for x in parts]),
        ("next_observations", [x.observations[1:] for x in parts]),
        ("masks", [~x.terminations for x in parts]),
    ):
        np.testing.assert_array_equal(np.concatenate(ours), expected[name], name)
    for x in parts:
        assert x.truncations[-1] == (not x.terminations[-1])
    terminated = np.concatenate([x.terminations for x in parts])
    assert 0 < terminated.sum() < len(terminated)
    assert (found.converted.splits, found.converted.dropped) == (0, 0)


@needs_ogbench
def test_a_converted_file_is_trained_on_and_evaluated(recorded, capsys):
    command.main(["convert", str(recorded("point"))])
    assert "ogbench/pointmaze-medium-navigate/task1-v0" in capsys.readouterr().out
    data = load_datasets(["ogbench/pointmaze-medium-navigate/task1-v0"])
    assert data.env_spec.id == "pointmaze-medium-singletask-task1-v0"
    assert data.transitions.reward.max() == 0.0 and data.transitions.reward.min() == -1
    reward, terminated = data.transitions.reward, data.transitions.terminated
    np.testing.assert_array_equal(reward == 0.0, terminated == 1.0)
    record = read_record(data.sources[0].id)
    assert record["task"] == data.env_spec.id and record["ogbench"]


@needs_ogbench
@pytest.mark.parametrize("kind", list(FILES))
def test_episodes_of_the_environment_repeat(recorded, kind):
    env_id = ogbench.name_task(FILES[kind], 1).env_id
    spec = ogbench.task_spec(env_id)
    if kind == "teleport":
        check_teleports(spec)
    with Environments(spec, horizon=5) as environments:
        one = roll(environments)
        np.random.seed(0)
        other = roll(environments)
    np.testing.assert_array_equal(one, other)
    assert not np.array_equal(one[:, 0], one[:, 1])


def roll(environments, steps=4):
    found = [environments.reset(0, np.array([3, 4])).observation]
    rng, running = np.random.default_rng(0), np.ones(2, bool)
    for _ in range(steps):
        actions = rng.uniform(-1.0, 1.0, (2, environments.action_dim))
        found.append(environments.step(0, actions.astype(np.float32), running)[0])
    return np.array(found)


def check_teleports(spec):
    """The seed decides where a teleport leads, and different seeds lead elsewhere."""
    env = make_environment(spec)

    def teleport(seed):
        env.reset(seed=seed)
        inside = env.unwrapped._teleport_info["teleport_in_xys"][0]
        env.unwrapped.set_xy(np.array(inside))
        np.random.seed(1)  # of no effect
        env.step(np.zeros(2, np.float32))
        return tuple(env.unwrapped.get_xy())

    led = [teleport(seed) for seed in range(8)]
    assert led == [teleport(seed) for seed in range(8)]
    assert len(set(led)) > 1
    env.close()


@needs_ogbench
def test_a_hazard_speaks_of_the_state_after_a_reward_of_the_state_before(recorded):
    command.main(["convert", str(recorded("ant"))])
    source, target = "ogbench/antmaze-medium-navigate/task1-v0", "made/hazard-v0"
    before = episodes.stored(source)[1]
    speed = np.abs(before.observations[1:, 15])
    limit = float(np.median(speed))
    hazard = Hazard("x velocity", 15, -limit, limit, 1.0, -10.0)
    relabel_dataset([source], target, hazard, 0)
    after, risky = episodes.stored(target)[1], speed > limit
    np.testing.assert_array_equal(after.rewards, before.rewards - 10.0 * risky)
    env = make_environment(load_datasets([target]).env_spec)
    env.reset(seed=1)
    go_to_goal(env.unwrapped)
    for step, action in enumerate(after.actions):
        _, reward, terminated, *_ = env.step(action)
        assert reward == pytest.approx(after.rewards[step])
        assert terminated == after.terminations[step]
    env.close()


@needs_ogbench
def test_unsound_files_are_refused(recorded, tmp_path):
    whole = dict(np.load(recorded("point")))
    env_id = ogbench.name_task(FILES["point"], 1).env_id
    path = tmp_path / FILES["point"]

    def message(**changes):
        kept = {k: v for k, v in (whole | changes).items() if v is not None}
        np.savez(path, **kept)
        return episodes.refusal(ogbench.read_ogbench, path, env_id)

    assert "lacks arrays of numbers qpos" in message(qpos=None)
    assert "it is cut off" in message(terminals=np.zeros(2 * STEPS + 2, bool))
    assert "actions is outside its space" in message(actions=2 + whole["actions"])
    assert "observations is NaN" in message(observations=whole["observations"] * np.nan)
    assert "OGBench has no environment cube-single-v9" in (
        episodes.refusal(ogbench.task_spec, "cube-single-v9")
    )
