"""`ramac data convert`: a file of steps becomes a Minari dataset."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from ramac_jax.cli import console
from ramac_jax.cli.options.data import Convert
from ramac_jax.cli.runs.file_readers import Conversion, find_reader
from ramac_jax.data.relabel import versions
from ramac_jax.data.step_files import checksum
from ramac_jax.data.steps import StepEpisodes
from ramac_jax.data.writing import check_target, write_dataset
from ramac_jax.errors import InputError
from ramac_jax.tasks import VERSIONS


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
