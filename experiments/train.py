"""Train a population of agents and score it: `python -m experiments.train`.

Writes metrics.csv (one row per seed and log interval), checkpoint/, run.json, which
holds everything needed to do it again, and where there is an environment to score the
agents in, what `experiments.evaluate` writes and the figures. Exit status 1: a seed
diverged; 2: bad input.
"""

import contextlib
import csv
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

import ramac_jax as rj
from experiments import console, run_folder, tracking
from experiments.agents import build_agent, build_cloner, policy_spec
from experiments.options import Arguments, check, parse
from experiments.population import init_population, pretrain, train_population
from experiments.task_data import find_or_make
from ramac_jax import checkpoints
from ramac_jax.tasks.datasets import OfflineDataset, load_datasets
from ramac_jax.tasks.environments import env_id


def training_datasets(arguments: Arguments) -> tuple[str, ...]:
    """The Minari ids to train on; a task's own is made where it is not here yet."""
    if arguments.task is None:
        return arguments.dataset
    if arguments.episodes:
        tracking.evaluation_settings(arguments, env_id(arguments.task))  # or refuse now
    return (find_or_make(arguments.task, arguments.dataset, seed=arguments.data_seed),)


class Outcome(NamedTuple):
    """What the training of a population came to."""

    first: dict[str, np.ndarray]  # metrics [population] of the first row
    last: dict[str, np.ndarray]  # and of the last
    num_steps: int  # updates made; fewer than asked for where every seed diverged
    diverged: list[dict[str, Any]]  # seed, step and metrics of each that did


def start(
    arguments: Arguments, dataset: OfflineDataset, spec: checkpoints.PolicySpec
) -> Iterator[tuple[rj.State, dict[str, np.ndarray]]]:
    """A population in training, its actors cloned beforehand where that is asked."""
    agent = build_agent(arguments, spec)
    keys = jax.vmap(jax.random.key)(jnp.asarray(arguments.seeds))
    keys, cloning_keys = jax.vmap(jax.random.split, out_axes=1)(keys)
    example = jax.tree.map(lambda x: x[:1], dataset.transitions)
    states, keys = init_population(agent, example, keys)
    hyperparams = jax.tree.map(
        lambda x: jnp.full(len(keys), x, jnp.float32), arguments.hyperparams
    )
    transitions = dataset.transitions._replace(
        reward=arguments.reward_scale * dataset.transitions.reward
    )
    if arguments.bc_steps:
        states = pretrain(
            build_cloner(spec),
            states,
            transitions,
            cloning_keys,
            hyperparams,
            num_steps=arguments.bc_steps,
            batch_size=arguments.batch_size,
        )
    return train_population(
        agent,
        states,
        transitions,
        keys,
        hyperparams,
        num_steps=arguments.num_steps,
        batch_size=arguments.batch_size,
        title="training",
        updates_per_call=arguments.log_every,
    )


def fit(
    arguments: Arguments,
    dataset: OfflineDataset,
    spec: checkpoints.PolicySpec,
    tracker: tracking.Tracker | None,
) -> Outcome:
    """Train the population, writing metrics and checkpoints as it goes."""
    calls = start(arguments, dataset, spec)
    first: dict[str, np.ndarray] = {}
    diverged: list[dict[str, Any]] = []
    step = saved = watched = 0
    with open(arguments.out / "metrics.csv", "w", newline="") as file:
        writer = csv.writer(file)
        for states, metrics in calls:
            step = min(step + arguments.log_every, arguments.num_steps)
            if not first:
                first = metrics
                writer.writerow(["step", "seed", *metrics])
            columns = zip(arguments.seeds, *metrics.values(), strict=True)
            writer.writerows([step, *row] for row in columns)
            file.flush()
            warn_of_divergence(diverged, metrics, arguments.seeds, step)
            ends = step == arguments.num_steps or len(diverged) == arguments.num_seeds
            if ends or step - saved >= arguments.save_every:
                checkpoints.save(arguments.out / "checkpoint", states, spec)
                saved = step
            due = arguments.eval_every and step - watched >= arguments.eval_every
            if tracker is not None and due:
                tracker.watch(step, states)
                watched = step
            if ends:
                break
    return Outcome(first, metrics, step, diverged)


def warn_of_divergence(
    diverged: list[dict[str, Any]],
    metrics: dict[str, np.ndarray],
    seeds: Sequence[int],
    step: int,
) -> None:
    """Add each seed whose metrics [population] are newly not finite, and say so."""
    known = {entry["seed"] for entry in diverged}
    for index, seed in enumerate(seeds):
        names = [name for name, x in metrics.items() if not np.isfinite(x[index])]
        if names and seed not in known:
            diverged.append({"seed": seed, "step": step, "metrics": names})
            console.warn(
                f"seed {seed} diverged by step {step}: {', '.join(names)} not finite"
            )


def print_losses(arguments: Arguments, outcome: Outcome) -> None:
    """Print how the losses of each seed went."""
    table = Table(title=f"{outcome.num_steps} updates: first -> last row")
    for name in ("seed", "bc_loss", "critic_loss"):
        table.add_column(name, justify="right")
    for index, seed in enumerate(arguments.seeds):
        changes = [
            f"{outcome.first[name][index]:.4g} -> {outcome.last[name][index]:.4g}"
            for name in ("bc_loss", "critic_loss")
        ]
        table.add_row(str(seed), *changes)
    Console().print(table)


def main(argv: Sequence[str]) -> None:
    """Run the command; exits with status 1 where a seed diverged."""
    arguments = parse(argv)
    check(arguments)
    run_folder.check_folder(arguments)
    dataset = load_datasets(training_datasets(arguments), normalize=arguments.normalize)
    spec = policy_spec(arguments, dataset.scaling)
    with contextlib.ExitStack() as stack:
        tracker = settings = None
        if dataset.env_spec is not None and arguments.episodes:
            try:
                settings = tracking.evaluation_settings(arguments, dataset.env_spec)
                tracker = stack.enter_context(tracking.track(arguments, spec, settings))
            except rj.InputError as error:
                raise rj.InputError(
                    f"{error} (--episodes 0 trains without an evaluation)"
                ) from None
        run_folder.clear_folder(arguments)
        record = run_folder.describe(arguments, argv, dataset, spec, settings)
        console.write_json(arguments.out / "run.json", record)
        begin = time.perf_counter()
        outcome = fit(arguments, dataset, spec, tracker)
        record |= {
            "status": "diverged" if outcome.diverged else "finished",
            "num_steps": outcome.num_steps,
            "diverged": outcome.diverged,
            "wall_time_s": round(time.perf_counter() - begin, 3),
        }
        console.write_json(arguments.out / "run.json", record)
        print_losses(arguments, outcome)
        tracking.save_learning(arguments.out)
        if tracker is not None:
            tracker.finish(record)
    written = [name for name in run_folder.FILES if (arguments.out / name).exists()]
    Console().print(f"{arguments.out}: {', '.join(written)}", soft_wrap=True)
    if outcome.diverged:
        sys.exit(1)


if __name__ == "__main__":
    console.exit_on_bad_input(lambda: main(sys.argv[1:]))()
