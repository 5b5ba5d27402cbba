"""Compare agents on tasks: `python -m experiments.compare --tasks ... --agents ...`.

Trains every agent on every task, each in a folder OUT/TASK/AGENT as
`experiments.train` leaves it, the bandit's all in OUT/bandit by `experiments.bandit`,
and judges what they do. Writes comparison.md and comparison.json, one row for each
agent and task, and what `experiments.report` writes. The same command goes on with a
comparison that was broken off, and adds what is asked for beside what is there. Exit
status 1: a seed diverged; 2: bad input, before any work; 130 or 143: a signal, heeded
after saving.
"""

import dataclasses
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jax
import tyro
from rich.console import Console

import ramac_jax as rj
from experiments import comparison, console, report, run_folder, train
from experiments.bandit import command
from experiments.bandit.agents import RECIPES
from experiments.comparison import BANDIT, Row, bandit_row
from experiments.judging import make_judge, ood_rates
from experiments.options import AGENTS, PRESETS, check, choices, parse
from experiments.options import Arguments as TrainArguments
from ramac_jax.checkpoints import load_policy
from ramac_jax.tasks.datasets import load_datasets
from ramac_jax.tasks.hazards import TASKS
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
    level: float = 0.1
    """Level of the CVaR that is told."""
    workers: int = 0
    """Processes that step the simulators; 0: this one."""


class Plan(NamedTuple):
    """One agent on one task."""

    task: str
    agent: str
    options: TrainArguments
    argv: list[str]  # of experiments.train


