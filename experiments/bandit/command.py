"""Learn the risky bandit with every agent: `python -m experiments.bandit --out DIR`.

Writes the dataset, trains, prints a table, and leaves bandit.json and the figures:
bandit.png (every agent), cloning.png (the behaviour models), dynamics.png (how RADAC
and RAFMAC learn) and theory.png (the paper's bounds). The same command goes on with a
run that was broken off. Exit status 1: a bound is broken; 2: bad input.
"""

import dataclasses
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import tyro
from rich.console import Console

import ramac_jax as rj
from experiments import console
from experiments.bandit import scoring, theory
from experiments.bandit.agents import RADIUS, RECIPES
from experiments.bandit.figures import draw_all
from experiments.bandit.learning import (
    APART,
    DYNAMIC,
    STAGES,
    Lengths,
    School,
    draw_actions,
)
from experiments.options import choices
from ramac_jax.tasks import bandit
from ramac_jax.tasks.datasets import load_datasets
from ramac_jax.validation import check_names

DPI = 300
RECORD = "bandit.json"
FIGURES = ("bandit.png", "cloning.png", "dynamics.png", "theory.png")
UNIFORM = "uniform"  # anchors of the data, moved at random
CHANGES_NOTHING = ("out",)
ALL = "all"
FEW = ("bc-diffusion", "bc-flow", "diffusion-ql", "radac", "rafmac")
RANDOM_RADII = (0.05, 0.1, 0.25, 0.5, 1.0)  # of anchors moved at random


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
    """Updates of the critics before any policy listens to them; CODAC and CQL make as
    many in all."""
    risk_steps: int = 400
    """Updates of a policy that listens to them."""
    radii: tuple[float, ...] = ()
    """Radii of the perturbed agents to train beside the usual one, for lemma 4.1."""

    @property
    def names(self) -> tuple[str, ...]:
        """The agents asked for, in the order of tables and panels."""
        return tuple(x for x in RECIPES if x in self.agents or ALL in self.agents)


def check(arguments: Arguments) -> None:
    """Raise `InputError` for options that make no run; touches nothing."""
    for name in (RECORD, *FIGURES):
        if (arguments.out / name).is_dir():
            raise rj.InputError(
                f"{arguments.out / name} is a folder: give another --out"
            )
    check_names("agent", arguments.agents, (ALL, *RECIPES))
    if not arguments.names:
        raise rj.InputError("--agents names none: give at least one")
    for name in ("num_seeds", "bc_steps", "critic_steps", "risk_steps"):
        if getattr(arguments, name) < 1:
            option, value = name.replace("_", "-"), getattr(arguments, name)
            raise rj.InputError(f"--{option} is {value}: give 1 or more")
    for radius in arguments.radii:
        if not 0.0 < radius <= 2.0:
            raise rj.InputError(f"--radii holds {radius:g}: give above 0 and at most 2")
    highest = 2**31 - len(STAGES) * APART - arguments.num_seeds
    if not 0 <= arguments.seed < highest:
        raise rj.InputError(f"--seed is {arguments.seed}: give one from 0 to about 2e9")
    console.check_writable(arguments.out)


def lasting_options(arguments: Arguments) -> dict[str, Any]:
    """The options that decide the figures, for JSON."""
    options = {k: v for k, v in vars(arguments).items() if k not in CHANGES_NOTHING}
    return options | {"agents": list(arguments.names), "radii": list(arguments.radii)}


def make_dataset(arguments: Arguments) -> rj.Transition:
    """Write the dataset into --out, and read it."""
    folder = console.writable_folder(arguments.out / "minari").resolve()
    before = os.environ.get("MINARI_DATASETS_PATH")
    os.environ["MINARI_DATASETS_PATH"] = str(folder)
    try:
        bandit.write_dataset(arguments.seed)
        return load_datasets([bandit.DATASET_ID]).transitions
    finally:
        del os.environ["MINARI_DATASETS_PATH"]
        if before is not None:
            os.environ["MINARI_DATASETS_PATH"] = before


