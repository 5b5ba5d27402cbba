"""Search hyperparameters: `ramac sweep --grid risk_weight=.02,.2`.

Every setting with every seed is a member of one population. Writes sweep.json, which
repeats the search, metrics.csv and evaluations.csv (one row per member and interval),
and with an environment agents.csv (one row per agent that selects or is reported),
report.md, frontier.png, of one parameter alone effect.png, and best/, a run of the
selected setting for `ramac evaluate`. agents/V/checkpoint holds every member that was
trained to the end with the static options V; with a sampler V is the number of a trial,
study.db its storage, and importances.png, slices.png and pareto.png show its trials.
The same command resumes an unfinished search. Exit status 1: a member diverged; 2: bad
input; 130, 138 or 143: a signal, after everything is saved.
"""

import contextlib
import dataclasses
import functools
import importlib
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from ramac_jax.cli import console
from ramac_jax.cli.options.sweep import SweepOptions, parse
from ramac_jax.cli.options.train import recorded_options
from ramac_jax.cli.runs import sinks
from ramac_jax.cli.runs.agents import policy_spec
from ramac_jax.cli.runs.csv_tables import EVALUATIONS, METRICS
from ramac_jax.cli.runs.data import load_data
from ramac_jax.cli.runs.dry_run import rehearse
from ramac_jax.cli.runs.evaluator import open_evaluator
from ramac_jax.cli.runs.folder import POPULATION, Layout, RunFolder, run_folder
from ramac_jax.cli.runs.outcome import (
    Outcome,
    describe_best,
    describe_policy,
    describe_settings,
    members_of,
    write_agents,
    write_tables,
)
from ramac_jax.cli.runs.protocol import EvaluationProtocol, find_protocol
from ramac_jax.cli.runs.record import describe_run
from ramac_jax.cli.runs.recording import LOGS, recording
from ramac_jax.cli.runs.round_tables import tables_of
from ramac_jax.cli.runs.search import Search, make_search
from ramac_jax.cli.runs.searcher import Searcher
from ramac_jax.cli.runs.training import Compiled, training_plan
from ramac_jax.devices import first_host_first, is_first_host, on_every_host
from ramac_jax.errors import InputError
from ramac_jax.extras import require
from ramac_jax.files import write_json
from ramac_jax.policy import PolicySpec, save_policy
from ramac_jax.population import Members
from ramac_jax.urls import without_password

STUDY = ("study.db", "study.db-wal", "study.db-shm")
"""The embedded storage, and the log that SQLite keeps while it is open."""
FIGURES = (
    "frontier.png",
    "effect.png",
    "importances.png",
    "slices.png",
    "pareto.png",
)
LAYOUT = Layout(
    record="sweep.json",
    files=(METRICS, EVALUATIONS, "agents.csv", "report.md", *FIGURES, *STUDY),
    folders=("agents", "best", POPULATION, LOGS, *sinks.FOLDERS),
    of_evaluations=(EVALUATIONS, "agents.csv", "report.md", *FIGURES, "best"),
)


def columns_of(members: Members) -> dict[str, np.ndarray]:
    """Return the numbers by which members differ."""
    return {"setting": members.setting, "seed": members.seed}


def plan_line(options: SweepOptions, search: Search) -> str:
    """Return what is about to be trained, in a line."""
    asked, seeds = options.search, options.training.num_seeds
    settings, programs = len(search.labels), len(search.variants)
    steps = options.training.num_steps
    if asked.sampler is None:
        return (
            f"{settings} settings x {seeds} seeds = {settings * seeds} members, "
            f"programs: {programs}; {steps:,} updates"
        )
    return (
        f"study {asked.study!r}, sampler {asked.sampler}, {asked.trials or settings} "
        f"trials: rounds of {asked.batch} settings x {seeds} seeds = "
        f"{asked.batch * seeds} members, programs: {programs}; {steps:,} updates"
    )


def check_protocol(options: SweepOptions, protocol: EvaluationProtocol | None) -> None:
    """Raise `InputError` where a sampler has no episodes to learn from."""
    if options.search.sampler is not None and protocol is None:
        raise InputError(
            "--sampler learns from the objective in episodes, and the dataset names no "
            "environment: give --task, or leave it out"
        )


def studies() -> Any:
    """Return the module of studies, which imports Optuna."""
    require("optuna", "ramac sweep --sampler")
    return importlib.import_module("ramac_jax.cli.runs.studies")


