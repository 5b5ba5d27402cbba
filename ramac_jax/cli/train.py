"""Train a population of agents and score it: `ramac train`.

Writes metrics.csv (one row per seed and log interval), checkpoint/, run.json, which
holds everything needed to do it again, and where there is an environment to score the
agents in, what `ramac evaluate` writes and the figures. The same command goes on
with a run that was broken off, in whatever way. Exit status 1: a seed diverged; 2: bad
input; 130 or 143: a signal, heeded after saving.
"""

import contextlib
import functools
import sys
import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from ramac_jax import policy as checkpoints
from ramac_jax import population as populations
from ramac_jax.cli.options.checks import check_options
from ramac_jax.cli.options.train import Arguments, parse
from ramac_jax.cli.runs import folder as run_folder
from ramac_jax.cli.runs import tracking
from ramac_jax.cli.runs.agents import policy_spec, train_members
from ramac_jax.cli.runs.recording import recording
from ramac_jax.cli.runs.task_data import find_or_make
from ramac_jax.data.loading import OfflineDataset, load_datasets
from ramac_jax.devices import first_host_first, is_first_host
from ramac_jax.tasks import env_id


def training_datasets(arguments: Arguments) -> tuple[str, ...]:
    """The Minari ids to train on; a task's own is made where it is not here yet."""
    if arguments.task is None:
        return arguments.dataset
    if arguments.episodes:
        tracking.evaluation_settings(arguments, env_id(arguments.task))  # or refuse now
    return (find_or_make(arguments.task, arguments.dataset, seed=arguments.data_seed),)


def fit(
    arguments: Arguments,
    dataset: OfflineDataset,
    arena: tracking.Arena | None,
    record: dict[str, Any],
) -> populations.Trained:
    """Train the population, telling and saving as it goes."""
    members = populations.cross(arguments.hyperparams, arguments.seeds)

    def evaluate(step, params, some, cancelled):
        assert arena is not None
        episodes = arena.play(
            params,
            tracking.position(some, members),
            episodes=arguments.eval_episodes,
            cancelled=cancelled,
        )
        return tracking.figures_of(episodes, arguments.eval_level)

    with recording(arguments, lambda some: {"seed": some.seed}, record) as report:
        return train_members(
            arguments,
            dataset,
            members,
            arguments.out / run_folder.POPULATION,
            evaluate=None if arena is None else evaluate,
            report=functools.partial(report, ""),
        )


def print_losses(trained: populations.Trained) -> None:
    """Print how the losses of each seed went."""
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


def write_outcome(
    arguments: Arguments,
    trained: populations.Trained,
    spec: checkpoints.PolicySpec,
    arena: tracking.Arena | None,
    record: dict[str, Any],
) -> None:
    """Write what the training came to, and score it; run.json says so last."""
    episodes = None
    if arena is not None:
        episodes = arena.play(trained.states.actor_params, progress=True)
    if not is_first_host():
        return
    out = arguments.out
    checkpoints.save_policy(out / "checkpoint", trained.states, spec)
    tracking.save_learning(out)
    print_losses(trained)
    if arena is not None and episodes is not None:
        tracking.write_scores(arguments, arena, episodes, record)


def run(arguments: Arguments, argv: Sequence[str]) -> populations.Trained:
    """Train and score as the checked options say; `argv` is what repeats it."""
    run_folder.check_folder(arguments, run_folder.TRAIN)
    names = first_host_first(lambda: training_datasets(arguments))
    dataset = load_datasets(names, normalize=arguments.normalize)
    spec = policy_spec(arguments, dataset.scaling)
    with contextlib.ExitStack() as stack:
        arena = settings = None
        if dataset.env_spec is not None and arguments.episodes:
            settings = tracking.evaluation_settings(arguments, dataset.env_spec)
            arena = stack.enter_context(tracking.open_arena(spec, settings))
        record = run_folder.describe(arguments, argv, dataset, spec, settings)
        holding = run_folder.hold(arguments, run_folder.TRAIN, record)
        record = first_host_first(lambda: stack.enter_context(holding))
        begin = time.perf_counter()
        trained = fit(arguments, dataset, arena, record)
        record |= {
            "status": "diverged" if trained.frozen else "finished",
            "num_steps": int(trained.history.metrics["step"][-1]),
            "diverged": [
                {"seed": int(trained.members.seed[member]), "step": step}
                for member, step in trained.frozen.items()
            ],
            "wall_time_s": round(time.perf_counter() - begin, 3),
        }
        write_outcome(arguments, trained, spec, arena, record)
    run_folder.print_written(arguments.out, run_folder.TRAIN)
    return trained


def execute(arguments: Arguments, argv: Sequence[str]) -> None:
    """Run the command; exits with status 1 where a seed diverged."""
    check_options(arguments)
    if run(arguments, argv).frozen:
        sys.exit(1)


def is_finished(arguments: Arguments) -> bool:
    """Return whether --out holds a finished run of these options.

    Raises `InputError` for a finished run of other options.
    """
    return run_folder.is_finished(arguments, run_folder.TRAIN)


def main(argv: Sequence[str]) -> None:
    """Run the command with these words."""
    execute(parse(argv), argv)