def make_plan(arguments: Arguments, task: str, agent: str) -> Plan:
    """How one agent is trained; `InputError` where it cannot be."""
    preset = PRESETS[f"{task}/{agent}"]
    folder = arguments.out / task / agent
    options: dict[str, Any] = {
        "task": task,
        "preset": agent,
        "num_seeds": arguments.num_seeds,
        "episodes": arguments.episodes,
        "eval_level": arguments.level,
        "eval_every": None,  # scored at the end alone
        "workers": arguments.workers,
        "out": folder,
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
    check(parsed)
    return Plan(task, agent, parsed, argv)


def make_plans(arguments: Arguments) -> list[Plan]:
    """Every agent on every task; `InputError` for what no comparison is made of."""
    for name in ("num_seeds", "num_steps", "episodes"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            option = name.replace("_", "-")
            raise rj.InputError(f"--{option} is {value}: give 1 or more")
    check_names("task", arguments.tasks, (BANDIT, *TASKS))
    check_names("agent", arguments.agents, AGENTS)
    return [
        make_plan(arguments, task, agent)
        for task in dict.fromkeys(arguments.tasks)
        if task != BANDIT
        for agent in dict.fromkeys(arguments.agents or AGENTS)
    ]


def train_all(plans: Sequence[Plan]) -> None:
    """Train and score whatever is not finished yet."""
    todo = [x for x in plans if not run_folder.is_finished(x.options, run_folder.TRAIN)]
    for plan in todo:
        run_folder.check_folder(plan.options, run_folder.TRAIN)
    for number, plan in enumerate(todo, 1):
        console.CONSOLE.print(f"{number} of {len(todo)}: {plan.task} {plan.agent}")
        train.run(plan.options, plan.argv)


def task_rows(plans: Sequence[Plan], dataset_id: str) -> tuple[list[Row], dict]:
    """The rows of one task, and how often each detector is wrong about its data."""
    judge = make_judge(load_datasets([dataset_id]).transitions)
    rows = []
    for plan in plans:
        out = plan.options.out
        summary = report.read_run(out, plan.options.eval_level, None).scored.summary
        diverged = run_folder.read_record_of(out / "run.json").get("diverged", [])
        rates = ood_rates(judge, load_policy(out / "checkpoint"))
        rows.append(
            comparison.run_row(plan.task, plan.agent, summary, rates, len(diverged))
        )
    return rows, judge.false_alarms()


def write_report(plans: Sequence[Plan], arguments: Arguments) -> None:
    """Write what `experiments.report` writes of these runs."""
    folders = tuple(plan.options.out for plan in plans)
    runs = [
        report.read_run(plan.options.out, arguments.level, plan.agent) for plan in plans
    ]
    options = report.Arguments(folders, arguments.out, level=arguments.level)
    words = [*map(str, folders), "--out", str(arguments.out)]
    report.report(runs, options, [*words, "--level", str(arguments.level)])


def bandit_arguments(arguments: Arguments) -> command.Arguments | None:
    """How the bandit is learned, where it is asked for; by the agents it has."""
    if BANDIT not in arguments.tasks:
        return None
    names = [name for name in arguments.agents or AGENTS if name in RECIPES]
    if not names:
        raise rj.InputError("--agents names none of the bandit's: name one of those")
    out = arguments.out / BANDIT
    options = command.Arguments(out, tuple(names), arguments.num_seeds)
    command.check(options)
    return options


def bandit_record(options: command.Arguments) -> dict[str, Any]:
    """What bandit.json holds; learned first, unless it is there with these options."""
    path = options.out / command.RECORD
    if path.exists():
        asked = command.lasting_options(options)
        del asked["radii"]  # what is trained beside changes no row
        run_folder.check_options(path, asked)
        return run_folder.read_record_of(path)
    return command.run(options)


def markdown(
    rows: Sequence[Row],
    false_alarms: Mapping[str, Mapping[str, float]],
    arguments: Arguments,
    command_line: str,
) -> str:
    """comparison.md."""
    parts = ["# Comparison", f"`{command_line}`"]
    for task in dict.fromkeys(row.task for row in rows):
        of_task = [row for row in rows if row.task == task]
        parts += [f"## {task}", comparison.markdown(of_task, arguments.level)]
        alarms = ", ".join(f"{k} {x:.1%}" for k, x in false_alarms[task].items())
        parts.append(f"Held-out data that detectors take for others: {alarms}.")
    seeds = arguments.num_seeds
    parts.append(
        "Brackets are 95 % intervals: on robots those of mean, CVaR and risky steps "
        f"come of resampling the {arguments.episodes} episodes of each of {seeds} "
        "seeds, which they hold fixed; all others are Student's over the seeds. CVaR "
        "is of all episodes together, on the bandit the mean of each seed's. Out of "
        "distribution: actions at held-out states of the data, judged by "
        "`ramac_jax.evaluation.nearest_detector` and `density_detector`. Risky on the "
        "bandit is the ring."
    )
    if any(row.task in comparison.paper_figures() for row in rows):
        parts.append(comparison.WHY_OTHERS)
    return "\n\n".join(parts) + "\n"


def main(argv: Sequence[str]) -> None:
    """Run the command; exits with status 1 where a seed diverged."""
    arguments = tyro.cli(
        Arguments, prog="python -m experiments.compare", args=list(argv)
    )
    plans = make_plans(arguments)
    of_bandit = bandit_arguments(arguments)
    console.check_writable(arguments.out)
    datasets = {x.task: train.training_datasets(x.options)[0] for x in plans}
    rows: list[Row] = []
    false_alarms = {}
    if of_bandit is not None:
        found = bandit_record(of_bandit)
        rows += [bandit_row(x["name"], x["seeds"]) for x in found["policies"]]
        false_alarms[BANDIT] = {
            name: x["false_positive_rate"] for name, x in found["detection"].items()
        }
    train_all(plans)
    for task, dataset_id in datasets.items():
        of_task = [plan for plan in plans if plan.task == task]
        judged, false_alarms[task] = task_rows(of_task, dataset_id)
        rows += judged
    if plans:
        write_report(plans, arguments)
    line = shlex.join(["python", "-m", "experiments.compare", *argv])
    text = markdown(rows, false_alarms, arguments, line)
    (arguments.out / FILES[0]).write_text(text)
    record = {
        "command": line,
        "rows": comparison.to_json(rows),
        "false_alarms": false_alarms,
        "versions": console.versions(),
        "git_commit": console.git_commit(),
        "device": jax.devices()[0].device_kind,
    }
    console.write_json(arguments.out / FILES[1], record)
    output = Console()
    for task in false_alarms:
        told = [row for row in rows if row.task == task]
        output.print(comparison.terminal(told, arguments.level))
    output.print(f"{arguments.out}: {', '.join(FILES)}", soft_wrap=True)
    if any(row.frozen for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    console.run_command(main)
