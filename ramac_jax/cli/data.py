"""Make datasets: `ramac data convert` and `ramac data relabel`.

`convert` turns a D4RL HDF5 file into a Minari dataset. `relabel` writes a new Minari
dataset with the penalties of a hazard in the rewards. Both write to the folder
MINARI_DATASETS_PATH. Exit status 2: bad input, and nothing was written.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
from rich.console import Console
from rich.table import Table

from ramac_jax.cli import console
from ramac_jax.cli.options.data import Convert, Relabel, parse
from ramac_jax.cli.runs.data import report_clipping
from ramac_jax.data.d4rl import D4RLEpisodes, read_d4rl, robot_spaces
from ramac_jax.data.penalties import Summary
from ramac_jax.data.relabel import relabel_dataset, versions
from ramac_jax.data.sources import find_coordinate
from ramac_jax.data.writing import check_target, write_dataset
from ramac_jax.errors import InputError
from ramac_jax.tasks import REFERENCE_RETURNS, VERSIONS, Hazard, find_task

ROBOTS = {robot.lower(): robot for robot in REFERENCE_RETURNS}
D4RL_NAME = re.compile(rf"({'|'.join(ROBOTS)})[_-](.+-v\d+)\.hdf5")


def name_conversion(options: Convert) -> tuple[str, str]:
    """Return the robot and the Minari id, from the options or the file's name."""
    match = D4RL_NAME.fullmatch(options.file.name.lower())
    robot, dataset_id = options.robot, options.id
    if match is not None:
        name = match[2].replace("_", "-")
        robot = robot or ROBOTS[match[1]]
        dataset_id = dataset_id or f"d4rl/{match[1]}/{name}"
    if robot is None or dataset_id is None:
        raise InputError(
            f"{options.file.name} is not named as D4RL names its files, such as "
            "hopper_medium_replay-v2.hdf5: give --robot and --id"
        )
    return robot, dataset_id


def convert(options: Convert) -> None:
    """Read a file, warn of changes to its data and write the dataset."""
    robot, dataset_id = name_conversion(options)
    if options.robot_version not in VERSIONS:
        raise InputError(f"--robot-version is {options.robot_version}: give 4 or 5")
    check_target(dataset_id, overwrite=options.overwrite)
    data = read_d4rl(options.file, robot)
    warn_of_ends(data)
    observation_space, action_space = robot_spaces(robot)
    write_dataset(
        dataset_id,
        data.episodes,
        observation_space=observation_space,
        action_space=action_space,
        algorithm_name="see D4RL",
        description=f"D4RL's {options.file.name}, for {robot}, as Minari episodes.",
        env_spec=gymnasium.spec(f"{robot}-v{options.robot_version}"),
        reference=REFERENCE_RETURNS.get(robot),
        record=conversion_record(options, data),
        overwrite=options.overwrite,
    )
    rewards = sum(float(x.rewards.sum(dtype=float)) for x in data.episodes)
    facts = {
        "episodes": f"{len(data.episodes)}",
        "steps": f"{data.steps}",
        "mean reward": f"{rewards / data.steps:.4g}",
    }
    print_table(dataset_id, facts)


def conversion_record(options: Convert, data: D4RLEpisodes) -> dict[str, Any]:
    """Return how a dataset was converted, for its metadata."""
    return {
        "file": options.file.name,
        "sha256": data.sha256,
        "splits": data.splits,
        "dropped": data.dropped,
        "repeated": data.repeated,
        "versions": versions(),
    }


def warn_of_ends(data: D4RLEpisodes) -> None:
    """Warn of episode ends that are not, or not fully, in the file."""
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


def build_hazard(options: Relabel) -> Hazard:
    """Return the task's hazard with the fields of the options in place of its own.

    Where the quantity is given without its coordinate, the robot of the sources
    determines the coordinate.
    """
    given = {k: v for k, v in vars(options.hazard).items() if v is not None}
    if options.task is None:
        optional = {*given, *Hazard._field_defaults, "coordinate"}
        missing = [f"--{name}" for name in Hazard._fields if name not in optional]
        if missing:
            raise InputError(f"without a --task, give {', '.join(missing)} as well")
    elif options.robot is not None:
        raise InputError("--task determines --robot: leave one of them out")
    if "quantity" in given and "coordinate" not in given:
        given["coordinate"] = find_coordinate(options.source, given["quantity"])
    if options.task is None:
        return Hazard(**given)
    return find_task(options.task).hazard._replace(**given)


def name_target(options: Relabel, hazard: Hazard) -> str:
    """Return the Minari id to write; `InputError` where your own hazard has none."""
    if options.id is not None:
        return options.id
    task = find_task(options.task) if options.task is not None else None
    if task is None or task.hazard != hazard:
        raise InputError("a hazard of your own needs a name for its data: give --id")
    return task.dataset_id


def relabel(options: Relabel) -> None:
    """Write the new dataset, print what it holds and warn of a useless hazard."""
    hazard = build_hazard(options)
    made = relabel_dataset(
        options.source,
        name_target(options, hazard),
        hazard,
        options.seed,
        task=options.task,
        robot=options.robot,
        robot_version=options.robot_version,
        clip_actions=options.clip_actions,
        overwrite=options.overwrite,
    )
    if made.warning is not None:
        console.warn(made.warning)
    report_clipping(made.sources)
    print_table(made.id, summary_facts(made.summary))


def summary_facts(summary: Summary) -> dict[str, str]:
    """Return the rows of the table about a relabelled dataset."""
    facts = {
        "episodes": f"{summary.episodes}",
        "steps": f"{summary.steps}",
        "risky": f"{summary.risky_share:.2%}",
        "charged": f"{summary.charged_share:.2%}",
        "mean reward before": f"{summary.reward_before:.4g}",
        "mean reward after": f"{summary.reward_after:.4g}",
    }
    if summary.ended:
        facts["episodes ended"] = f"{summary.ended}"
        facts["steps dropped"] = f"{summary.dropped}"
    return facts


def print_table(dataset_id: str, facts: Mapping[str, str]) -> None:
    """Print one line for each fact of a dataset."""
    table = Table(show_header=False)
    table.add_column(overflow="fold")
    table.add_column(justify="right", overflow="fold")
    for row in [("dataset", dataset_id), *facts.items()]:
        table.add_row(*row)
    Console().print(table)


def execute(options: Convert | Relabel, argv: Sequence[str]) -> None:
    """Run one of the two commands."""
    if isinstance(options, Convert):
        convert(options)
    else:
        relabel(options)


def main(argv: Sequence[str]) -> None:
    """Run the command with these words."""
    execute(parse(argv), argv)
