"""Make datasets: `ramac data convert` and `... relabel`.

`convert` turns a D4RL HDF5 file into a Minari dataset; `relabel` charges the rewards of
Minari datasets with a hazard, into a new one. Both write where MINARI_DATASETS_PATH
says. Exit status 2: bad input, and nothing was written.
"""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import gymnasium
import tyro
from rich.console import Console
from rich.table import Table

import ramac_jax as rj
from ramac_jax.cli import console
from ramac_jax.data import relabel as relabelling
from ramac_jax.data.d4rl import D4RLEpisodes, read_d4rl, robot_spaces
from ramac_jax.data.sources import find_coordinate
from ramac_jax.data.writing import check_target, write_dataset
from ramac_jax.tasks import REFERENCE_RETURNS, VERSIONS, Hazard, find_task

ROBOTS = {robot.lower(): robot for robot in REFERENCE_RETURNS}
D4RL_NAME = re.compile(rf"({'|'.join(ROBOTS)})[_-](.+-v\d+)\.hdf5")


@dataclasses.dataclass(frozen=True)
class Convert:
    """Turn a D4RL HDF5 file into a Minari dataset."""

    file: tyro.conf.Positional[Path]
    """The file, such as hopper_medium_replay-v2.hdf5."""
    robot: str | None = None
    """HalfCheetah, Hopper or Walker2d; None: told by the file's name."""
    id: str | None = None
    """Minari id to write; None: d4rl/hopper/medium-replay-v2 for the file above."""
    robot_version: int = 4
    """Gymnasium's robot to evaluate on; 4 moves as D4RL's did, 5 is mended."""
    overwrite: bool = False
    """Replace the dataset of that id."""


@dataclasses.dataclass(frozen=True)
class Relabel:
    """Charge the rewards of Minari datasets with a hazard."""

    source: tyro.conf.UseAppendAction[tuple[str, ...]]
    """Minari id, local or to be downloaded; give the option again to join datasets."""
    task: str | None = None
    """Whose hazard it is; the options of the hazard override it."""
    id: str | None = None
    """Minari id to write; None: stochastic/ROBOT/REST-v0 of the task ROBOT-REST."""
    seed: int = 0
    """Of the draws, one for each step."""
    overwrite: bool = False
    """Replace the dataset of that id."""
    robot_version: int | None = None
    """Of the robot to evaluate on; None: that of the sources."""
    robot: str | None = None
    """What the sources must be of, without a task; None: any robot."""
    quantity: str | None = None
    """What the hazard watches: "x velocity" (m/s) or "torso angle" (rad)."""
    coordinate: int | None = None
    """The coordinate of the observation that holds it; None: told by the robot."""
    low: float | None = None
    """A state below is risky."""
    high: float | None = None
    """A state above is risky."""
    probability: float | None = None
    """That a step into a risky state is charged."""
    penalty: float | None = None
    """Added to the reward of a charged step; negative."""
    end_low: float | None = None
    """An episode ends below; -inf: nowhere."""
    end_high: float | None = None
    """An episode ends above; inf: nowhere."""


def parse(argv: Sequence[str]) -> Convert | Relabel:
    """Read the command line; exits where it is malformed."""
    return tyro.cli(
        Annotated[Convert, tyro.conf.subcommand("convert")]
        | Annotated[Relabel, tyro.conf.subcommand("relabel")],
        prog="ramac data",
        description="Make datasets, where MINARI_DATASETS_PATH says.",
        args=list(argv),
        config=(tyro.conf.FlagCreatePairsOff,),
    )


def name_conversion(arguments: Convert) -> tuple[str, str]:
    """The robot and the Minari id of a conversion, from options or the file's name."""
    match = D4RL_NAME.fullmatch(arguments.file.name.lower())
    robot, dataset_id = arguments.robot, arguments.id
    if match is None and (robot is None or dataset_id is None):
        raise rj.InputError(
            f"{arguments.file.name} is not named as D4RL names its files, such as "
            "hopper_medium_replay-v2.hdf5: give --robot and --id"
        )
    if match is not None:
        name = match[2].replace("_", "-")
        robot = robot or ROBOTS[match[1]]
        dataset_id = dataset_id or f"d4rl/{match[1]}/{name}"
    assert robot is not None and dataset_id is not None
    return robot, dataset_id


