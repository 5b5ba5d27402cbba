"""Train agents on the risky bandit: `ramac bandit --out DIR`.

The command writes the dataset, trains the agents, prints tables, and writes bandit.json
and the figures: bandit.png (every agent), cloning.png (the behaviour models),
dynamics.png (how RADAC and RAFMAC learn) and theory.png (the paper's bounds). The same
command resumes an interrupted run. Exit status 1: a seed diverged, or a bound is
broken; 2: bad input; 130, 138 or 143: a signal, after the run is saved.
"""

import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

import ramac_jax as rj
from ramac_jax.cli import folders, provenance
from ramac_jax.cli.bandit import measurements, scoring, theory
from ramac_jax.cli.bandit.panels import draw_all
from ramac_jax.cli.bandit.settings import Lengths
from ramac_jax.cli.bandit.training import Trainer
from ramac_jax.cli.options.bandit import (
    FIGURES,
    POPULATION,
    RECORD,
    SETTINGS,
    Arguments,
    check,
    lasting_options,
    parse,
)
from ramac_jax.cli.reporting import bandit_tables
from ramac_jax.cli.runs import folder as run_folder
from ramac_jax.cli.runs.stored import read_record
from ramac_jax.data.bandit import DATASET_ID, write_bandit_dataset
from ramac_jax.data.loading import load_datasets
from ramac_jax.envs import bandit
from ramac_jax.files import write_json
from ramac_jax.folders import lock_folder

DPI = 300


def make_dataset(arguments: Arguments) -> rj.Transition:
    """Write the dataset into --out, and read it."""
    root = folders.writable_folder(arguments.out / "minari").resolve()
    write_bandit_dataset(arguments.seed, root=root)
    return load_datasets([DATASET_ID], root=root).transitions


def is_finished(arguments: Arguments) -> bool:
    """Return whether --out holds a finished run with these agents and options.

    A finished run may have more agents and radii: they change no other agent. Raises
    `InputError` for a run without some of these agents or radii, or of other options.
    """
    path = arguments.out / RECORD
    if arguments.overwrite or not path.exists():
        return False
    record = read_record(path)
    held = {x["name"] for x in record.get("policies", ())}
    if missing := [name for name in arguments.names if name not in held]:
        raise rj.InputError(
            f"{path} holds no run of {', '.join(missing)}: remove the folder, or give "
            "another --out"
        )
    options = lasting_options(arguments)
    radii = record.get("options", {}).get("radii", ())
    if set(options["radii"]) <= set(radii):
        del options["radii"]
    del options["agents"]
    run_folder.check_options(path, options)
    return True


def run(arguments: Arguments) -> dict[str, Any]:
    """Train and score as the options say; return the contents of bandit.json."""
    out = folders.writable_folder(arguments.out)
    population = out / POPULATION
    with lock_folder(out):
        check(arguments)  # again, since no other process writes now
        if arguments.overwrite:
            shutil.rmtree(population, ignore_errors=True)
            (out / RECORD).unlink(missing_ok=True)
        folders.writable_folder(population)
        write_json(population / SETTINGS, lasting_options(arguments))
        trainer = Trainer(
            dataset=make_dataset(arguments),
            num_seeds=arguments.num_seeds,
            seed=arguments.seed,
            lengths=Lengths(
                cloning=arguments.bc_steps,
                critics=arguments.critic_steps,
                policies=arguments.risk_steps,
            ),
            folder=population,
            precision=arguments.precision,
        )
        record, figures = measure(arguments, trainer)
        write(arguments, record, figures)
        shutil.rmtree(population, ignore_errors=True)
    return record


def measure(
    arguments: Arguments, trainer: Trainer
) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Train every agent; return the scores and bounds, and the figures by file name."""
    dataset, seed = trainer.dataset, arguments.seed
    trained = {name: trainer.train(name) for name in arguments.names}
    actions = {
        name: measurements.draw_actions(each, scoring.NUM_SAMPLES, seed)
        for name, each in trained.items()
    }
    perturbed = measurements.draw_perturbed_actions(trainer, actions, arguments.radii)
    record = measurements.measure_scores(dataset, trained, actions, seed)
    record["theory"] = measurements.measure_bounds(actions, perturbed, seed)
    panels = {"data": (np.asarray(dataset.action), record["data"])}
    for policy in record["policies"]:
        name = policy["name"]
        panels[name] = (actions[name][0], policy["seeds"][0])
    return record, draw_all(trainer, trained, panels, record["theory"])


def write(
    arguments: Arguments, record: dict[str, Any], figures: Mapping[str, Any]
) -> None:
    """Write the figures and then bandit.json, once all figures are drawn; print."""
    out = arguments.out
    with tempfile.TemporaryDirectory(dir=out, prefix=".new-") as drafts:
        for name, figure in figures.items():
            figure.savefig(Path(drafts, name), dpi=DPI)
        for name in FIGURES:
            (out / name).unlink(missing_ok=True)
            if name in figures:
                Path(drafts, name).replace(out / name)
    record |= {
        "constants": bandit.CONSTANTS._asdict(),
        "options": lasting_options(arguments),
        **provenance.provenance(),
    }
    write_json(out / RECORD, record)
    output = Console(width=104)
    for table in (
        bandit_tables.score_table(record["data"], record["policies"]),
        bandit_tables.detector_table(record["detection"]),
        bandit_tables.bound_table(record["theory"]),
    ):
        output.print(table)
    written = [name for name in (RECORD, *FIGURES) if (out / name).exists()]
    Console().print(f"{out}: {', '.join(written)}", soft_wrap=True)


def complaints(record: Mapping[str, Any]) -> list[str]:
    """Name the agents that diverged and the bounds that are broken."""
    diverged = [
        f"{policy['name']}: {len(policy['diverged'])} of {len(policy['seeds'])} seeds "
        "diverged"
        for policy in record["policies"]
        if policy["diverged"]
    ]
    return diverged + [f"bound broken: {x}" for x in theory.broken(record["theory"])]


def describe_run(arguments: Arguments) -> str:
    """Return what a run would train and write, for --dry-run."""
    files = ", ".join(("minari", RECORD, *FIGURES))
    lines = [
        "dry run: nothing is trained or written",
        f"agents: {', '.join(arguments.names)}",
        f"training: {arguments.num_seeds} seeds from {arguments.seed}, "
        f"{arguments.bc_steps:,} updates of behaviour cloning, "
        f"{arguments.critic_steps:,} of the critics, {arguments.risk_steps:,} of each "
        f"policy, precision {arguments.precision}",
        f"output: {arguments.out}: {files}",
    ]
    if arguments.radii:
        radii = ", ".join(f"{x:g}" for x in arguments.radii)
        lines.insert(2, f"radii: {radii}")
    return "\n".join(lines)


def execute(arguments: Arguments, argv: Sequence[str]) -> None:
    """Run the command; exit with status 1 for anything in `complaints`."""
    check(arguments)
    if arguments.dry_run:
        print(describe_run(arguments))
    elif found := complaints(run(arguments)):
        print("\n".join(found), file=sys.stderr)
        sys.exit(1)


def main(argv: Sequence[str]) -> None:
    """Run the command with these words."""
    execute(parse(argv), argv)