def execute(options: SweepOptions, argv: Sequence[str]) -> None:
    """Run the command; exits with status 1 where a member diverged."""
    search = on_every_host(lambda: make_search(options))
    if options.search.sampler is not None:
        on_every_host(lambda: studies().check_study(options, search))
    folder = run_folder(options, LAYOUT)
    if options.settings.dry_run:
        rehearse(options, [x.agent for x in search.variants], folder, search.discounts)
        print(plan_line(options, search))
    elif run(options, search, folder, argv).diverged:
        sys.exit(1)


def run(
    options: SweepOptions,
    search: Search,
    folder: RunFolder,
    argv: Sequence[str],
    *,
    ranked_later: bool = False,
) -> Outcome:
    """Train, select and write; `ranked_later`: the caller plays the episodes."""

    def check() -> None:  # before any data are made
        folder.check()
        find_protocol(options, None)
        if options.search.storage is not None:
            studies().reach_study(options, search)

    on_every_host(check)
    dataset = load_data(options.data)
    protocol = find_protocol(options, dataset)
    check_protocol(options, protocol)
    search = search.fitted(dataset.transitions)
    guard = dataset.guard()
    specs = [policy_spec(x.agent, dataset.scaling) for x in search.variants]
    specs = [spec._replace(guard=guard, layout=dataset.layout) for spec in specs]
    with contextlib.ExitStack() as stack:
        evaluators = sentence = None
        if protocol is not None:
            opening = open_evaluator(specs[0], protocol)
            evaluator = on_every_host(lambda: stack.enter_context(opening))
            evaluators = [
                evaluator.for_policy(
                    describe_policy(
                        options, search, specs, x, search.numbers[search.variant == x]
                    )
                )
                for x in range(len(specs))
            ]
            sentence = search.selection.sentence()
        elif not ranked_later:
            console.warn("no episode is played, so the settings are not ranked")
        begun = describe_run(
            ["ramac", "sweep", *map(without_password, argv)],
            recorded_options(options),
            options.training.seeds,
            dataset,
            specs[0],
            protocol,
        )
        described: dict[str, Any] = {"selection": sentence}
        if options.search.sampler is None:
            described["settings"] = describe_settings(search)
        reserving = folder.reserve(begun | described)
        record = first_host_first(lambda: stack.enter_context(reserving))
        console.note(plan_line(options, search))
        begin = time.perf_counter()
        learns = options.search.sampler is not None
        tables = functools.partial(tables_of, folder.out) if learns else None
        with recording(
            folder.out, options.logging, columns_of, record, tables
        ) as report:
            searcher = Searcher(
                search=search,
                plan=dataclasses.replace(
                    training_plan(options), ood_weighted=search.ood_weighted
                ),
                dataset=dataset,
                evaluators=evaluators,
                eval_episodes=options.evaluation.eval_episodes,
                report=report,
                out=folder.out,
                compiled=Compiled(),
                steps=[options.training.num_steps],
            )
            finish = studies().finish_rounds if learns else finish_grid
            outcome = finish(options, searcher, specs, begun, record)
        record["wall_time_s"] = round(time.perf_counter() - begin, 3)
    folder.print_written()
    return outcome


def finish_grid(
    options: SweepOptions,
    searcher: Searcher,
    specs: Sequence[PolicySpec],
    begun: Mapping[str, Any],
    record: dict[str, Any],
) -> Outcome:
    """Train all settings at once, and write what was found."""
    search, out = searcher.search, searcher.out
    found = searcher.run()
    outcome = Outcome.of(search, found.tried)
    record |= outcome.to_json()
    record["agents"] = {str(x.variant): members_of(x) for x in found.stages}
    if not is_first_host():
        return outcome
    for stage in found.stages:
        write_agents(options, search, specs, stage)
    if outcome.ranked:
        write_tables(out, outcome)
    if (best := outcome.best) is not None:
        stage = next(x for x in found.stages if best.setting in x.numbers)
        rows = np.flatnonzero(stage.trained.members.setting == best.setting)
        states = jax.tree.map(lambda x: x[rows], stage.trained.states)
        spec = describe_policy(options, search, specs, stage.variant, [best.setting])
        save_policy(out / "best" / "checkpoint", states, spec)
        described = describe_best(options, outcome, specs, best)
        write_json(out / "best" / "run.json", {**begun, **described})
    return outcome


def is_finished(options: SweepOptions) -> bool:
    """Return whether --out holds a finished run of these options.

    Raises `InputError` for a finished run of other options.
    """
    return run_folder(options, LAYOUT).is_finished()


def main(argv: Sequence[str]) -> None:
    """Run the command with these words."""
    execute(parse(argv), argv)
