"""The options of `ramac compare`, and the runs that they ask for."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import ramac_jax as rj
from ramac_jax.cli import folders
from ramac_jax.cli.agents import AGENTS, BANDIT_AGENTS, ROBOT_AGENTS
from ramac_jax.cli.bandit.settings import RISK_LEVEL
from ramac_jax.cli.options import bandit, train
from ramac_jax.cli.options.checks import check_options
from ramac_jax.cli.options.command import CommandOptions, parse_flat
from ramac_jax.cli.options.evaluation import ActingFlags
from ramac_jax.cli.options.presets import PRESETS
from ramac_jax.cli.options.sections import choices
from ramac_jax.errors import check_names
from ramac_jax.tasks import TASKS

BANDIT = "bandit"
LENGTHS = ("decay_steps", "risk_warmup", "risk_ramp")
"""Hyperparameters that scale with --num-steps."""
FILES = ("comparison.md", "comparison.json")
DESCRIPTION = """Train several agents on several tasks, and compare their returns, their
CVaRs and their rates of out-of-distribution actions. The same command resumes an
interrupted comparison; with more agents, it trains only these."""


@dataclasses.dataclass(frozen=True)
class Arguments(CommandOptions, ActingFlags):
    """The command line."""

    out: Path
    """Folder of the runs and the tables; a finished run in it is not trained again."""
    tasks: Annotated[tuple[str, ...], choices((BANDIT, *TASKS), "Tasks")]
    agents: Annotated[tuple[str, ...], choices(tuple(AGENTS), "Agents; all, or")] = ()
    num_seeds: int = 3
    """Seeds of each agent."""
    num_steps: int | None = None
    """Updates of each agent on a robot, after behaviour cloning; the warm-up, the ramp
    and the decay of the preset scale with them. None: those of the preset."""
    episodes: int = 100
    """Episodes per seed of the final evaluation."""
    level: float = RISK_LEVEL
    """Level of the reported CVaR."""
    workers: int = 0
    """Processes that step the simulators; for robots in batches, the most threads. 0:
    this process, with a thread for each core."""


class Plan(NamedTuple):
    """One agent to be trained on one task."""

    task: str
    agent: str
    options: train.TrainOptions
    argv: list[str]  # words of `ramac train`


def parse(argv: Sequence[str]) -> Arguments:
    """Read the command line; exits for `--help`, `InputError` where it is malformed."""
    return parse_flat(Arguments, argv, "ramac compare", DESCRIPTION)


def check_arguments(arguments: Arguments) -> None:
    """Raise `InputError` for options that no comparison can have; change no file."""
    for name in ("num_seeds", "num_steps", "episodes"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            option = name.replace("_", "-")
            raise rj.InputError(f"--{option} is {value}: give 1 or more")
    if not arguments.tasks:
        raise rj.InputError("--tasks names none: give at least one")
    check_names("task", arguments.tasks, (BANDIT, *TASKS))
    check_names("agent", arguments.agents, AGENTS)
    if not 0.0 < arguments.level <= 1.0:
        raise rj.InputError(
            f"--level is {arguments.level:g}: give one above 0 and at most 1"
        )
    if BANDIT in arguments.tasks and arguments.level != RISK_LEVEL:
        raise rj.InputError(
            f"--level is {arguments.level:g}: the bandit is scored at {RISK_LEVEL:g}, "
            "compare the robots without it"
        )
    if BANDIT in arguments.tasks and changed_flags(arguments):
        raise rj.InputError(
            f"--{next(iter(changed_flags(arguments))).replace('_', '-')} is for robots:"
            " the bandit's agents act as trained, compare the robots without it"
        )
    folders.check_writable(arguments.out)
    for name in FILES:
        if (arguments.out / name).is_dir():
            raise rj.InputError(
                f"{arguments.out / name} is a folder: give another --out"
            )


def make_plan(arguments: Arguments, task: str, agent: str) -> Plan:
    """Return the run of one agent on one task; `InputError` for invalid options."""
    preset = PRESETS[f"{task}/{agent}"]
    options: dict[str, Any] = {
        "task": task,
        "preset": agent,
        "num_seeds": arguments.num_seeds,
        "episodes": arguments.episodes,
        "eval_level": arguments.level,
        "eval_every": None,  # only the final evaluation counts
        "workers": arguments.workers,
        "out": arguments.out / task / agent,
    }
    if arguments.num_steps is not None:
        factor = arguments.num_steps / preset["num_steps"]
        options["num_steps"] = arguments.num_steps
        for name in LENGTHS:
            options[name] = float(round(factor * preset[name]))
    options |= changed_flags(arguments)
    argv = []
    for name, value in options.items():
        argv += [f"--{name.replace('_', '-')}", str(value)]
    parsed = train.parse(argv)
    try:
        check_options(parsed)
    except rj.InputError as error:
        raise rj.InputError(f"{agent} on {task}: {error}") from None
    return Plan(task=task, agent=agent, options=parsed, argv=argv)


def changed_flags(arguments: Arguments) -> dict[str, Any]:
    """Return the acting options that differ from those of training."""
    return {
        x.name: getattr(arguments, x.name)
        for x in dataclasses.fields(ActingFlags)
        if getattr(arguments, x.name) != x.default
    }


def make_plans(arguments: Arguments) -> list[Plan]:
    """Return the runs of every agent on every task of a robot."""
    names = dict.fromkeys(arguments.agents or ROBOT_AGENTS)
    return [
        make_plan(arguments, task, agent)
        for task in dict.fromkeys(arguments.tasks)
        for agent in names
        if task != BANDIT
    ]


def bandit_options(arguments: Arguments) -> bandit.Arguments | None:
    """Return the options of `ramac bandit` for its agents; None without the bandit."""
    if BANDIT not in arguments.tasks:
        return None
    names = [name for name in arguments.agents or AGENTS if name in BANDIT_AGENTS]
    if not names:
        raise rj.InputError("--agents names none of the bandit's: name one of those")
    return bandit.Arguments(
        out=arguments.out / BANDIT, agents=tuple(names), num_seeds=arguments.num_seeds
    )
