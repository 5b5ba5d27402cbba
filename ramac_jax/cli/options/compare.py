"""The options of `ramac compare`, and the runs that they ask for."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import ramac_jax as rj
from ramac_jax.cli import folders
from ramac_jax.cli.agents import AGENTS, BANDIT_AGENTS, ROBOT_AGENTS
from ramac_jax.cli.bandit.settings import RISK_LEVEL
from ramac_jax.cli.options import bandit, train
from ramac_jax.cli.options.checks import check_options
from ramac_jax.cli.options.command import CommandOptions, parse_flat
from ramac_jax.cli.options.evaluation import ActingFlags, CandidateFlags
from ramac_jax.cli.options.presets import PRESETS
from ramac_jax.cli.options.sections import choices
from ramac_jax.errors import check_names
from ramac_jax.tasks import TASKS

BANDIT = "bandit"
LENGTHS = ("decay_steps", "risk_warmup", "risk_ramp")
"""Hyperparameters that scale with --num-steps."""
PAGE, LATEX, RECORD = "comparison.md", "comparison.tex", "comparison.json"
SCORES, PROFILES = "scores.csv", "profiles.png"  # of seeds; not for the bandit alone
FILES = (PAGE, LATEX, RECORD, SCORES, PROFILES)
PLACES = ("out", "tasks", "agents", "join", "workers")
"""Options that change no number of an agent's row."""
FIRST_TUNING_SEED = 1_000
"""First seed of the agents that tune; those that are reported have lower seeds."""
DESCRIPTION = """Train several agents on several tasks, and compare their returns, their
CVaRs and their rates of out-of-distribution actions. The same command resumes an
interrupted comparison; with more agents, it trains only these."""


@dataclasses.dataclass(frozen=True)
class Arguments(CommandOptions, CandidateFlags):
    """The command line."""

    out: Path
    """Folder of the runs and the tables; a finished run in it is not trained again."""
    tasks: Annotated[tuple[str, ...], choices((BANDIT, *TASKS), "Tasks")]
    agents: Annotated[tuple[str, ...], choices(tuple(AGENTS), "Agents; all, or")] = ()
    join: tuple[Path, ...] = ()
    """Folders of other comparisons with the same options, copied from other computers
    for example. Agents that are scored there on a robot are not trained here; their
    rows go into the tables. Without --tune-factors, tasks that are joined as a whole
    may have factors of their own."""
    num_seeds: int = 3
    """Seeds of each agent."""
    num_steps: int | None = None
    """Updates of each agent on a robot, after behaviour cloning; the warm-up, the ramp
    and the decay of the preset scale with them. None: those of the preset."""
    bc_steps: int | None = None
    """Updates of behaviour cloning of each agent on a robot, before those; an agent
    whose preset has none does without. None: those of the preset."""
    risk_level: float | None = None
    """Level at which agents on a robot that seek a tail learn; None: their presets'."""
    episodes: int = 100
    """Episodes per seed of the final evaluation."""
    level: float = RISK_LEVEL
    """Level of the reported CVaR."""
    acting_temperature: float | None = None
    """Factor on the noise of the sampler in evaluations; 0: deterministic, 1: as
    trained. None: that of the preset."""
    workers: int = 0
    """Processes that step the simulators; for robots in batches, the most threads. 0:
    this process, with a thread for each core."""
    tune_factors: tuple[float, ...] = ()
    """Tune each agent on a robot first: factors on the risk weight that its presets
    share before any task is tuned, of CODAC and CQL on the conservative weight; cloning
    has neither. Of all factors and --tune-temperatures one pair is selected by CVaR, on
    other seeds and episodes; none: the weight of the preset."""
    tune_temperatures: tuple[float, ...] = ()
    """Acting temperatures to select from as well; none: --acting-temperature."""
    tune_seeds: int = 1
    """Seeds of each weight that is tried."""
    tune_episodes: int = 50
    """Episodes of each of these agents at each temperature."""

    @property
    def tunes(self) -> bool:
        """Whether the agents are tuned before they are trained."""
        return bool(self.tune_factors or self.tune_temperatures)

    @property
    def lasting(self) -> dict[str, Any]:
        """The options that all rows have in common, as JSON holds them.

        Each row has its own --tune-factors, those of one task the same.
        """
        common = (x.name for x in dataclasses.fields(CommandOptions))
        left_out = {*PLACES, "tune_factors", *common}
        values = {k: x for k, x in vars(self).items() if k not in left_out}
        return {k: list(x) if isinstance(x, tuple) else x for k, x in values.items()}


class Plan(NamedTuple):
    """One agent to be trained on one task."""

    task: str
    agent: str
    options: train.TrainOptions
    words: dict[str, Any]  # options of `ramac train` that differ from the preset's

    @property
    def argv(self) -> list[str]:
        """Words of `ramac train`."""
        return to_argv(self.words)

    @property
    def weight(self) -> str | None:
        """The hyperparameter that tuning varies; None: the agent has no critics."""
        if self.options.agent.conservative is not None:
            return "conservative_weight"
        return "risk_weight" if self.options.agent.num_critics else None

    def changed(self, **words: Any) -> "Plan":
        """Return the plan with other options; `InputError` for invalid ones."""
        words = self.words | words
        return self._replace(
            words=words, options=read_options(self.task, self.agent, words)
        )


