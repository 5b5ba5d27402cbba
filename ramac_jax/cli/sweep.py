"""Search hyperparameters: `ramac sweep --grid risk_weight=.02,.2`.

Every setting with every seed is a member of one population. Writes sweep.json, which
holds all that is needed to do it again, metrics.csv and evaluations.csv (one row per
member and interval), and where there is an environment agents.csv (one row per agent
that chose or scored), report.md, frontier.png and best/, a run of the chosen setting
for `ramac evaluate`. agents/V/checkpoint holds every member that was trained to
the end with the static options V. The same command goes on with a search that was
broken off. Exit status 1: a member diverged; 2: bad input; 130 or 143: a signal, heeded
after saving.
"""

import contextlib
import dataclasses
import sys
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from rich.console import Console

import ramac_jax as rj
from ramac_jax import policy as checkpoints
from ramac_jax.cli import console
from ramac_jax.cli.options.sweep import (
    Search,
    SweepArguments,
    how_chosen,
    make_search,
    parse,
)
from ramac_jax.cli.reporting import sweep_tables
from ramac_jax.cli.reporting.figures.style import DPI
from ramac_jax.cli.reporting.figures.sweep import draw_frontier
from ramac_jax.cli.runs import folder as run_folder
from ramac_jax.cli.runs import sinks, tracking
from ramac_jax.cli.runs.agents import policy_spec
from ramac_jax.cli.runs.recording import EVALUATIONS, LOGS, METRICS, recording
from ramac_jax.cli.runs.searching import Found, Leg, Searcher, write_agents
from ramac_jax.cli.train import training_datasets
from ramac_jax.data.loading import OfflineDataset, load_datasets
from ramac_jax.devices import first_host_first, is_first_host
from ramac_jax.files import write_json
from ramac_jax.population import Members

LAYOUT = run_folder.Layout(
    "sweep.json",
    (METRICS, EVALUATIONS, "agents.csv", "report.md", "frontier.png"),
    ("agents", "best", run_folder.POPULATION, LOGS, *sinks.FOLDERS),
)


def columns_of(members: Members) -> dict[str, np.ndarray]:
    """What tells the members apart."""
    return {"setting": members.setting, "seed": members.seed}


def describe_search(search: Search, selection: str | None) -> dict[str, Any]:
    """The settings and the way through them, for sweep.json."""
    return {
        "settings": [
            {
                "setting": number,
                "label": label,
                "variant": int(search.variant[number]),
                "hyperparams": one_setting(search, number)._asdict(),
            }
            for number, label in search.labels.items()
        ],
        "rungs": [rung._asdict() for rung in search.rungs],
        "selection": selection,
    }


def one_setting(search: Search, number: int) -> rj.Hyperparams:
    """The hyperparameters of a setting, each in the fewest digits that tell it."""
    return jax.tree.map(lambda x: float(str(x[number])), search.hyperparams)


def members_of(leg: Leg) -> list[dict[str, int]]:
    """Which setting and seed each member of agents/V/checkpoint has."""
    members = leg.trained.members
    pairs = zip(members.setting.tolist(), members.seed.tolist(), strict=True)
    return [{"setting": setting, "seed": seed} for setting, seed in pairs]


def say_plan(arguments: SweepArguments, search: Search) -> None:
    """Say what is about to be trained."""
    settings, seeds = len(search.labels), arguments.num_seeds
    rungs = ", ".join(f"{r.num_settings} to {r.num_steps:,}" for r in search.rungs)
    console.CONSOLE.print(
        f"{settings} settings x {seeds} seeds = {settings * seeds} members, programs: "
        f"{len(search.variants)}; settings to updates: {rungs}",
        soft_wrap=True,
        highlight=False,
    )


