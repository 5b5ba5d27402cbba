"""Search hyperparameters: `ramac sweep --grid risk_weight=.02,.2`.

Every setting with every seed is a member of one population. Writes sweep.json, which
repeats the search, metrics.csv and evaluations.csv (one row per member and interval),
and with an environment agents.csv (one row per agent that selects or is reported),
report.md, frontier.png and best/, a run of the selected setting for `ramac evaluate`.
agents/V/checkpoint holds every member that was trained to the end with the static
options V. The same command resumes an unfinished search. Exit status 1: a member
diverged; 2: bad input; 130, 138 or 143: a signal, after everything is saved.
"""

import contextlib
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import numpy as np
from rich.console import Console

from ramac_jax.cli import console
from ramac_jax.cli.options.sweep import SweepOptions, parse
from ramac_jax.cli.options.train import recorded_options
from ramac_jax.cli.reporting import sweep_tables
from ramac_jax.cli.reporting.figures.style import DPI
from ramac_jax.cli.reporting.figures.sweep import draw_frontier
from ramac_jax.cli.runs import sinks
from ramac_jax.cli.runs.agents import policy_spec, with_critic
from ramac_jax.cli.runs.csv_tables import EVALUATIONS, METRICS
from ramac_jax.cli.runs.data import load_data
from ramac_jax.cli.runs.dry_run import rehearse
from ramac_jax.cli.runs.evaluator import open_evaluator
from ramac_jax.cli.runs.folder import POPULATION, Layout, RunFolder, run_folder
from ramac_jax.cli.runs.protocol import EvaluationProtocol, find_protocol
from ramac_jax.cli.runs.record import describe_run
from ramac_jax.cli.runs.recording import LOGS, recording
from ramac_jax.cli.runs.results import write_rows
from ramac_jax.cli.runs.search import Search, make_search
from ramac_jax.cli.runs.searcher import Found, Searcher, Stage
from ramac_jax.cli.runs.training import training_plan
from ramac_jax.devices import first_host_first, is_first_host, on_every_host
from ramac_jax.errors import InputError
from ramac_jax.files import write_json
from ramac_jax.policy import PolicySpec, save_policy
from ramac_jax.population import Members

LAYOUT = Layout(
    record="sweep.json",
    files=(METRICS, EVALUATIONS, "agents.csv", "report.md", "frontier.png"),
    folders=("agents", "best", POPULATION, LOGS, *sinks.FOLDERS),
)


def columns_of(members: Members) -> dict[str, np.ndarray]:
    """Return the numbers by which members differ."""
    return {"setting": members.setting, "seed": members.seed}


def describe_search(search: Search, selection: str | None) -> dict[str, Any]:
    """Return the settings and the rungs, for sweep.json."""
    return {
        "settings": [
            {
                "setting": number,
                "label": label,
                "variant": int(search.variant[number]),
                "hyperparams": search.setting(number)._asdict(),
            }
            for number, label in search.labels.items()
        ],
        "rungs": [rung._asdict() for rung in search.rungs],
        "selection": selection,
    }


def describe_outcome(found: Found) -> dict[str, Any]:
    """Return the result of a search, for sweep.json."""
    return {
        "status": "diverged" if found.diverged else "finished",
        "ranking": sweep_tables.to_json(found.ranked),
        "eliminated": found.eliminated,
        "diverged": found.diverged,
        "agents": {str(x.variant): members_of(x) for x in found.stages},
    }


def members_of(stage: Stage) -> list[dict[str, int]]:
    """Return setting and seed of each member of agents/V/checkpoint."""
    members = stage.trained.members
    pairs = zip(members.setting.tolist(), members.seed.tolist(), strict=True)
    return [{"setting": setting, "seed": seed} for setting, seed in pairs]


def plan_line(search: Search) -> str:
    """Return what is about to be trained, in a line."""
    settings, seeds = len(search.labels), len(search.selection.seeds)
    rungs = ", ".join(f"{r.num_settings} to {r.num_steps:,}" for r in search.rungs)
    return (
        f"{settings} settings x {seeds} seeds = {settings * seeds} members, programs: "
        f"{len(search.variants)}; settings to updates: {rungs}"
    )


def describe_best(
    options: SweepOptions, search: Search, specs: Sequence[PolicySpec], found: Found
) -> dict[str, Any]:
    """Return the options of the selected setting and what selected it."""
    best = found.ranked[0]
    number = int(search.variant[best.setting])
    variant = search.variants[number]
    hyperparams = search.setting(best.setting)._asdict()
    return {
        "actor_options": specs[number].actor_options,
        "hyperparams": hyperparams,
        "options": recorded_options(options)
        | variant.changes
        | {"hyperparams": hyperparams},
        "status": "diverged" if best.frozen else "finished",
        "setting": best.setting,
        "label": search.labels[best.setting],
        "selection": search.selection.sentence(),
    }


