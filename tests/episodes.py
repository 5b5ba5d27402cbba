"""Small Minari datasets for the tests of data, environments and commands."""

import json

import gymnasium
import numpy as np
import pytest
from minari.data_collector.episode_buffer import EpisodeBuffer

from ramac_jax import InputError
from ramac_jax.data.local_datasets import open_dataset
from ramac_jax.data.writing import write_dataset


def lean(angles, terminated=False, reward=1.0):
    """A Hopper that leans by the first angle, and by the others after each step."""
    steps = len(angles) - 1
    observations = np.zeros((steps + 1, 11))
    observations[:, 1] = angles
    ending = np.arange(steps) == steps - 1
    return EpisodeBuffer(
        observations=observations,
        actions=np.full((steps, 3), 0.5, np.float32),
        rewards=reward + np.arange(steps),
        terminations=ending & terminated,
        truncations=ending & (not terminated),
    )


def sway(seed, steps=200):
    """A Hopper whose angles are normal with deviation 0.1 rad."""
    return lean(np.random.default_rng(seed).normal(0.0, 0.1, steps + 1))


def play(robot="Hopper-v5", episodes=3, horizon=30):
    """Episodes of random actions in Gymnasium's robot, each from its own seed."""
    env, rng = gymnasium.make(robot), np.random.default_rng(0)
    return [play_one(env, rng, seed, horizon) for seed in range(episodes)]


def play_one(env, rng, seed, horizon):
    observations, rewards, ends = [env.reset(seed=seed)[0]], [], []
    actions = rng.uniform(env.action_space.low, env.action_space.high, (horizon, 3))
    for action in actions.astype(np.float32):
        observation, reward, terminated, _, _ = env.step(action)
        observations.append(observation)
        rewards.append(reward)
        ends.append(terminated)
        if terminated:
            break
    steps = len(rewards)
    return EpisodeBuffer(
        observations=np.array(observations),
        actions=actions[:steps].astype(np.float32),
        rewards=np.array(rewards),
        terminations=np.array(ends),
        truncations=(np.arange(steps) == steps - 1) & ~np.array(ends),
    )


def write(name, episodes, robot="Hopper-v5", **options):
    """Write episodes of a robot, with its spaces unless others are given."""
    env = gymnasium.make(robot)
    defaults = {
        "observation_space": env.observation_space,
        "action_space": env.action_space,
        "env_spec": env.spec,
        "algorithm_name": "by hand",
        "description": "A test.",
    }
    write_dataset(name, episodes, **(defaults | options))
    return name


def stored(name):
    """The episodes of a dataset on disk."""
    return list(open_dataset(name).iterate_episodes())


def listing(folder):
    """Every path in a folder."""
    return sorted(map(str, folder.rglob("*")))


def refusal(function, *arguments, folder=None, **options):
    """The one line of an `InputError`, after which a folder holds what it held."""
    before = listing(folder) if folder is not None else None
    with pytest.raises(InputError) as refused:
        function(*arguments, **options)
    assert "\n" not in str(refused.value)
    assert before is None or listing(folder) == before
    return str(refused.value)


def edit_json(path, **fields):
    """Change fields of a JSON file, such as the metadata of a dataset."""
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
