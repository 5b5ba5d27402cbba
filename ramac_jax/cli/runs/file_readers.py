"""Readers of `ramac data convert`: which file it is, and what becomes of it."""

import contextlib
import dataclasses
import functools
import importlib.metadata
import re
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import gymnasium
from gymnasium.envs.registration import EnvSpec

from ramac_jax.cli.options.data import Convert, OwnFile
from ramac_jax.data.d4rl import (
    FAMILIES,
    family_spaces,
    read_d4rl,
    read_family,
    robot_spaces,
)
from ramac_jax.data.ogbench import name_task, read_ogbench
from ramac_jax.data.own_files import (
    FileKeys,
    check_actions,
    check_observations,
    read_own_file,
)
from ramac_jax.data.steps import Spaces, StepEpisodes
from ramac_jax.envs.registration import make_environment
from ramac_jax.envs.spaces import flat_environment
from ramac_jax.errors import InputError
from ramac_jax.evaluation.simulators import find_spec
from ramac_jax.tasks import REFERENCE_RETURNS

ROBOTS = {robot.lower(): robot for robot in REFERENCE_RETURNS}
D4RL_NAME = re.compile(rf"({'|'.join([*ROBOTS, *FAMILIES])})[_-](.+-v\d+)\.hdf5")
FAMILY_NAME = re.compile(rf"(?:mini_)?({'|'.join(FAMILIES)}|ant_maze)[_-].*\.hdf5")
OF_ONE_READER = ("robot", "robot_version", "ogbench_task")
"""Options of `Convert` that not every reader reads; nor are those of `OwnFile`."""


class Conversion(NamedTuple):
    """What a file becomes."""

    data: StepEpisodes
    spaces: Spaces
    env: EnvSpec | None
    reference: tuple[float, float] | None
    algorithm_name: str
    description: str
    record: dict[str, Any] = {}
    """What else the metadata of the dataset say of the conversion."""


def name_conversion(options: Convert) -> tuple[str, str]:
    """Return the robot or family and the Minari id, from options or the file's name."""
    name = options.file.name.lower()
    robot, dataset_id = options.robot, options.id
    if (match := FAMILY_NAME.fullmatch(name)) is not None:
        robot = robot or match[1].replace("_", "")
    if (match := D4RL_NAME.fullmatch(name)) is not None:
        robot = robot or ROBOTS.get(match[1], match[1])
        rest = match[2].replace("_", "-").replace("+", "-")
        dataset_id = dataset_id or f"d4rl/{match[1]}/{rest}"
    if robot is None or dataset_id is None:
        missing = "--id" if robot is not None else "--robot and --id"
        raise InputError(
            f"{options.file.name} is not named as D4RL names its files, such as "
            f"hopper_medium_replay-v2.hdf5: give {missing}, or for a file of your own "
            "--observations and the keys of its other arrays"
        )
    return robot, dataset_id


def convert_d4rl(options: Convert, robot: str) -> Conversion:
    """Read a file of D4RL."""
    if robot in FAMILIES:
        return Conversion(
            data=read_family(options.file, robot, clip=options.clip_actions),
            spaces=family_spaces(FAMILIES[robot]),
            env=None,
            reference=FAMILIES[robot].reference,
            **described(options, robot),
        )
    return Conversion(
        data=read_d4rl(options.file, robot, clip=options.clip_actions),
        spaces=robot_spaces(robot),
        env=gymnasium.spec(f"{robot}-v{options.robot_version}"),
        reference=REFERENCE_RETURNS.get(robot),
        **described(options, robot),
    )


def described(options: Convert, robot: str) -> dict[str, Any]:
    """Return the words of the metadata about a file of D4RL."""
    return {
        "algorithm_name": "see D4RL",
        "description": f"D4RL's {options.file.name}, for {robot}, as Minari episodes.",
    }


def convert_ogbench(options: Convert, env_id: str) -> Conversion:
    """Read a file of OGBench."""
    read = read_ogbench(options.file, env_id, clip=options.clip_actions)
    return Conversion(
        data=read.converted,
        spaces=read.spaces,
        env=read.env,
        reference=None,
        algorithm_name="see OGBench",
        description=f"OGBench's {options.file.name} with the rewards of {env_id}.",
        record={"task": env_id, "ogbench": importlib.metadata.version("ogbench")},
    )


def convert_own(options: Convert) -> Conversion:
    """Read a file of the user's own."""
    own, clip = options.own, options.clip_actions
    keys = FileKeys(*(getattr(own, name) for name in FileKeys._fields))
    env_spec = None
    if own.env is None:
        bounds = (own.action_low, own.action_high)
        read = read_own_file(options.file, keys, bounds, clip=clip)
    else:
        env_spec = find_spec(own.env)
        with contextlib.closing(make_environment(env_spec)) as env:
            check_actions(env_spec, env.action_space)
            read = read_own_file(options.file, keys, env.action_space, clip=clip)
            space = flat_environment(env).observation_space
            check_observations(env_spec, space, read.spaces)
    return Conversion(
        data=read.converted,
        spaces=read.spaces,
        env=env_spec,
        reference=None,
        algorithm_name="unknown",
        description=f"The steps of {options.file.name} as Minari episodes.",
        record={"keys": keys._asdict()},
    )


def find_reader(options: Convert) -> tuple[str, Callable[[], Conversion]]:
    """Return the Minari id of a file's data, and the function that reads the file.

    Raises `InputError` where neither the options nor the file's name say what it is,
    and for options that its reader does not read.
    """
    if options.own.observations:
        if options.id is None:
            raise InputError("a file of your own needs a name for its data: give --id")
        names = {field.name for field in dataclasses.fields(OwnFile)}
        bounds = {"action_low", "action_high"} if options.own.env is not None else set()
        check_unread(options, "a file of your own", names - bounds)
        return options.id, functools.partial(convert_own, options)
    if (task := name_task(options.file.name, options.ogbench_task)) is not None:
        check_unread(options, "a file of OGBench", ["ogbench_task"])
        read = functools.partial(convert_ogbench, options, task.env_id)
        return options.id or task.dataset_id, read
    robot, dataset_id = name_conversion(options)
    versions = [] if robot in FAMILIES else ["robot_version"]
    check_unread(options, f"D4RL's data of {robot}", ["robot", *versions])
    return dataset_id, functools.partial(convert_d4rl, options, robot)


def check_unread(options: Convert, kind: str, read: Collection[str]) -> None:
    """Raise `InputError` for options that the reader of this kind does not read."""
    parts = (options, OF_ONE_READER), (options.own, vars(options.own))
    unread = [
        f"--{field.name.replace('_', '-')}"
        for part, names in parts
        for field in dataclasses.fields(part)
        if field.name in names
        and field.name not in read
        and getattr(part, field.name) != field.default
    ]
    if unread:
        raise InputError(
            f"{options.file.name} is read as {kind}, without {', '.join(unread)}: "
            "leave that out"
        )
