"""Learn the risky bandit with every agent: `ramac bandit --out DIR`.

Writes the dataset, trains, prints tables, and leaves bandit.json and the figures:
bandit.png (every agent), cloning.png (the behaviour models), dynamics.png (how RADAC
and RAFMAC learn) and theory.png (the paper's bounds). The same command goes on with a
run that was broken off. Exit status 1: a seed diverged, or a bound is broken; 2: bad
input; 130 or 143: a signal, heeded after saving.
"""

import dataclasses
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import tyro
from rich.console import Console

import ramac_jax as rj
from ramac_jax import population as populations
from ramac_jax.cli import folders, provenance
from ramac_jax.cli.bandit import scoring, theory
from ramac_jax.cli.bandit.agents import RECIPES
from ramac_jax.cli.bandit.measuring import (
    measure_theory,
    measure_worth,
    perturbed_actions,
)
from ramac_jax.cli.bandit.panels import draw_all
from ramac_jax.cli.bandit.training import (
    SEEDS_APART,
    STAGES,
    Lengths,
    Trainer,
    draw_actions,
)
from ramac_jax.cli.options.precision import DEFAULT
from ramac_jax.cli.options.train import choices
from ramac_jax.data.loading import load_datasets
from ramac_jax.envs import bandit
from ramac_jax.files import strict, write_json
from ramac_jax.registry import PRECISIONS
from ramac_jax.validation import check_names

DPI = 300
RECORD, SETTINGS, POPULATION = "bandit.json", "settings.json", "population"
FIGURES = ("bandit.png", "cloning.png", "dynamics.png", "theory.png")
ALL = "all"
FEW = ("bc-diffusion", "bc-flow", "diffusion-ql", "radac", "rafmac")


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    out: Path
    """Folder for the figures, bandit.json and the Minari dataset."""
    agents: Annotated[tuple[str, ...], choices((ALL, *RECIPES), "Agents")] = FEW
    num_seeds: int = 2
    """Agents of each name, trained side by side."""
    seed: int = 0
    """First seed of the agents, and the seed of the dataset."""
    bc_steps: int = 12_000
    """Updates of behaviour cloning, from which every policy starts."""
    critic_steps: int = 2_000
    """Updates of the critics before any policy seeks their value; CODAC and CQL make as
    many in all."""
    risk_steps: int = 400
    """Updates of a policy that seeks value."""
    radii: tuple[float, ...] = ()
    """Radii of the perturbed agents to train beside the usual one, for lemma 4.1."""
    precision: Annotated[
        str,
        choices(
            tuple(PRECISIONS),
            "What training computes with, as in ramac train; in bfloat16 "
            "diffusions, flows and quantile critics do, while VAEs, Gaussians, plain "
            "values, perturbations and students stay float32",
        ),
    ] = DEFAULT
    overwrite: bool = False
    """Replace the run that the folder already holds, finished or not."""

    @property
    def names(self) -> tuple[str, ...]:
        """The agents asked for, in the order of tables and panels."""
        return tuple(x for x in RECIPES if x in self.agents or ALL in self.agents)


def lasting_options(arguments: Arguments) -> dict[str, Any]:
    """The options that decide the figures, for JSON."""
    options = {
        k: v for k, v in vars(arguments).items() if k not in ("out", "overwrite")
    }
    return options | {"agents": list(arguments.names), "radii": list(arguments.radii)}


def check(arguments: Arguments) -> None:
    """Raise `InputError` for options that make no run; touches nothing."""
    out = arguments.out
    for name in (RECORD, *FIGURES):
        if (out / name).is_dir():
            raise rj.InputError(f"{out / name} is a folder: give another --out")
    check_names("agent", arguments.agents, (ALL, *RECIPES))
    if not arguments.names:
        raise rj.InputError("--agents names none: give at least one")
    check_names("precision", [arguments.precision], PRECISIONS)
    for name in ("num_seeds", "bc_steps", "critic_steps", "risk_steps"):
        if getattr(arguments, name) < 1:
            option, value = name.replace("_", "-"), getattr(arguments, name)
            raise rj.InputError(f"--{option} is {value}: give 1 or more")
    for radius in arguments.radii:
        if not 0.0 < radius <= 2.0:
            raise rj.InputError(f"--radii holds {radius:g}: give above 0 and at most 2")
    highest = 2**31 - len(STAGES) * SEEDS_APART - arguments.num_seeds
    if not 0 <= arguments.seed < highest:
        raise rj.InputError(f"--seed is {arguments.seed}: give one from 0 to about 2e9")
    folders.check_writable(out)
    if arguments.overwrite:
        return
    if (out / RECORD).exists():
        raise rj.InputError(
            f"{out} already holds a run ({RECORD}): give another --out, or --overwrite"
        )
    settings = strict(lasting_options(arguments))
    populations.check_settings(out / POPULATION / SETTINGS, settings)


