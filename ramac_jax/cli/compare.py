"""Compare agents on tasks: `ramac compare --tasks ... --agents ...`.

The command trains every agent on every task, each in a folder OUT/TASK/AGENT as
`ramac train` does, and the agents of the bandit in OUT/bandit as `ramac bandit` does.
It measures how often the agents leave the data, and writes comparison.md,
comparison.tex, comparison.json and a figure TASK-comparison.png, with one row or point
for each agent and task of the command line, and the files of `ramac report` on the runs
of OUT. The same command resumes an interrupted comparison, a command with more agents
trains only these, and `--join` takes rows that another comparison has scored. Exit
status 1: a seed diverged, or the bandit breaks a bound; 2: bad input, before any
training; 130, 138 or 143: a signal, after the run is saved.
"""

import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rich.console import Console

from ramac_jax.acting import describe, recorded_options
from ramac_jax.cli import console, folders, provenance, report, train
from ramac_jax.cli.bandit import command as bandit
from ramac_jax.cli.options.bandit import RECORD
from ramac_jax.cli.options.bandit import Arguments as BanditArguments
from ramac_jax.cli.options.bandit import check as check_bandit
from ramac_jax.cli.options.compare import (
    BANDIT,
    OF_SEEDS,
    TABLES,
    Arguments,
    Plan,
    bandit_options,
    check_arguments,
    make_plans,
    parse,
)
from ramac_jax.cli.options.report import Arguments as ReportArguments
from ramac_jax.cli.reporting import comparison
from ramac_jax.cli.reporting.figures.profiles import draw_profiles
from ramac_jax.cli.reporting.figures.style import DPI
from ramac_jax.cli.runs.comparison import (
    Row,
    bandit_row,
    run_row,
    score_columns,
    score_rows,
)
from ramac_jax.cli.runs.data import find_or_make, plan_data
from ramac_jax.cli.runs.dry_run import describe_data
from ramac_jax.cli.runs.evaluated import read_run
from ramac_jax.cli.runs.evaluator import figures_of
from ramac_jax.cli.runs.folder import TRAIN, run_folder
from ramac_jax.cli.runs.joined import Joined, check_data, read_joined
from ramac_jax.cli.runs.protocol import find_protocol
from ramac_jax.cli.runs.results import read_evaluation, write_rows
from ramac_jax.cli.runs.stored import read_record
from ramac_jax.cli.tuning import read_tuned, tune, tuning_of
from ramac_jax.data.loading import load_datasets
from ramac_jax.evaluation.ood_evaluator import (
    OODEvaluator,
    make_ood_evaluator,
    ood_rates,
)
from ramac_jax.files import write_json, write_text
from ramac_jax.policy import load_policy

FalsePositives = Mapping[str, Mapping[str, float]]
"""False-positive rates of the detectors on held-out data: task -> detector -> rate."""


class Comparison(NamedTuple):
    """Rows of the tables, and the detectors' errors on the tasks of these rows."""

    rows: list[Row]
    false_positives: FalsePositives
    complaints: list[str]  # diverged seeds and broken bounds


def compare_bandit(options: BanditArguments) -> Comparison:
    """Train the agents of the bandit unless they are trained; return their rows."""
    if bandit.is_finished(options):
        record = read_record(options.out / RECORD)
    else:
        record = bandit.run(options)
    rows = [bandit_row(x) for x in record["policies"] if x["name"] in options.names]
    rates = {k: x["false_positive_rate"] for k, x in record["detection"].items()}
    return Comparison(
        rows=rows,
        false_positives={BANDIT: rates},
        complaints=bandit.complaints(record),
    )


def compare_robots(
    plans: Sequence[Plan], datasets: Sequence[str], joined: Joined, arguments: Arguments
) -> Comparison:
    """Tune, train and score the agents of a task; return the rows of all of them.

    Agents with a joined row keep it; where all have one, no dataset is read.
    """
    rows, task, rates = [], plans[0].task, joined.false_positives
    if not all(map(joined.has, plans)):
        dataset = load_datasets(datasets)
        check_data(joined, task, [source.sha256 for source in dataset.sources])
        ood_evaluator = make_ood_evaluator(dataset.transitions)
        rates = {task: ood_evaluator.false_positive_rates()}
    for number, plan in enumerate(plans, 1):
        if joined.has(plan):
            rows.append(joined.rows[plan.task, plan.agent])
            continue
        console.note(f"{task}, {number} of {len(plans)}: {plan.agent}")
        if arguments.tunes:
            tuning = tuning_of(plan, arguments)
            plan = read_tuned(tuning) or tune(tuning)
        if not train.is_finished(plan.options):
            train.train(plan.options, plan.argv)
        rows.append(robot_row(plan, ood_evaluator))
    return Comparison(rows=rows, false_positives={task: rates[task]}, complaints=[])


def robot_row(plan: Plan, ood_evaluator: OODEvaluator) -> Row:
    """Return the row of a run that is trained and scored."""
    out, level = plan.options.output.out, plan.options.evaluation.eval_level
    record, episodes = read_evaluation(out)
    run = read_record(out / "run.json")
    acting, policy = (
        recorded_options(record["settings"]),
        load_policy(out / "checkpoint"),
    )
    rates = ood_rates(ood_evaluator, policy, options=acting)
    statistics = figures_of(episodes, level)
    diverged = len(run.get("diverged", []))
    row = run_row(plan.task, plan.agent, statistics, rates, diverged)
    columns = score_columns(statistics, rates, episodes, level)
    return row._replace(
        acting=describe(acting),
        num_episodes=episodes.returns.shape[-1],
        scores=score_rows(plan, run, columns),
    )


