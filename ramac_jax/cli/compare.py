"""Compare agents on tasks: `ramac compare --tasks ... --agents ...`.

The command trains every agent on every task, each in a folder OUT/TASK/AGENT as
`ramac train` does, and the agents of the bandit in OUT/bandit as `ramac bandit` does.
It measures how often the agents leave the data, and writes comparison.md,
comparison.tex, comparison.json and a figure TASK-comparison.png, with one row or point
for each agent and task of the command line, and the files of `ramac report` on the runs
of OUT. The same command resumes an interrupted comparison, a command with more agents
trains only these, and `--join` takes rows that another comparison has scored, as long
as it is given. Exit status 1: a seed diverged, or the bandit breaks a bound; 2: bad
input, before any training; 130, 138 or 143: a signal, after the run is saved.
"""

import sys
from collections.abc import Sequence

from ramac_jax.acting import describe, recorded_options
from ramac_jax.cli import console, report, train
from ramac_jax.cli.bandit import command as bandit
from ramac_jax.cli.options.bandit import RECORD
from ramac_jax.cli.options.bandit import Arguments as BanditArguments
from ramac_jax.cli.options.bandit import check as check_bandit
from ramac_jax.cli.options.compare import (
    BANDIT,
    Arguments,
    Plan,
    bandit_options,
    check_arguments,
    check_search,
    make_plans,
    parse,
)
from ramac_jax.cli.options.report import Arguments as ReportArguments
from ramac_jax.cli.reporting.comparison_files import files_of, stored_tasks, write
from ramac_jax.cli.runs.comparison import (
    Comparison,
    Row,
    bandit_row,
    figures_over_seeds,
    score_columns,
    score_rows,
    tune_factors,
)
from ramac_jax.cli.runs.data import find_or_make, plan_data
from ramac_jax.cli.runs.dry_run import describe_data
from ramac_jax.cli.runs.evaluated import read_run
from ramac_jax.cli.runs.evaluator import figures_of
from ramac_jax.cli.runs.folder import TRAIN, run_folder
from ramac_jax.cli.runs.joined import Joined, check_data, read_joined
from ramac_jax.cli.runs.protocol import find_protocol
from ramac_jax.cli.runs.results import read_evaluation
from ramac_jax.cli.runs.stored import read_record
from ramac_jax.cli.tuning import read_tuned, remark_on_tuned, tune, tuning_of
from ramac_jax.data.loading import load_datasets
from ramac_jax.evaluation.ood_evaluator import (
    OODEvaluator,
    make_ood_evaluator,
    ood_rates,
)
from ramac_jax.policy import load_policy


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

    Args:
      plans: of every agent; one with a joined row is not trained.
      datasets: of the task; none where every row is joined.
      joined: rows of other comparisons.
      arguments: the command line.
    """
    rows, task, rates = [], plans[0].task, joined.false_positives
    if datasets:
        ood_evaluator = make_ood_evaluator(load_datasets(datasets).transitions)
        rates = {task: ood_evaluator.false_positive_rates()}
    for number, plan in enumerate(plans, 1):
        if (row := joined.get(plan)) is not None:
            rows.append(row)
            continue
        console.note(f"{task}, {number} of {len(plans)}: {plan.agent}")
        if arguments.tunes:
            tuning = tuning_of(plan, arguments)
            plan = read_tuned(tuning) or tune(tuning)
            if (remark := remark_on_tuned(tuning)) is not None:
                console.note(f"{plan.agent} on {task}: {remark}")
        if not train.is_finished(plan.options):
            train.train(plan.options, plan.argv)
        rows.append(robot_row(plan, ood_evaluator, arguments))
    return Comparison(rows=rows, false_positives={task: rates[task]}, complaints=[])


def robot_row(plan: Plan, ood_evaluator: OODEvaluator, arguments: Arguments) -> Row:
    """Return the row of a run that is trained and scored."""
    out, level = plan.options.output.out, plan.options.evaluation.eval_level
    record, episodes = read_evaluation(out)
    run = read_record(out / "run.json")
    acting, policy = (
        recorded_options(record["settings"]),
        load_policy(out / "checkpoint"),
    )
    rates = ood_rates(ood_evaluator, policy, options=acting)
    columns = score_columns(figures_of(episodes, level), rates, episodes, level)
    scores = score_rows(plan, run, columns)
    return Row(
        task=plan.task,
        agent=plan.agent,
        figures=figures_over_seeds(scores, level),
        num_seeds=len(scores),
        frozen=len(run.get("diverged", [])),
        acting=describe(acting),
        num_episodes=episodes.returns.shape[-1],
        tune_factors=tune_factors(plan, arguments.tune_factors),
        scores=scores,
    )


def write_report(plans: Sequence[Plan], arguments: Arguments) -> None:
    """Write the files of `ramac report` about these runs."""
    folders = tuple(plan.options.output.out for plan in plans)
    runs = [read_run(x.options.output.out, arguments.level, x.agent) for x in plans]
    options = ReportArguments(runs=folders, out=arguments.out, level=arguments.level)
    words = [*map(str, folders), "--out", str(arguments.out)]
    report.report(runs, options, [*words, "--level", str(arguments.level)])


def describe_comparison(
    arguments: Arguments,
    options: BanditArguments | None,
    plans: Sequence[Plan],
    joined: Joined,
) -> str:
    """Return what a comparison would train and write, for --dry-run."""
    lines = ["dry run: nothing is trained or written"]
    own = [plan for plan in plans if joined.get(plan) is None]
    lines += [f"{x.task}, {x.agent}: joined" for x in plans if x not in own]
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
            if tuning.num_settings > 1:
                lines.append(f"{tuning.out}: {tuning.num_settings} settings, {state}")
            plan = tuned or plan
        training = plan.options.training
        state = "finished" if train.is_finished(plan.options) else "to be trained"
        lines.append(
            f"{plan.options.output.out}: {training.num_seeds} seeds, "
            f"{training.num_steps:,} updates, {state}"
        )
    report = " and a report" * bool(own)
    lines.append(f"output: {arguments.out}: {files_of(bool(plans))}{report}")
    return "\n".join(lines)


def tasks_left(plans: Sequence[Plan], found: Comparison) -> set[str]:
    """Return the tasks that are not compared yet."""
    return {plan.task for plan in plans} - {row.task for row in found.rows}


def execute(arguments: Arguments, argv: Sequence[str]) -> None:
    """Run the command; exit with status 1 for diverged seeds and broken bounds."""
    check_arguments(arguments)
    options = bandit_options(arguments)
    if options is not None and not bandit.is_finished(options):
        check_bandit(options)
    plans = make_plans(arguments)
    joined, stored = read_joined(arguments, plans), stored_tasks(arguments)
    own = [plan for plan in plans if joined.get(plan) is None]
    if own or not plans:
        check_search(arguments)
    for plan in own:
        if arguments.tunes:
            plan = read_tuned(tuning_of(plan, arguments)) or plan
        if train.is_finished(plan.options):
            run = read_record(plan.options.output.out / "run.json")
            check_data(joined, plan.task, [x["sha256"] for x in run["datasets"]])
        else:
            run_folder(plan.options, TRAIN).check()
        find_protocol(plan.options, None)
    if arguments.dry_run:
        print(describe_comparison(arguments, options, plans, joined))
        return
    datasets = {x.task: find_or_make(x.options.data) for x in own}
    for task in datasets.keys() & joined.hashes.keys():
        sources = load_datasets(datasets[task]).sources
        check_data(joined, task, [source.sha256 for source in sources])
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
        left = tasks_left(plans, found)
        if not left & stored:  # earlier rows of these tasks stay until they are redone
            if done := [plan for plan in own if plan.task not in left]:
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
