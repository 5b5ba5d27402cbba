"""The options of `ramac bandit`."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import ramac_jax as rj
from ramac_jax.cli import folders
from ramac_jax.cli.agents import BANDIT_AGENTS
from ramac_jax.cli.bandit.settings import PHASES, SEEDS_APART
from ramac_jax.cli.options.agent import DEFAULT_PRECISION
from ramac_jax.cli.options.command import NO_SETTINGS, CommandOptions, parse_flat
from ramac_jax.cli.options.sections import choices
from ramac_jax.errors import check_names
from ramac_jax.files import strict
from ramac_jax.folders import check_settings
from ramac_jax.registry import PRECISIONS

RECORD, SETTINGS, POPULATION = "bandit.json", "settings.json", "population"
FIGURES = ("bandit.png", "cloning.png", "dynamics.png", "theory.png")
ALL = "all"
DEFAULT_AGENTS = ("bc-diffusion", "bc-flow", "diffusion-ql", "radac", "rafmac")

DESCRIPTION = """Train the agents of the RAMAC paper on the risky bandit, draw
the actions of each agent, and check the paper's bounds."""


@dataclasses.dataclass(frozen=True)
class Arguments(CommandOptions):
    """The command line."""

    out: Path
    """Folder for the figures, bandit.json and the Minari dataset."""
    agents: Annotated[tuple[str, ...], choices((ALL, *BANDIT_AGENTS), "Agents")] = (
        DEFAULT_AGENTS
    )
    num_seeds: int = 2
    """Seeds of each agent, trained together."""
    seed: int = 0
    """First seed of the agents, and the seed of the dataset."""
    bc_steps: int = 12_000
    """Updates of behaviour cloning, from which every policy starts."""
    critic_steps: int = 2_000
    """Updates of the critics before any policy uses their values, and all updates of
    CODAC and CQL."""
    risk_steps: int = 400
    """Updates of a policy with the critics' values."""
    radii: tuple[float, ...] = ()
    """Further radii of the perturbed agents, each trained, for lemma 4.1."""
    precision: Annotated[
        str,
        choices(
            tuple(PRECISIONS),
            "Precision of training. With bfloat16, diffusions, flows and quantile "
            "critics compute in bfloat16, and all other networks in float32",
        ),
    ] = DEFAULT_PRECISION
    overwrite: bool = False
    """Replace the run that the folder holds, finished or not."""

    @property
    def names(self) -> tuple[str, ...]:
        """The agents to train, in the order of tables and figures."""
        return tuple(x for x in BANDIT_AGENTS if x in self.agents or ALL in self.agents)


def parse(argv: Sequence[str]) -> Arguments:
    """Read the command line; exits for `--help`, `InputError` where it is malformed."""
    return parse_flat(Arguments, argv, "ramac bandit", DESCRIPTION)


def lasting_options(arguments: Arguments) -> dict[str, Any]:
    """Return the options that decide the results, for JSON."""
    left_out = {"out", "overwrite", *NO_SETTINGS}
    options = {k: v for k, v in vars(arguments).items() if k not in left_out}
    return options | {"agents": list(arguments.names), "radii": list(arguments.radii)}


def check(arguments: Arguments) -> None:
    """Raise `InputError` for options that no run can have; change no file."""
    check_numbers(arguments)
    out = arguments.out
    for name in (RECORD, *FIGURES):
        if (out / name).is_dir():
            raise rj.InputError(f"{out / name} is a folder: give another --out")
    folders.check_writable(out)
    if arguments.overwrite:
        return
    if (out / RECORD).exists():
        raise rj.InputError(
            f"{out} already holds a run ({RECORD}): give another --out, or --overwrite"
        )
    settings = strict(lasting_options(arguments))
    check_settings(out / POPULATION / SETTINGS, settings)


def check_numbers(arguments: Arguments) -> None:
    """Raise `InputError` for unknown names and for numbers out of their range."""
    check_names("agent", arguments.agents, (ALL, *BANDIT_AGENTS))
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
    highest = 2**31 - len(PHASES) * SEEDS_APART - arguments.num_seeds
    if not 0 <= arguments.seed < highest:
        raise rj.InputError(f"--seed is {arguments.seed}: give one from 0 to about 2e9")