def check_theory(
    arguments: Arguments, school: School, actions: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Every bound of the paper, for every policy and radius."""
    radii = sorted({RADIUS, *arguments.radii})
    leakage = {
        UNIFORM: [
            theory.uniform_leakage(radius, arguments.seed)
            for radius in sorted({*radii, *RANDOM_RADII})
        ]
    }
    for name in [x for x in actions if RECIPES[x].part == "prior"]:
        leakage[name] = []
        for radius in radii:
            drawn = actions[name]
            if radius != RADIUS:
                learned = school.learn(name, radius)
                drawn = draw_actions(learned, scoring.NUM_SAMPLES, arguments.seed)
            leakage[name].append(theory.check_leakage(drawn.reshape(-1, 2), radius))
    return {
        "policies": {
            k: [theory.check_policy(x) for x in v] for k, v in actions.items()
        },
        "leakage": leakage,
    }


def run(arguments: Arguments) -> dict[str, Any]:
    """Do as the checked options say; what bandit.json then holds."""
    out = console.writable_folder(arguments.out)
    dataset = make_dataset(arguments)
    lengths = Lengths(arguments.bc_steps, arguments.critic_steps, arguments.risk_steps)
    school = School(
        dataset,
        arguments.num_seeds,
        arguments.seed,
        lengths,
        out / "population",
        frozenset(DYNAMIC) & frozenset(arguments.names),
    )
    learned = {name: school.learn(name) for name in arguments.names}
    actions = {
        name: draw_actions(each, scoring.NUM_SAMPLES, arguments.seed)
        for name, each in learned.items()
    }
    judge = scoring.bandit_judge(dataset)
    rng = np.random.default_rng([arguments.seed, 1])  # not the stream of the dataset
    recorded = np.asarray(dataset.action)
    data = scoring.score(recorded, np.asarray(dataset.reward))
    panels = {"data": (recorded, data)}
    policies = []
    for name, drawn in actions.items():
        seeds = scoring.score_seeds(drawn, rng, judge)
        policies.append({"name": name, "seeds": seeds})
        panels[name] = (drawn[0], seeds[0])
    bounds = check_theory(arguments, school, actions)
    figures = draw_all(school, learned, panels, bounds)
    for name in FIGURES:
        (out / name).unlink(missing_ok=True)
    for name, figure in figures.items():
        figure.savefig(out / name, dpi=DPI)
    record = {
        "policies": policies,
        "data": data,
        "detection": scoring.detection(judge, arguments.seed),
        "theory": bounds,
        "constants": bandit.CONSTANTS._asdict(),
        "options": lasting_options(arguments),
        "versions": console.versions(),
        "git_commit": console.git_commit(),
        "device": jax.devices()[0].device_kind,
    }
    console.write_json(out / RECORD, record)
    shutil.rmtree(out / "population", ignore_errors=True)
    output = Console(width=104)
    for table in (
        scoring.table(data, policies),
        scoring.detection_table(record["detection"]),
        theory.table(bounds),
    ):
        output.print(table)
    written = [name for name in (RECORD, *FIGURES) if (out / name).exists()]
    Console().print(f"{out}: {', '.join(written)}", soft_wrap=True)
    return record


def main(argv: Sequence[str]) -> None:
    """Run the command; exits with status 1 where a measurement breaks a bound."""
    arguments = tyro.cli(
        Arguments,
        prog="python -m experiments.bandit",
        description="Learn the risky bandit by every agent that RAMAC compares; show "
        "what each of them chooses, and the paper's bounds beside it.",
        args=list(argv),
    )
    check(arguments)
    if broken := theory.broken(run(arguments)["theory"]):
        print(f"a bound is broken: {'; '.join(broken)}", file=sys.stderr)
        sys.exit(1)
