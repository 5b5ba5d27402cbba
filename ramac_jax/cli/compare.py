"""Compare agents on tasks: `ramac compare --tasks ... --agents ...`.

Trains every agent on every task, each in a folder OUT/TASK/AGENT as
`ramac train` leaves it, the bandit's all in OUT/bandit by `ramac bandit`,
and ood_evaluators what they do. Writes comparison.md and comparison.json, one row for each
agent and task that this command names, and what `ramac report` writes of them.
The same command goes on with a comparison that was broken off, and one that names more
agents trains these alone. Exit status 1: a seed diverged, or the bandit breaks a bound;
2: bad input, before any training; 130 or 143: a signal, heeded after saving.
"""

import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import tyro
from rich.console import Console

from ramac_jax.cli import console, provenance, report, train
from ramac_jax.cli.bandit import command as bandit
from ramac_jax.cli.options.compare import (
    FILES,
    Arguments,
    Plan,
    bandit_options,
    check_arguments,
    make_plans,
)
from ramac_jax.cli.reporting import comparison
from ramac_jax.cli.reporting.comparison import BANDIT, Row
from ramac_jax.cli.runs import folder as run_folder
from ramac_jax.cli.runs.scoring import read_evaluation
from ramac_jax.cli.runs.tracking import figures_of
from ramac_jax.data.loading import load_datasets
from ramac_jax.evaluation.ood_evaluator import (
    OODEvaluator,
    make_ood_evaluator,
    ood_rates,
)
from ramac_jax.files import write_json, write_text
from ramac_jax.policy import load_policy


def learn_bandit(options: bandit.Arguments) -> dict[str, Any]:
    """What bandit.json holds; learned first, unless it is there."""
    path = options.out / bandit.RECORD
    if path.exists():
        return run_folder.read_record_of(path)
    return bandit.run(options)


def train_all(plans: Sequence[Plan]) -> None:
    """Train and score whatever is not finished yet."""
    todo = [x for x in plans if not run_folder.is_finished(x.options, run_folder.TRAIN)]
    for number, plan in enumerate(todo, 1):
        console.CONSOLE.print(f"{number} of {len(todo)}: {plan.task} {plan.agent}")
        train.run(plan.options, plan.argv)


def robot_row(plan: Plan, ood_evaluator: OODEvaluator) -> Row:
    """The row of an agent that is trained and scored."""
    out, level = plan.options.out, plan.options.eval_level
    _, episodes = read_evaluation(out)
    diverged = run_folder.read_record_of(out / "run.json").get("diverged", [])
    rates = ood_rates(ood_evaluator, load_policy(out / "checkpoint"))
    worth = figures_of(episodes, level)
    return comparison.run_row(plan.task, plan.agent, worth, rates, len(diverged))


def write_report(plans: Sequence[Plan], arguments: Arguments) -> None:
    """Write what `ramac report` writes of these runs."""
    folders = tuple(plan.options.out for plan in plans)
    runs = [
        report.read_run(plan.options.out, arguments.level, plan.agent) for plan in plans
    ]
    options = report.Arguments(folders, arguments.out, level=arguments.level)
    words = [*map(str, folders), "--out", str(arguments.out)]
    report.report(runs, options, [*words, "--level", str(arguments.level)])


def write(
    arguments: Arguments,
    rows: Sequence[Row],
    false_positives: Mapping[str, Mapping[str, float]],
    argv: Sequence[str],
) -> None:
    """Write comparison.md and comparison.json, and print."""
    command = shlex.join(["ramac", "compare", *argv])
    text = comparison.page(rows, false_positives, arguments.level, command)
    write_text(arguments.out / FILES[0], text)
    record = {
        "command": command,
        "rows": comparison.to_json(rows),
        "false_positive_rates": false_positives,
        "versions": provenance.versions(),
        "git_commit": provenance.git_commit(),
        "device": jax.devices()[0].device_kind,
    }
    write_json(arguments.out / FILES[1], record)
    output = Console()
    for task in false_positives:
        told = [row for row in rows if row.task == task]
        output.print(comparison.terminal(told, arguments.level))
    output.print(f"{arguments.out}: {', '.join(FILES)}", soft_wrap=True)


def parse(argv: Sequence[str]) -> Arguments:
    """Read the command line; exits where it is malformed."""
    return tyro.cli(Arguments, prog="ramac compare", args=list(argv))


def execute(arguments: Arguments, argv: Sequence[str]) -> None:
    """Run the command; exits with status 1 where there is something to mistrust."""
    check_arguments(arguments)
    of_bandit = bandit_options(arguments) if BANDIT in arguments.tasks else None
    plans = make_plans(arguments)
    datasets = {x.task: train.training_datasets(x.options)[0] for x in plans}
    ood_evaluators = {
        task: make_ood_evaluator(load_datasets([name]).transitions)
        for task, name in datasets.items()
    }
    rows, false_positives, complaints = [], {}, []
    if of_bandit is not None:
        record = learn_bandit(of_bandit)
        asked = [x for x in record["policies"] if x["name"] in of_bandit.names]
        rows += [comparison.bandit_row(policy) for policy in asked]
        false_positives[BANDIT] = {
            name: x["false_positive_rate"] for name, x in record["detection"].items()
        }
        complaints += bandit.complaints(record)
    train_all(plans)
    rows += [robot_row(plan, ood_evaluators[plan.task]) for plan in plans]
    for task, ood_evaluator in ood_evaluators.items():
        false_positives[task] = ood_evaluator.false_positive_rates()
    if plans:
        write_report(plans, arguments)
    write(arguments, rows, false_positives, argv)
    complaints += [f"{x.task} {x.agent}: {x.frozen} diverged" for x in rows if x.frozen]
    if complaints:
        print("\n".join(complaints), file=sys.stderr)
        sys.exit(1)


def main(argv: Sequence[str]) -> None:
    """Run the command with these words."""
    execute(parse(argv), argv)