def make_dataset(arguments: Arguments) -> rj.Transition:
    """Write the dataset into --out, and read it."""
    folder = folders.writable_folder(arguments.out / "minari").resolve()
    before = os.environ.get("MINARI_DATASETS_PATH")
    os.environ["MINARI_DATASETS_PATH"] = str(folder)
    try:
        bandit.write_dataset(arguments.seed)
        return load_datasets([bandit.DATASET_ID]).transitions
    finally:
        del os.environ["MINARI_DATASETS_PATH"]
        if before is not None:
            os.environ["MINARI_DATASETS_PATH"] = before


def run(arguments: Arguments) -> dict[str, Any]:
    """Do as the checked options say; what bandit.json then holds."""
    out = folders.writable_folder(arguments.out)
    population = out / POPULATION
    with populations.lock(out):
        check(arguments)  # again, now that nobody else is at work
        if arguments.overwrite:
            shutil.rmtree(population, ignore_errors=True)
            (out / RECORD).unlink(missing_ok=True)
        folders.writable_folder(population)
        write_json(population / SETTINGS, lasting_options(arguments))
        dataset = make_dataset(arguments)
        lengths = Lengths(
            arguments.bc_steps, arguments.critic_steps, arguments.risk_steps
        )
        trainer = Trainer(
            dataset,
            arguments.num_seeds,
            arguments.seed,
            lengths,
            population,
            arguments.precision,
        )
        learned = {name: trainer.train(name) for name in arguments.names}
        actions = {
            name: draw_actions(each, scoring.NUM_SAMPLES, arguments.seed)
            for name, each in learned.items()
        }
        perturbed = perturbed_actions(trainer, actions, arguments.radii)
        record = measure_worth(dataset, learned, actions, arguments.seed)
        record["theory"] = measure_theory(actions, perturbed, arguments.seed)
        panels = {"data": (np.asarray(dataset.action), record["data"])}
        for policy in record["policies"]:
            name = policy["name"]
            panels[name] = (actions[name][0], policy["seeds"][0])
        figures = draw_all(trainer, learned, panels, record["theory"])
        write(arguments, record, figures)
        shutil.rmtree(population, ignore_errors=True)
    return record


def write(
    arguments: Arguments, record: dict[str, Any], figures: Mapping[str, Any]
) -> None:
    """Write the figures and then bandit.json, once all of them are made; and print."""
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
        "versions": provenance.versions(),
        "git_commit": provenance.git_commit(),
        "device": jax.devices()[0].device_kind,
    }
    write_json(out / RECORD, record)
    output = Console(width=104)
    for table in (
        scoring.table(record["data"], record["policies"]),
        scoring.detection_table(record["detection"]),
        theory.table(record["theory"]),
    ):
        output.print(table)
    written = [name for name in (RECORD, *FIGURES) if (out / name).exists()]
    Console().print(f"{out}: {', '.join(written)}", soft_wrap=True)


def complaints(record: Mapping[str, Any]) -> list[str]:
    """What a run is to be mistrusted for: agents that diverged, bounds broken."""
    diverged = [
        f"{policy['name']}: {len(policy['diverged'])} of {len(policy['seeds'])} seeds "
        "diverged"
        for policy in record["policies"]
        if policy["diverged"]
    ]
    return diverged + [f"bound broken: {x}" for x in theory.broken(record["theory"])]


def parse(argv: Sequence[str]) -> Arguments:
    """Read the command line; exits where it is malformed."""
    return tyro.cli(
        Arguments,
        prog="ramac bandit",
        description="Learn the risky bandit by the agents that RAMAC compares; show "
        "what each of them chooses, and the paper's bounds beside it.",
        args=list(argv),
        config=(tyro.conf.FlagCreatePairsOff,),
    )


def execute(arguments: Arguments, argv: Sequence[str]) -> None:
    """Run the command; exits with status 1 where `complaints` has any."""
    check(arguments)
    if found := complaints(run(arguments)):
        print("\n".join(found), file=sys.stderr)
        sys.exit(1)


def main(argv: Sequence[str]) -> None:
    """Run the command with these words."""
    execute(parse(argv), argv)
