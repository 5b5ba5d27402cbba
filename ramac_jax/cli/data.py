"""Make datasets: `ramac data convert` and `ramac data relabel`.

`convert` turns a file of steps into a Minari dataset. `relabel` writes a new Minari
dataset with the penalties of a hazard in the rewards. Both write to the folder
RAMAC_JAX_DATASETS_PATH, or else MINARI_DATASETS_PATH. Exit status 2: bad input, and
nothing was written.
"""

from collections.abc import Sequence

from ramac_jax.cli import console
from ramac_jax.cli.conversion import convert, print_table
from ramac_jax.cli.options.data import Convert, Relabel, parse
from ramac_jax.cli.runs.data import announce_downloads, report_clipping
from ramac_jax.data.local_datasets import is_local
from ramac_jax.data.penalties import Summary
from ramac_jax.data.relabel import relabel_dataset
from ramac_jax.data.sources import find_coordinate
from ramac_jax.errors import InputError
from ramac_jax.tasks import Hazard, find_task


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
    announce_downloads([x for x in options.source if not is_local(x)])
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


def execute(options: Convert | Relabel, argv: Sequence[str]) -> None:
    """Run one of the two commands."""
    if isinstance(options, Convert):
        convert(options)
    else:
        relabel(options)


def main(argv: Sequence[str]) -> None:
    """Run the command with these words."""
    execute(parse(argv), argv)
