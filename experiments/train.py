"""Train a population of agents and score it: `python -m experiments.train`.

Writes metrics.csv (one row per seed and log interval), checkpoint/, run.json, which
holds everything needed to do it again, and where there is an environment to score the
agents in, what `experiments.evaluate` writes and the figures. Exit status 1: a seed
diverged; 2: bad input.
"""

import csv
import datetime
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

import ramac_jax as rj
from experiments import console, tracking
from experiments.agents import build_agent, build_cloner, policy_spec
from experiments.data import find_or_make
from experiments.options import Arguments, check, parse
from experiments.population import init_population, pretrain, train_population
from experiments.scoring import Settings
from ramac_jax import checkpoints
from ramac_jax.tasks.datasets import OfflineDataset, load_datasets
from ramac_jax.tasks.hazards import TASKS
from ramac_jax.tasks.relabelling import read_record

FILES = (
    "run.json",
    "metrics.csv",
    "evaluations.csv",
    "episodes.csv",
    "evaluation.json",
    "monitored.npz",
    "learning.png",
    "returns.png",
    "checkpoint",
)


def check_folder(arguments: Arguments) -> None:
    """Raise `InputError` unless a run can be written to --out; touches nothing."""
    try:
        held = [name for name in FILES if (arguments.out / name).exists()]
    except OSError as error:
        raise rj.InputError(
            f"cannot use {arguments.out}: {error.strerror}; give another --out"
        ) from None
    console.check_writable(arguments.out)
    checkpoint = arguments.out / "checkpoint"
    others = [name for name in held if name != "checkpoint"]
    if (checkpoint.exists() and not (checkpoint / checkpoints.SPEC).is_file()) or any(
        (arguments.out / name).is_dir() for name in others
    ):
        raise rj.InputError(
            f"{arguments.out} holds something else by the name of a run's files "
            f"({', '.join(held)}): give another --out"
        )
    if held and not arguments.overwrite:
        raise rj.InputError(
            f"{arguments.out} already holds a run ({', '.join(held)}): give another "
            "--out, or --overwrite"
        )


def training_datasets(arguments: Arguments) -> tuple[str, ...]:
    """The Minari ids to train on; a task's own is made where it is not here yet."""
    if arguments.task is None:
        return arguments.dataset
    return (find_or_make(arguments.task, arguments.dataset, seed=arguments.data_seed),)


def describe(
    arguments: Arguments,
    argv: Sequence[str],
    dataset: OfflineDataset,
    spec: checkpoints.PolicySpec,
    settings: Settings | None,
) -> dict[str, Any]:
    """Everything needed to repeat the run, as run.json holds it."""
    options = vars(arguments).copy()
    hyperparams = options.pop("hyperparams")
    task = TASKS[arguments.task] if arguments.task else None
    return {
        "command": shlex.join(["python", "-m", "experiments.train", *argv]),
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "status": "running",
        "task": arguments.task,
        "preset": arguments.preset,
        "seeds": list(arguments.seeds),
        "options": options,
        "hyperparams": hyperparams._asdict(),
        "actor_options": spec.actor_options,
        "datasets": [source._asdict() for source in dataset.sources],
        "dataset_records": [read_record(source.id) for source in dataset.sources],
        "env_id": dataset.env_spec.id if dataset.env_spec else None,
        "hazard": task.hazard._asdict() if task else None,
        "horizon": settings.horizon if settings else None,
        "reference_returns": [task.random_return, task.expert_return] if task else None,
        "scaling": {
            k: np.asarray(x).tolist() for k, x in spec.scaling._asdict().items()
        },
        "versions": console.versions(),
        "git_commit": console.git_commit(),
        "device": jax.devices()[0].device_kind,
        "num_devices": jax.device_count(),
    }


class Outcome(NamedTuple):
    """What the training of a population came to."""

    first: dict[str, np.ndarray]  # metrics [population] of the first row
    last: dict[str, np.ndarray]  # and of the last
    num_steps: int  # updates made; fewer than asked for where every seed diverged
    diverged: list[dict[str, Any]]  # seed, step and metrics of each that did


def fit(
    arguments: Arguments,
    dataset: OfflineDataset,
    spec: checkpoints.PolicySpec,
    watch: Callable[[int, rj.State], None] | None,
) -> Outcome:
    """Train the population, writing metrics and checkpoints as it goes.

    `watch(step, states)` is called every --eval-every updates.
    """
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
    calls = train_population(
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
            ends = step == arguments.num_steps or len(diverged) == len(keys)
            if ends or step - saved >= arguments.save_every:
                checkpoints.save(arguments.out / "checkpoint", states, spec)
                saved = step
            due = arguments.eval_every and step - watched >= arguments.eval_every
            if watch is not None and due:
                watch(step, states)
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
            console.CONSOLE.print(
                f"warning: seed {seed} diverged by step {step}: "
                f"{', '.join(names)} not finite",
                soft_wrap=True,
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
    check_folder(arguments)
    ids = training_datasets(arguments)
    dataset = load_datasets(ids, normalize=arguments.normalize)
    spec = policy_spec(arguments, dataset.scaling)
    settings = tracking.evaluation_settings(arguments, dataset)
    console.writable_folder(arguments.out)
    shutil.rmtree(arguments.out / "checkpoint", ignore_errors=True)  # of an earlier run
    for name in FILES:
        if name != "checkpoint":
            (arguments.out / name).unlink(missing_ok=True)
    record = describe(arguments, argv, dataset, spec, settings)
    console.write_json(arguments.out / "run.json", record)
    start = time.perf_counter()
    if settings and arguments.eval_every:
        with tracking.watcher(arguments, spec, settings) as watch:
            outcome = fit(arguments, dataset, spec, watch)
    else:
        outcome = fit(arguments, dataset, spec, None)
    record |= {
        "status": "diverged" if outcome.diverged else "finished",
        "num_steps": outcome.num_steps,
        "diverged": outcome.diverged,
        "wall_time_s": round(time.perf_counter() - start, 3),
    }
    console.write_json(arguments.out / "run.json", record)
    print_losses(arguments, outcome)
    tracking.draw_learning(arguments.out)
    if settings:
        tracking.score(arguments, spec, settings)
    written = [name for name in FILES if (arguments.out / name).exists()]
    Console().print(f"{arguments.out}: {', '.join(written)}", soft_wrap=True)
    if outcome.diverged:
        sys.exit(1)


if __name__ == "__main__":
    console.exit_on_bad_input(lambda: main(sys.argv[1:]))()