def to_argv(words: Mapping[str, Any]) -> list[str]:
    """Return the words of options on a command line."""
    argv = []
    for name, value in words.items():
        argv += [f"--{name.replace('_', '-')}", str(value)]
    return argv


def read_options(task: str, agent: str, words: Mapping[str, Any]) -> train.TrainOptions:
    """Return the options of `ramac train`, checked."""
    parsed = train.parse(to_argv(words))
    try:
        check_options(parsed)
    except rj.InputError as error:
        raise rj.InputError(f"{agent} on {task}: {error}") from None
    return parsed


def parse(argv: Sequence[str]) -> Arguments:
    """Read the command line; exits for `--help`, `InputError` where it is malformed."""
    return parse_flat(Arguments, argv, "ramac compare", DESCRIPTION)


def check_arguments(arguments: Arguments) -> None:
    """Raise `InputError` for options that no comparison can have; change no file."""
    for name in ("num_seeds", "num_steps", "episodes", "tune_seeds", "tune_episodes"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            option = name.replace("_", "-")
            raise rj.InputError(f"--{option} is {value}: give 1 or more")
    check_tuning(arguments)
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
    if BANDIT in arguments.tasks and arguments.risk_level is not None:
        raise rj.InputError(
            "--risk-level is for robots: the bandit's agents have their own, "
            "compare the robots without it"
        )
    risks = {AGENTS[name].risk_measure for name in arguments.agents or AGENTS}
    if arguments.risk_level is not None and risks == {"neutral"}:
        raise rj.InputError("--risk-level is for agents that seek a tail: name one")
    if BANDIT in arguments.tasks and changed_flags(arguments):
        raise rj.InputError(
            f"--{next(iter(changed_flags(arguments))).replace('_', '-')} is for robots:"
            " the bandit's agents act as trained, compare the robots without it"
        )
    if BANDIT in arguments.tasks and arguments.tunes:
        raise rj.InputError(
            "--tune-factors and --tune-temperatures are for robots: the bandit's "
            "agents have settings of their own, compare the robots without it"
        )
    folders.check_writable(arguments.out)
    for name in FILES:
        if (arguments.out / name).is_dir():
            raise rj.InputError(
                f"{arguments.out / name} is a folder: give another --out"
            )


def check_tuning(arguments: Arguments) -> None:
    """Raise `InputError` for settings that cannot be tried."""
    for name in ("tune_factors", "tune_temperatures"):
        values, option = getattr(arguments, name), f"--{name.replace('_', '-')}"
        if len({f"{x:.6g}" for x in values}) < len(values):
            raise rj.InputError(f"{option} must have each value once in six digits")
        if not all(math.isfinite(x) and x >= 0.0 for x in values):
            raise rj.InputError(f"{option} must have finite values of 0 or more")
    if arguments.acting_num_candidates > 1 and 0.0 in arguments.tune_temperatures:
        raise rj.InputError(
            "--tune-temperatures has 0, at which all candidates are one action: leave "
            "it out, or --acting-num-candidates"
        )
    if arguments.tunes and arguments.num_seeds > FIRST_TUNING_SEED:
        raise rj.InputError(
            f"--num-seeds is {arguments.num_seeds}: seeds from {FIRST_TUNING_SEED:,} "
            "on tune"
        )
    if arguments.acting_temperature is not None and arguments.tune_temperatures:
        raise rj.InputError(
            "--acting-temperature and --tune-temperatures exclude each other: give one"
        )


def check_search(arguments: Arguments) -> None:
    """Raise `InputError` for a search that has nothing to select among.

    It is for agents that are trained: joined rows have been tuned already.
    """
    several = max(len(arguments.tune_factors), len(arguments.tune_temperatures)) > 1
    if arguments.tunes and not several:
        raise rj.InputError(
            "--tune-factors and --tune-temperatures name one setting, so that nothing "
            "is selected: give one of them two values or more"
        )
    for name in ("tune_seeds", "tune_episodes"):
        value = getattr(arguments, name)
        if value != getattr(Arguments, name) and not arguments.tunes:
            raise rj.InputError(
                f"--{name.replace('_', '-')} is {value} and nothing is tuned: give "
                "--tune-factors or --tune-temperatures as well"
            )


def make_plan(arguments: Arguments, task: str, agent: str) -> Plan:
    """Return the run of one agent on one task; `InputError` for invalid options."""
    preset = PRESETS[f"{task}/{agent}"]
    words: dict[str, Any] = {
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
        words["num_steps"] = arguments.num_steps
        for name in LENGTHS:
            words[name] = float(round(factor * preset[name]))
    if arguments.bc_steps is not None and preset["bc_steps"]:
        words["bc_steps"] = arguments.bc_steps
    if arguments.risk_level is not None and AGENTS[agent].risk_measure != "neutral":
        words["risk_level"] = arguments.risk_level
    words |= changed_flags(arguments)
    if arguments.acting_num_candidates > 1 and arguments.tune_temperatures:
        words["acting_temperature"] = arguments.tune_temperatures[0]
    return Plan(task, agent, read_options(task, agent, words), words)


def changed_flags(arguments: Arguments) -> dict[str, Any]:
    """Return the acting options that were given."""
    names = {x.name for x in dataclasses.fields(ActingFlags)}
    return {
        x.name: getattr(arguments, x.name)
        for x in dataclasses.fields(arguments)
        if x.name in names and getattr(arguments, x.name) != x.default
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
