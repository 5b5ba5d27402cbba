"""Train a population of agents and evaluate it: `ramac train`.

Writes metrics.csv (one row per seed and log interval), checkpoint/, run.json, which
repeats the run, and with an environment what `ramac evaluate` writes and the figures.
The same command resumes an unfinished run. Exit status 1: a seed diverged; 2: bad
input; 130, 138 or 143: a signal, after everything is saved.
"""

import contextlib
import dataclasses
import functools
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ramac_jax import population as populations
from ramac_jax.acting import AS_TRAINED, ActingParams
from ramac_jax.cli import console
from ramac_jax.cli.options.agent import AgentSpec
from ramac_jax.cli.options.checks import check_options
from ramac_jax.cli.options.train import TrainOptions, parse, recorded_options
from ramac_jax.cli.reporting.evaluation import print_summary
from ramac_jax.cli.reporting.figures.runs import draw_learning
from ramac_jax.cli.reporting.figures.style import DPI
from ramac_jax.cli.runs.acting import words_of
from ramac_jax.cli.runs.agents import fit_to_data, policy_spec, with_critic
from ramac_jax.cli.runs.calibration import compare_critics, notes_on_critics
from ramac_jax.cli.runs.csv_tables import EVALUATIONS, METRICS
from ramac_jax.cli.runs.data import load_data
from ramac_jax.cli.runs.dry_run import rehearse
from ramac_jax.cli.runs.evaluator import Evaluator, open_evaluator
from ramac_jax.cli.runs.folder import POPULATION, TRAIN, run_folder
from ramac_jax.cli.runs.protocol import EvaluationProtocol, find_protocol
from ramac_jax.cli.runs.record import describe_run
from ramac_jax.cli.runs.recording import recording
from ramac_jax.cli.runs.results import read_rows, write_evaluation
from ramac_jax.cli.runs.training import train_members, training_plan
from ramac_jax.data.loading import OfflineDataset
from ramac_jax.devices import first_host_first, is_first_host, on_every_host
from ramac_jax.evaluation import Episodes
from ramac_jax.policy import Policy, PolicySpec, load_policy, save_policy


def fit(
    options: TrainOptions,
    agent: AgentSpec,
    dataset: OfflineDataset,
    evaluator: Evaluator | None,
    record: dict[str, Any],
) -> populations.Trained:
    """Train the population, with its logs and checkpoints."""
    members = populations.cross(options.hyperparams, options.training.seeds)
    callbacks = populations.Callbacks()
    if evaluator is not None:
        episodes = options.evaluation.eval_episodes
        callbacks = evaluator.callback(members, episodes=episodes)
    out = options.output.out
    with recording(out, options.logging, seeds_of, record) as report:
        return train_members(
            dataclasses.replace(training_plan(options), agent=agent),
            dataset,
            members,
            out / POPULATION,
            callbacks._replace(report=functools.partial(report, "")),
        )


def seeds_of(members: populations.Members) -> dict[str, Any]:
    """Return the number by which the members differ."""
    return {"seed": members.seed}


def print_losses(trained: populations.Trained) -> None:
    """Print the first and the last losses of each seed."""
    rows = trained.history.metrics
    table = Table(title=f"{rows['step'][-1]} updates: first -> last row")
    for name in ("seed", "bc_loss", "critic_loss"):
        table.add_column(name, justify="right")
    for member, seed in enumerate(trained.members.seed):
        changes = [
            f"{rows[name][0][member]:.4g} -> {rows[name][-1][member]:.4g}"
            for name in ("bc_loss", "critic_loss")
        ]
        table.add_row(str(seed), *changes)
    Console().print(table)


def describe_outcome(trained: populations.Trained, seconds: float) -> dict[str, Any]:
    """Return the result of the training, for run.json."""
    return {
        "status": "diverged" if trained.frozen else "finished",
        "num_steps": int(trained.history.metrics["step"][-1]),
        "diverged": [
            {"seed": int(trained.members.seed[member]), "step": step}
            for member, step in trained.frozen.items()
        ],
        "wall_time_s": round(seconds, 3),
    }