def write_report(plans: Sequence[Plan], arguments: Arguments) -> None:
    """Write the files of `ramac report` about these runs."""
    folders = tuple(plan.options.output.out for plan in plans)
    runs = [read_run(x.options.output.out, arguments.level, x.agent) for x in plans]
    options = ReportArguments(runs=folders, out=arguments.out, level=arguments.level)
    words = [*map(str, folders), "--out", str(arguments.out)]
    report.report(runs, options, [*words, "--level", str(arguments.level)])


def write(arguments: Arguments, found: Comparison, argv: Sequence[str]) -> None:
    """Write the tables and figures, and print the tables."""
    command = shlex.join(["ramac", "compare", *argv])
    rows, rates, level = found.rows, found.false_positives, arguments.level
    out = folders.writable_folder(arguments.out)
    page, table, stored = (out / name for name in TABLES)
    write_text(page, comparison.page(rows, rates, level, command))
    write_text(table, comparison.latex(rows, level))
    record: dict[str, Any] = {
        "command": command,
        "rows": comparison.to_json(rows),
        "false_positive_rates": rates,
        **provenance.provenance(),
    }
    write_json(stored, record)
    if scores := [score for row in rows for score in row.scores]:
        table, picture = (out / name for name in OF_SEEDS)
        write_rows(table, scores)
        figure = draw_profiles(scores, f"cvar_{level:g}", f"CVaR {level:g}")
        figure.savefig(picture, dpi=DPI)
    output = Console()
    for task in rates:
        of_task = [row for row in rows if row.task == task]
        name = f"{task}-comparison.png".replace("/", "-")
        comparison.draw(of_task, level).savefig(out / name, dpi=DPI)
        output.print(comparison.terminal(of_task, level))
    files = ", ".join(TABLES + OF_SEEDS * bool(scores))
    output.print(f"{out}: {files}, figures", soft_wrap=True)


def holds_more(arguments: Arguments, found: Comparison) -> bool:
    """Whether comparison.json has rows of tasks that are not compared again yet."""
    path = arguments.out / TABLES[-1]
    if not path.exists():
        return False
    stored = {row["task"] for row in read_record(path).get("rows", [])}
    return not stored <= {row.task for row in found.rows}


def describe_comparison(
    arguments: Arguments,
    options: BanditArguments | None,
    plans: Sequence[Plan],
    joined: Joined,
) -> str:
    """Return what a comparison would train and write, for --dry-run."""
    lines = ["dry run: nothing is trained or written"]
    own = [plan for plan in plans if not joined.has(plan)]
    lines += [f"{task}, {agent}: joined" for task, agent in joined.rows]
    if options is not None:
        state = "finished" if bandit.is_finished(options) else "to be trained"
        lines.append(f"{options.out} ({', '.join(options.names)}): {state}")
    for task in dict.fromkeys(plan.task for plan in own):
        spec = next(x.options.data for x in own if x.task == task)
        lines.append(f"data of {task}: {describe_data(plan_data(spec))}")
    for plan in own:
        if arguments.tunes:
            tuning = tuning_of(plan, arguments)
            tuned = read_tuned(tuning)
            state = "selected" if tuned else "to be tried"
            settings = len(tuning.values) * len(tuning.temperatures)
            lines.append(f"{tuning.out}: {settings} settings, {state}")
            plan = tuned or plan
        training = plan.options.training
        state = "finished" if train.is_finished(plan.options) else "to be trained"
        lines.append(
            f"{plan.options.output.out}: {training.num_seeds} seeds, "
            f"{training.num_steps:,} updates, {state}"
        )
    files = ", ".join(TABLES + OF_SEEDS * bool(plans))
    report = " and a report" * bool(own)
    lines.append(f"output: {arguments.out}: {files}, figures{report}")
    return "\n".join(lines)


def execute(arguments: Arguments, argv: Sequence[str]) -> None:
    """Run the command; exit with status 1 for diverged seeds and broken bounds."""
    check_arguments(arguments)
    options = bandit_options(arguments)
    if options is not None and not bandit.is_finished(options):
        check_bandit(options)
    plans = make_plans(arguments)
    joined = read_joined(arguments.join, plans)
    own = [plan for plan in plans if not joined.has(plan)]
    for plan in own:
        if arguments.tunes:
            plan = read_tuned(tuning_of(plan, arguments)) or plan
        if not train.is_finished(plan.options):
            run_folder(plan.options, TRAIN).check()
        find_protocol(plan.options, None)
    if arguments.dry_run:
        print(describe_comparison(arguments, options, plans, joined))
        return
    datasets = {x.task: find_or_make(x.options.data) for x in own}
    found = Comparison(rows=[], false_positives={}, complaints=[])
    if options is not None:
        found = compare_bandit(options)
    for task in dict.fromkeys(plan.task for plan in plans):
        of_task = [plan for plan in plans if plan.task == task]
        robots = compare_robots(of_task, datasets.get(task, ()), joined, arguments)
        found = Comparison(
            rows=found.rows + robots.rows,
            false_positives={**found.false_positives, **robots.false_positives},
            complaints=found.complaints,
        )
        left = [plan for plan in plans if plan.task not in found.false_positives]
        if not left or not holds_more(arguments, found):
            if done := [plan for plan in own if plan not in left]:
                write_report(done, arguments)
            write(arguments, found, argv)
    if not plans:
        write(arguments, found, argv)
    complaints = found.complaints + [
        f"{x.task} {x.agent}: {x.frozen} diverged" for x in found.rows if x.frozen
    ]
    if complaints:
        print("\n".join(complaints), file=sys.stderr)
        sys.exit(1)


def main(argv: Sequence[str]) -> None:
    """Run the command with these words."""
    execute(parse(argv), argv)