def convert(arguments: Convert) -> None:
    """Read, warn of what had to be done to the data, write."""
    robot, dataset_id = name_conversion(arguments)
    if arguments.robot_version not in VERSIONS:
        raise rj.InputError(
            f"--robot-version is {arguments.robot_version}: give 4 or 5"
        )
    check_target(dataset_id, overwrite=arguments.overwrite)
    data = read_d4rl(arguments.file, robot)
    warn_of_ends(data)
    observation_space, action_space = robot_spaces(robot)
    write_dataset(
        dataset_id,
        data.episodes,
        observation_space=observation_space,
        action_space=action_space,
        algorithm_name="see D4RL",
        description=f"D4RL's {arguments.file.name}, for {robot}, as Minari episodes.",
        env_spec=gymnasium.spec(f"{robot}-v{arguments.robot_version}"),
        reference=REFERENCE_RETURNS.get(robot),
        record={
            "file": arguments.file.name,
            "sha256": data.sha256,
            "splits": data.splits,
            "dropped": data.dropped,
            "repeated": data.repeated,
            "versions": relabelling.versions(),
        },
        overwrite=arguments.overwrite,
    )
    rewards = sum(float(x.rewards.sum(dtype=float)) for x in data.episodes)
    print_table(
        dataset_id,
        {
            "episodes": f"{len(data.episodes)}",
            "steps": f"{data.steps}",
            "mean reward": f"{rewards / data.steps:.4g}",
        },
    )


def warn_of_ends(data: D4RLEpisodes) -> None:
    """Warn of ends that the file does not tell, or not wholly."""
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


def build_hazard(arguments: Relabel) -> tuple[Hazard, bool]:
    """The hazard that the options describe, and whether it is the task's own.

    Where the quantity is given and its coordinate is not, the robot of the sources
    tells it.
    """
    given = {
        name: getattr(arguments, name)
        for name in Hazard._fields
        if getattr(arguments, name) is not None
    }
    own = None
    if arguments.task is not None:
        if arguments.robot is not None:
            raise rj.InputError("--robot is told by --task: leave one of them out")
        own = find_task(arguments.task).hazard
    else:
        told = {*given, *Hazard._field_defaults, "coordinate"}
        missing = [f"--{name}" for name in Hazard._fields if name not in told]
        if missing:
            raise rj.InputError(f"without a --task, give {', '.join(missing)} as well")
    if "quantity" in given and "coordinate" not in given:
        given["coordinate"] = find_coordinate(arguments.source, given["quantity"])
    hazard = Hazard(**given) if own is None else own._replace(**given)
    return hazard, hazard == own


def relabel(arguments: Relabel) -> None:
    """Charge the rewards, warn where that made no difference, print what came of it."""
    hazard, own = build_hazard(arguments)
    dataset_id = arguments.id
    if own and dataset_id is None:
        dataset_id = find_task(str(arguments.task)).dataset_id
    if dataset_id is None:
        raise rj.InputError("a hazard of your own needs a name for its data: give --id")
    made = relabelling.relabel_dataset(
        arguments.source,
        dataset_id,
        hazard,
        arguments.seed,
        task=arguments.task,
        robot=arguments.robot,
        robot_version=arguments.robot_version,
        overwrite=arguments.overwrite,
    )
    if made.warning is not None:
        console.warn(made.warning)
    summary = made.summary
    rows = {
        "episodes": f"{summary.episodes}",
        "steps": f"{summary.steps}",
        "risky": f"{summary.risky_share:.2%}",
        "charged": f"{summary.charged_share:.2%}",
        "mean reward before": f"{summary.reward_before:.4g}",
        "mean reward after": f"{summary.reward_after:.4g}",
    }
    if summary.ended:
        rows["episodes ended"] = f"{summary.ended}"
        rows["steps dropped"] = f"{summary.dropped}"
    print_table(made.id, rows)


def print_table(dataset_id: str, facts: dict[str, str]) -> None:
    """Print one line for each fact of a dataset."""
    table = Table(show_header=False)
    table.add_column(overflow="fold")
    table.add_column(justify="right", overflow="fold")
    for row in [("dataset", dataset_id), *facts.items()]:
        table.add_row(*row)
    Console().print(table)


def execute(arguments: Convert | Relabel, argv: Sequence[str]) -> None:
    """Run one of the two commands."""
    if isinstance(arguments, Convert):
        convert(arguments)
    else:
        relabel(arguments)


def main(argv: Sequence[str]) -> None:
    """Run the command with these words."""
    execute(parse(argv), argv)