def write_outcome(
    out: Path,
    trained: populations.Trained,
    spec: PolicySpec,
    evaluator: Evaluator | None,
    record: dict[str, Any],
) -> None:
    """Evaluate the agents and write what was trained."""
    episodes = None
    if evaluator is not None:
        states = trained.states
        params = ActingParams(states.actor_params, states.critic_params)
        episodes = evaluator.play(params, progress=True)
    if not is_first_host():
        return
    save_policy(out / "checkpoint", trained.states, spec)
    tables = [read_rows(out / name) for name in (METRICS, EVALUATIONS)]
    draw_learning(*tables).savefig(out / "learning.png", dpi=DPI)
    print_losses(trained)
    if evaluator is not None and episodes is not None:
        policy = load_policy(out / "checkpoint")
        write_scores(out, evaluator.protocol, episodes, record, policy)


def write_scores(
    out: Path,
    protocol: EvaluationProtocol,
    episodes: Episodes,
    record: dict[str, Any],
    policy: Policy,
) -> None:
    """Write and print the evaluation at the end of a run."""
    calibrated = compare_critics(policy, episodes, protocol)
    summary = write_evaluation(
        out,
        episodes,
        record["seeds"],
        protocol,
        command=repeating_command(out, protocol),
        run=record,
        calibrated=calibrated,
    )
    notes = notes_on_critics(policy, protocol)
    print_summary(summary, protocol, out, calibrated, more_notes=notes)


def repeating_command(folder: Path, protocol: EvaluationProtocol) -> str:
    """Return the command that plays the same episodes of the same checkpoint again."""
    words = ["ramac", "evaluate", str(folder)]
    for name in ("episodes", "horizon", "level", "seed", "workers"):
        words += [f"--{name}", str(getattr(protocol, name))]
    if protocol.acting != AS_TRAINED:
        words += words_of(protocol.acting)
    return shlex.join(words)


def train(options: TrainOptions, argv: Sequence[str]) -> populations.Trained:
    """Train and evaluate as the checked options say; `argv` repeats the run."""
    folder = run_folder(options, TRAIN)

    def check() -> None:  # before any data are made
        folder.check()
        find_protocol(options, None)

    on_every_host(check)
    dataset = load_data(options.data)
    hyperparams = options.hyperparams
    agent = fit_to_data(options.agent, dataset.transitions, [hyperparams.discount])
    spec = policy_spec(agent, dataset.scaling)
    spec = with_critic(spec, agent, hyperparams, options.data.reward_scale)
    spec = spec._replace(guard=dataset.guard(), layout=dataset.layout)
    protocol = find_protocol(options, dataset)
    with contextlib.ExitStack() as stack:
        evaluator = None
        if protocol is not None:
            opening = open_evaluator(spec, protocol)
            evaluator = on_every_host(lambda: stack.enter_context(opening))
        elif options.evaluation.episodes:
            console.warn("no episode is played: the dataset names no environment")
        record = describe_run(
            ["ramac", "train", *argv],
            recorded_options(options),
            options.training.seeds,
            dataset,
            spec,
            protocol,
        ) | {"value_range": agent.value_range}
        reserving = folder.reserve(record)
        record = first_host_first(lambda: stack.enter_context(reserving))
        begin = time.perf_counter()
        trained = fit(options, agent, dataset, evaluator, record)
        record |= describe_outcome(trained, time.perf_counter() - begin)
        write_outcome(folder.out, trained, spec, evaluator, record)
    folder.print_written()
    return trained


def execute(options: TrainOptions, argv: Sequence[str]) -> None:
    """Run the command; exits with status 1 where a seed diverged."""
    on_every_host(lambda: check_options(options))
    if options.settings.dry_run:
        discounts = [options.hyperparams.discount]
        rehearse(options, [options.agent], run_folder(options, TRAIN), discounts)
    elif train(options, argv).frozen:
        sys.exit(1)


def is_finished(options: TrainOptions) -> bool:
    """Return whether --out holds a finished run of these options.

    Raises `InputError` for a finished run of other options.
    """
    return run_folder(options, TRAIN).is_finished()


def main(argv: Sequence[str]) -> None:
    """Run the command with these words."""
    execute(parse(argv), argv)
