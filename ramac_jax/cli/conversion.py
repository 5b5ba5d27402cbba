"""`ramac data convert`: a file of steps becomes a Minari dataset."""

import functools
import importlib.metadata
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import gymnasium
from gymnasium.envs.registration import EnvSpec
from rich.console import Console
from rich.table import Table

from ramac_jax.cli import console
from ramac_jax.cli.options.data import Convert
from ramac_jax.data.d4rl import (
    FAMILIES,
    family_spaces,
    read_d4rl,
    read_family,
    robot_spaces,
)
from ramac_jax.data.ogbench import name_task, read_ogbench
from ramac_jax.data.own_files import FileKeys, check_evaluable, read_own_file
from ramac_jax.data.relabel import versions
from ramac_jax.data.step_files import checksum
from ramac_jax.data.steps import Spaces, StepEpisodes
from ramac_jax.data.writing import check_target, write_dataset
from ramac_jax.envs.registration import make_environment
from ramac_jax.envs.spaces import flat_environment
from ramac_jax.errors import InputError
from ramac_jax.evaluation.simulators import find_spec
from ramac_jax.tasks import REFERENCE_RETURNS, VERSIONS

ROBOTS = {robot.lower(): robot for robot in REFERENCE_RETURNS}
D4RL_NAME = re.compile(rf"({'|'.join([*ROBOTS, *FAMILIES])})[_-](.+-v\d+)\.hdf5")
FAMILY_NAME = re.compile(rf"(?:mini_)?({'|'.join(FAMILIES)}|ant_maze)[_-].*\.hdf5")


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
    own = options.own
    fields = {name: getattr(own, name) for name in FileKeys._fields}
    keys = FileKeys(**fields)
    bounds: Any = (own.action_low, own.action_high)
    if own.env is None:
        read = read_own_file(options.file, keys, bounds, clip=options.clip_actions)
        env_spec = None
    else:
        env_spec = find_spec(own.env)
        env = flat_environment(make_environment(env_spec))
        bounds = env.action_space
        read = read_own_file(options.file, keys, bounds, clip=options.clip_actions)
        check_evaluable(env_spec, env, read.spaces)
        env.close()
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

    Raises `InputError` where neither the options nor the file's name say what it is.
    """
    if options.own.observations:
        if options.id is None:
            raise InputError("a file of your own needs a name for its data: give --id")
        return options.id, functools.partial(convert_own, options)
    if (task := name_task(options.file.name, options.ogbench_task)) is not None:
        read = functools.partial(convert_ogbench, options, task.env_id)
        return options.id or task.dataset_id, read
    robot, dataset_id = name_conversion(options)
    return dataset_id, functools.partial(convert_d4rl, options, robot)


def convert(options: Convert) -> None:
    """Read a file, warn of changes to its data and write the dataset."""
    if options.robot_version not in VERSIONS:
        raise InputError(f"--robot-version is {options.robot_version}: give 4 or 5")
    dataset_id, read = find_reader(options)
    check_target(dataset_id, overwrite=options.overwrite)
    made = read()
    warn_of_ends(made.data)
    write(options, dataset_id, made)
    episodes = made.data.episodes
    rewards = sum(float(x.rewards.sum(dtype=float)) for x in episodes)
    facts = {
        "episodes": f"{len(episodes)}",
        "steps": f"{made.data.steps}",
        "mean reward": f"{rewards / made.data.steps:.4g}",
    }
    print_table(dataset_id, facts)


def write(options: Convert, dataset_id: str, made: Conversion) -> None:
    """Write the dataset, with the record of its conversion."""
    data = made.data
    write_dataset(
        dataset_id,
        data.episodes,
        observation_space=made.spaces.observation,
        action_space=made.spaces.action,
        algorithm_name=made.algorithm_name,
        description=made.description,
        env_spec=made.env,
        reference=made.reference,
        record={
            "file": options.file.name,
            "sha256": checksum(options.file),
            "splits": data.splits,
            "dropped": data.dropped,
            "repeated": data.repeated,
            "clipped_steps": data.clipping.steps,
            "largest_excess": data.clipping.largest_excess,
            **made.record,
            "versions": versions(),
        },
        overwrite=options.overwrite,
    )


def warn_of_ends(data: StepEpisodes) -> None:
    """Warn of episode ends that are not, or not fully, in the file, and of clipping."""
    if data.splits:
        console.warn(
            f"{data.splits} episodes cut short, as truncated: the next observation is "
            f"not the next row's in {data.split_share:.1%} of the rows inside episodes"
        )
    if data.dropped:
        console.warn(
            f"{data.dropped} last steps of truncated episodes dropped: the file has no "
            "next_observations"
        )
    if data.repeated:
        console.warn(
            f"{data.repeated} terminated steps are followed by their own observation: "
            "the file has no next_observations"
        )
    if data.clipping.steps:
        console.note(data.clipping.describe(data.steps))


def print_table(dataset_id: str, facts: Mapping[str, str]) -> None:
    """Print one line for each fact of a dataset."""
    table = Table(show_header=False)
    table.add_column(overflow="fold")
    table.add_column(justify="right", overflow="fold")
    for row in [("dataset", dataset_id), *facts.items()]:
        table.add_row(*row)
    Console().print(table)
