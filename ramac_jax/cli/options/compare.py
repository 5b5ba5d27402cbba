"""The options of `ramac compare`, and what they ask to be trained."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import ramac_jax as rj
from ramac_jax.cli import folders
from ramac_jax.cli.agents import AGENTS, BANDIT_AGENTS, ROBOT_AGENTS
from ramac_jax.cli.bandit.settings import RISK_LEVEL
from ramac_jax.cli.options import bandit
from ramac_jax.cli.options.checks import check_options
from ramac_jax.cli.options.presets import PRESETS
from ramac_jax.cli.options.train import Arguments as TrainArguments
from ramac_jax.cli.options.train import choices, parse
from ramac_jax.cli.reporting.comparison import BANDIT
from ramac_jax.cli.runs import folder as run_folder
from ramac_jax.tasks import TASKS
from ramac_jax.validation import check_names

LENGTHS = ("decay_steps", "risk_warmup", "risk_ramp")
"""What grows and shrinks with --num-steps."""
FILES = ("comparison.md", "comparison.json")


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    out: Path
    """Folder for everything; what is finished there is not trained again."""
    tasks: Annotated[tuple[str, ...], choices((BANDIT, *TASKS), "Tasks")]
    agents: Annotated[tuple[str, ...], choices(tuple(AGENTS), "Agents; all, or")] = ()
    num_seeds: int = 3
    """Seeds of each agent."""
    num_steps: int | None = None
    """Updates of each agent on a robot, after those of cloning; the preset's warm-up,
    ramp and decay shrink or grow with it. None: as many as its preset says."""
    episodes: int = 100
    """Episodes per seed of the evaluation at the end."""
    level: float = RISK_LEVEL
    """Level of the CVaR that is told."""
    workers: int = 0
    """Processes that step the simulators; 0: this one."""


class Plan(NamedTuple):
    """One agent on one task."""

    task: str
    agent: str
    options: TrainArguments
    argv: list[str]  # of ramac train


def check_arguments(arguments: Arguments) -> None:
    """Raise `InputError` for what no comparison is made of; touches nothing."""
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
    folders.check_writable(arguments.out)
    for name in FILES:
        if (arguments.out / name).is_dir():
            raise rj.InputError(
                f"{arguments.out / name} is a folder: give another --out"
            )


def make_plan(arguments: Arguments, task: str, agent: str) -> Plan:
    """How one agent is trained; `InputError` where it cannot be."""
    preset = PRESETS[f"{task}/{agent}"]
    options: dict[str, Any] = {
        "task": task,
        "preset": agent,
        "num_seeds": arguments.num_seeds,
        "episodes": arguments.episodes,
        "eval_level": arguments.level,
        "eval_every": None,  # scored at the end alone
        "workers": arguments.workers,
        "out": arguments.out / task / agent,
    }
    if arguments.num_steps is not None:
        factor = arguments.num_steps / preset["num_steps"]
        options["num_steps"] = arguments.num_steps
        for name in [x for x in LENGTHS if x in preset]:
            options[name] = float(round(factor * preset[name]))
    argv = []
    for name, value in options.items():
        argv += [f"--{name.replace('_', '-')}", str(value)]
    parsed: TrainArguments = parse(argv)
    check_options(parsed)
    if not run_folder.is_finished(parsed, run_folder.TRAIN):
        run_folder.check_folder(parsed, run_folder.TRAIN)
    return Plan(task, agent, parsed, argv)


def make_plans(arguments: Arguments) -> list[Plan]:
    """Every agent on every robot's task."""
    return [
        make_plan(arguments, task, agent)
        for task in dict.fromkeys(arguments.tasks)
        for agent in dict.fromkeys(arguments.agents or ROBOT_AGENTS)
        if task != BANDIT
    ]


def bandit_options(arguments: Arguments) -> bandit.Arguments:
    """How the bandit is learned, by those of the agents that it has.

    Raises `InputError` where it was, and otherwise or by other agents.
    """
    names = [name for name in arguments.agents or AGENTS if name in BANDIT_AGENTS]
    if not names:
        raise rj.InputError("--agents names none of the bandit's: name one of those")
    out = arguments.out / BANDIT
    options = bandit.Arguments(out, tuple(names), arguments.num_seeds)
    path = out / bandit.RECORD
    if not path.exists():
        bandit.check(options)
        return options
    record = run_folder.read_record_of(path)
    held = {x.get("name") for x in record.get("policies", ())}
    if missing := [name for name in names if name not in held]:
        raise rj.InputError(
            f"{path} knows nothing of {', '.join(missing)}: remove the folder, or give "
            "another --out"
        )
    asked = bandit.lasting_options(options)
    del asked["radii"], asked["agents"]  # who is beside them changes no agent
    run_folder.check_options(path, asked)
    return options
