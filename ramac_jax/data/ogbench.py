"""OGBench's files with the rewards of its single tasks.

A reward of a single task speaks of the state BEFORE the action, and the environments
pay it so (`success_timing="pre"`): r(s) = -1, or 0 at the goal, where the step is
terminated. A hazard of this library speaks of the state AFTER the action. Relabelling
a converted dataset adds a penalty for s' to r(s), as `HazardousReward` does around the
environment.
"""

import dataclasses
import re
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec

from ramac_jax.data.step_files import list_arrays, read_arrays
from ramac_jax.data.steps import NEXT, Spaces, StepEpisodes, make_episodes
from ramac_jax.envs.own_randomness import OWN_RANDOMNESS
from ramac_jax.envs.registration import make_environment
from ramac_jax.errors import InputError
from ramac_jax.extras import require

NAME = re.compile(r"((?:[a-z0-9]+-)+?)([a-z]+)-v0(-val)?\.npz")
KINDS = ("maze", "soccer", "cube", "scene", "puzzle")
"""Words of the names of environments that have single tasks."""
IMAGES = ("visual-", "powderworld")
"""First words of the names of environments whose observations are images."""
TASKS = range(1, 6)
NEEDED = ("observations", "actions", "terminals", "qpos")


class OGBenchData(NamedTuple):
    """What a file holds for a single task."""

    converted: StepEpisodes
    spaces: Spaces
    env: EnvSpec  # of the task; its episodes repeat


class TaskName(NamedTuple):
    """What the name of a file says."""

    env_id: str  # such as pointmaze-medium-singletask-task1-v0
    dataset_id: str


def name_task(file_name: str, task: int) -> TaskName | None:
    """Return the environment and the Minari id; None for another kind of name.

    Args:
      file_name: such as pointmaze-medium-navigate-v0.npz.
      task: 1 to 5.

    Raises `InputError` for another task, and for a file of images or of Powderworld.
    """
    match = NAME.fullmatch(file_name)
    if match is None:
        return None
    name = match[1] + match[2]
    if name.startswith(IMAGES):
        raise InputError(
            f"{file_name} has no single task on vectors: give a file of OGBench's "
            f"{', '.join(KINDS)}, without images"
        )
    if not any(kind in name for kind in KINDS):
        return None
    if task not in TASKS:
        raise InputError(f"--ogbench-task is {task}: give 1 to {TASKS[-1]}")
    return TaskName(
        env_id=f"{match[1]}singletask-task{task}-v0",
        dataset_id=f"ogbench/{name}/task{task}{match[3] or ''}-v0",
    )


def task_spec(env_id: str) -> EnvSpec:
    """Return the environment of a single task, whose episodes repeat."""
    require("ogbench", "a dataset of OGBench")
    import ogbench  # noqa: F401  registers the environments

    try:
        spec = gymnasium.spec(env_id)
    except gymnasium.error.Error:
        raise InputError(
            f"OGBench has no environment {env_id}: give a file under its own name"
        ) from None
    wrappers = (*spec.additional_wrappers, OWN_RANDOMNESS)
    return dataclasses.replace(spec, additional_wrappers=wrappers)


def read_ogbench(path: Path, env_id: str, *, clip: bool = False) -> OGBenchData:
    """Read a file into episodes with the rewards of a single task.

    Rewards and masks are those that the package computes. A step is terminated where
    its mask is 0; the recorded agent goes on from there, and only the end of a
    trajectory ends an episode.

    Args:
      path: the .npz.
      env_id: of the single task.
      clip: clip actions that are beyond their bounds.

    Raises `InputError` for a file that cannot be read or lacks an array, and as
    `make_episodes`; `MissingExtra` without the package.
    """
    spec = task_spec(env_id)
    held = list_arrays(path)
    if missing := [key for key in NEEDED if key not in held]:
        raise InputError(
            f"{path} lacks arrays of numbers {', '.join(missing)}: give a file of "
            "OGBench, which has them"
        )
    wanted = [*NEEDED, *(["button_states"] if "button_states" in held else [])]
    env = make_environment(spec)
    try:
        arrays = read_arrays(path, {key: (key,) for key in wanted})
        arrays = label(env_id, env, drop_last_states(arrays))
        spaces = spaces_of(env, env_id)
        converted = make_episodes(arrays, spaces, ends_at_terminals=False, clip=clip)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    finally:
        env.close()
    return OGBenchData(converted, spaces, spec)


def drop_last_states(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return steps with their next observations, without the last state of each part.

    In the files, the last row of a trajectory is a state without an action that counts.
    """
    last = arrays["terminals"].astype(bool)
    lengths = {name: len(value) for name, value in arrays.items()}
    if len(set(lengths.values())) > 1 or not len(last) or not last[-1]:
        raise InputError("it does not end with the end of a trajectory: it is cut off")
    kept = ~last
    steps = {name: value[kept] for name, value in arrays.items()}
    steps[NEXT] = arrays["observations"][1:][kept[:-1]]
    steps["timeouts"] = last[1:][kept[:-1]]
    return steps


def label(
    env_id: str, env: gymnasium.Env, steps: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return steps with rewards and ends of the task, by the names of `AXES`."""
    from ogbench.relabel_utils import relabel_dataset

    env.reset(seed=0)
    relabel_dataset(env_id, env, steps)
    names = ("observations", "actions", "rewards", "timeouts", NEXT)
    found: dict[str, Any] = {name: steps[name].astype(np.float32) for name in names}
    return found | {"terminals": 1.0 - steps["masks"]}


def spaces_of(env: gymnasium.Env, env_id: str) -> Spaces:
    """Return the spaces of the task's dataset: float32, as OGBench's own loader."""
    box = env.observation_space
    observation = gymnasium.spaces.Box(-np.inf, np.inf, box.shape, np.float32)
    return Spaces(observation, env.action_space, env_id)