def describe_policy(
    options: SweepOptions,
    search: Search,
    specs: Sequence[PolicySpec],
    variant: int,
    numbers: Iterable[int],
) -> PolicySpec:
    """Return the spec of a checkpoint with the members of some settings.

    Args:
      options: of the command.
      search: of the settings.
      specs: of the actor of each program.
      variant: number of the settings' program.
      numbers: of the settings.
    """
    settings = [search.setting(number) for number in numbers]
    together = jax.tree.map(lambda *x: np.array(x), *settings)
    agent = search.variants[variant].agent
    return with_critic(specs[variant], agent, together, options.data.reward_scale)


def write_best(
    options: SweepOptions,
    search: Search,
    specs: Sequence[PolicySpec],
    found: Found,
    record: dict[str, Any],
) -> None:
    """Write the members of the selected setting as a run of their own."""
    out = options.output.out / "best"
    number = found.ranked[0].setting
    stage = next(x for x in found.stages if number in x.numbers)
    rows = np.flatnonzero(stage.trained.members.setting == number)
    states = jax.tree.map(lambda x: x[rows], stage.trained.states)
    spec = describe_policy(options, search, specs, stage.variant, [number])
    save_policy(out / "checkpoint", states, spec)
    write_json(out / "run.json", record)


def write_found(
    options: SweepOptions, search: Search, specs: Sequence[PolicySpec], found: Found
) -> None:
    """Write and print the result of the search."""
    out = options.output.out
    for stage in found.stages:
        place = out / "agents" / str(stage.variant) / "checkpoint"
        spec = describe_policy(options, search, specs, stage.variant, stage.numbers)
        save_policy(place, stage.trained.states, spec)
    if not found.ranked:
        return
    level, sentence = search.selection.level, search.selection.sentence()
    write_rows(out / "agents.csv", found.agents)
    text = sweep_tables.markdown(found.ranked, level, sentence, found.eliminated)
    (out / "report.md").write_text(text)
    draw_frontier(found.ranked, level).savefig(out / "frontier.png", dpi=DPI)
    Console().print(sweep_tables.terminal(found.ranked, level))
    Console().print(sentence, soft_wrap=True, highlight=False)


def check_halving(options: SweepOptions, protocol: EvaluationProtocol | None) -> None:
    """Raise `InputError` where halving has no episodes to select by."""
    if options.search.halving is not None and protocol is None:
        raise InputError(
            "--halving selects by episodes, and the dataset names no environment: "
            "give --task, or leave it out"
        )


def execute(options: SweepOptions, argv: Sequence[str]) -> None:
    """Run the command; exits with status 1 where a member diverged."""
    search = on_every_host(lambda: make_search(options))
    folder = run_folder(options, LAYOUT)
    if options.settings.dry_run:
        rehearse(options, [x.agent for x in search.variants], folder, search.discounts)
        print(plan_line(search))
    elif run(options, search, folder, argv).diverged:
        sys.exit(1)


def run(
    options: SweepOptions, search: Search, folder: RunFolder, argv: Sequence[str]
) -> Found:
    """Train, select and write."""

    def check() -> None:  # before any data are made
        folder.check()
        find_protocol(options, None)

    on_every_host(check)
    dataset = load_data(options.data)
    protocol = find_protocol(options, dataset)
    check_halving(options, protocol)
    search = search.fitted(dataset.transitions)
    guard = dataset.guard()
    specs = [policy_spec(x.agent, dataset.scaling) for x in search.variants]
    specs = [spec._replace(guard=guard, layout=dataset.layout) for spec in specs]
    with contextlib.ExitStack() as stack:
        evaluators = sentence = None
        if protocol is not None:
            opening = open_evaluator(specs[0], protocol)
            evaluator = on_every_host(lambda: stack.enter_context(opening))
            numbers = [np.flatnonzero(search.variant == x) for x in range(len(specs))]
            evaluators = [
                evaluator.for_policy(describe_policy(options, search, specs, x, rows))
                for x, rows in enumerate(numbers)
            ]
            sentence = search.selection.sentence()
        else:
            console.warn("no episode is played, so the settings are not ranked")
        begun = describe_run(
            ["ramac", "sweep", *argv],
            recorded_options(options),
            options.training.seeds,
            dataset,
            specs[0],
            protocol,
        )
        reserving = folder.reserve(begun | describe_search(search, sentence))
        record = first_host_first(lambda: stack.enter_context(reserving))
        console.note(plan_line(search))
        begin = time.perf_counter()
        with recording(folder.out, options.logging, columns_of, record) as report:
            found = Searcher(
                search=search,
                plan=training_plan(options),
                dataset=dataset,
                evaluators=evaluators,
                eval_episodes=options.evaluation.eval_episodes,
                report=report,
                out=folder.out,
            ).run()
        record |= describe_outcome(found)
        record["wall_time_s"] = round(time.perf_counter() - begin, 3)
        if is_first_host():
            write_found(options, search, specs, found)
            if found.ranked:
                best = begun | describe_best(options, search, specs, found)
                write_best(options, search, specs, found, best)
    folder.print_written()
    return found


def is_finished(options: SweepOptions) -> bool:
    """Return whether --out holds a finished run of these options.

    Raises `InputError` for a finished run of other options.
    """
    return run_folder(options, LAYOUT).is_finished()


def main(argv: Sequence[str]) -> None:
    """Run the command with these words."""
    execute(parse(argv), argv)