def write_best(
    arguments: SweepArguments,
    search: Search,
    dataset: OfflineDataset,
    found: Found,
    argv: Sequence[str],
    settings: tracking.Settings | None,
) -> None:
    """Write the members of the chosen setting as a run of their own."""
    number = found.ranked[0].setting
    leg = next(leg for leg in found.legs if number in leg.numbers)
    rows = np.flatnonzero(leg.trained.members.setting == number)
    states = jax.tree.map(lambda x: x[rows], leg.trained.states)
    variant = search.variants[leg.variant]
    spec = policy_spec(variant, dataset.scaling)
    checkpoints.save_policy(arguments.out / "best" / "checkpoint", states, spec)
    chosen = dataclasses.replace(variant, hyperparams=one_setting(search, number))
    record = run_folder.describe(chosen, argv, dataset, spec, settings, "sweep")
    record |= {
        "status": "diverged" if found.ranked[0].frozen else "finished",
        "setting": number,
        "label": search.labels[number],
        "selection": how_chosen(arguments),
    }
    write_json(arguments.out / "best" / "run.json", record)


def write_found(
    arguments: SweepArguments,
    search: Search,
    dataset: OfflineDataset,
    found: Found,
) -> None:
    """Write and print what the search came to."""
    out, level = arguments.out, arguments.eval_level
    for leg in found.legs:
        spec = policy_spec(search.variants[leg.variant], dataset.scaling)
        place = out / "agents" / str(leg.variant) / "checkpoint"
        checkpoints.save_policy(place, leg.trained.states, spec)
    if not found.ranked:
        return
    write_agents(out / "agents.csv", found.agents)
    how = how_chosen(arguments)
    text = sweep_tables.markdown(found.ranked, level, how, found.eliminated)
    (out / "report.md").write_text(text)
    draw_frontier(found.ranked, level).savefig(out / "frontier.png", dpi=DPI)
    Console().print(sweep_tables.terminal(found.ranked, level))
    Console().print(how, soft_wrap=True, highlight=False)


def execute(arguments: SweepArguments, argv: Sequence[str]) -> None:
    """Run the command; exits with status 1 where a member diverged."""
    search = make_search(arguments)
    run_folder.check_folder(arguments, LAYOUT)
    names = first_host_first(lambda: training_datasets(arguments))
    dataset = load_datasets(names, normalize=arguments.normalize)
    specs = [policy_spec(variant, dataset.scaling) for variant in search.variants]
    with contextlib.ExitStack() as stack:
        settings = arenas = None
        if dataset.env_spec is not None and arguments.episodes:
            settings = tracking.evaluation_settings(arguments, dataset.env_spec)
            arena = stack.enter_context(tracking.open_arena(specs[0], settings))
            arenas = [arena.of(spec) for spec in specs]
        elif arguments.halving is not None:
            raise rj.InputError(
                "--halving chooses by episodes, and the dataset names no environment: "
                "give --task, or leave it out"
            )
        record = run_folder.describe(
            arguments, argv, dataset, specs[0], settings, "sweep"
        )
        selection = how_chosen(arguments) if arenas is not None else None
        if arenas is None:
            console.warn("no agent is played, so the settings are not ranked")
        record |= describe_search(search, selection)
        holding = run_folder.hold(arguments, LAYOUT, record)
        record = first_host_first(lambda: stack.enter_context(holding))
        say_plan(arguments, search)
        begin = time.perf_counter()
        with recording(arguments, columns_of, record) as report:
            found = Searcher(arguments, search, dataset, arenas, report).run()
        record |= {
            "status": "diverged" if found.diverged else "finished",
            "ranking": sweep_tables.to_json(found.ranked),
            "eliminated": found.eliminated,
            "diverged": found.diverged,
            "agents": {str(leg.variant): members_of(leg) for leg in found.legs},
            "wall_time_s": round(time.perf_counter() - begin, 3),
        }
        if is_first_host():
            write_found(arguments, search, dataset, found)
            if found.ranked:
                write_best(arguments, search, dataset, found, argv, settings)
    run_folder.print_written(arguments.out, LAYOUT)
    if found.diverged:
        sys.exit(1)


def is_finished(arguments: SweepArguments) -> bool:
    """Return whether --out holds a finished sweep of these options.

    Raises `InputError` for a finished sweep of other options.
    """
    return run_folder.is_finished(arguments, LAYOUT)


def main(argv: Sequence[str]) -> None:
    """Run the command with these words."""
    execute(parse(argv), argv)
