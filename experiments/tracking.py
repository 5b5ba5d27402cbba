"""What a training run is worth: scored on its way and at its end."""

import contextlib
import csv
import dataclasses
import math
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import ramac_jax as rj
from experiments.evaluate import print_summary
from experiments.figures.runs import Scored, save_learning_curves, save_returns
from experiments.options import Arguments
from experiments.scoring import (
    Settings,
    evaluate_policy,
    make_settings,
    write_evaluation,
)
from ramac_jax import checkpoints
from ramac_jax.evaluation import Environments, Episodes, cvar


class Tracker(NamedTuple):
    """How a run is scored, its simulators held open."""

    watch: Callable[[int, rj.State], None]  # on its way: step, states
    finish: Callable[[], None]  # at its end, from the last checkpoint


def evaluation_settings(arguments: Arguments, env_id: str) -> Settings:
    """How a run is scored at its end; `InputError` where it cannot be."""
    return make_settings(
        arguments.task,
        env_id,
        arguments.horizon,
        episodes=arguments.episodes,
        level=arguments.evaluation_level,
        seed=arguments.eval_seed,
        workers=arguments.workers,
    )


@contextlib.contextmanager
def track(
    arguments: Arguments, spec: checkpoints.PolicySpec, settings: Settings
) -> Iterator[Tracker]:
    """Open the environments of a run; `InputError` where they cannot be made."""
    with Environments(
        settings.env_id, horizon=settings.horizon, num_workers=settings.workers
    ) as environments:
        actor = checkpoints.build_actor(spec)
        fewer = dataclasses.replace(settings, episodes=arguments.eval_episodes)

        def watch(step: int, states: rj.State) -> None:
            policy = checkpoints.Policy(spec, actor, states.actor_params)
            episodes, _ = evaluate_policy(
                policy, arguments.seeds, fewer, environments=environments
            )
            add_rows(arguments, step, episodes)

        def finish() -> None:
            policy = checkpoints.load_policy(arguments.out / "checkpoint")
            episodes, summary = evaluate_policy(
                policy,
                arguments.seeds,
                settings,
                environments=environments,
                progress=True,
            )
            conclude(arguments, settings, episodes, summary)

        yield Tracker(watch, finish)


def add_rows(arguments: Arguments, step: int, episodes: Episodes) -> None:
    """Add a row per seed to evaluations.csv; failed episodes are left out, counted."""
    path = arguments.out / "evaluations.csv"
    new = not path.exists()
    with open(path, "a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["step", "seed", "mean", "cvar", "risky_share", "failed"])
        for agent, seed in enumerate(arguments.seeds):
            failed, length = episodes.failed[agent], episodes.length[agent]
            returns = episodes.returns[agent][~failed]
            scores = [math.nan, math.nan]
            if returns.size:
                tail = cvar(returns, arguments.evaluation_level)
                scores = [returns.mean(), float(tail)]
            risky = episodes.risky_steps[agent].sum() / max(length.sum(), 1)
            writer.writerow([step, seed, *scores, risky, failed.sum()])


def conclude(
    arguments: Arguments,
    settings: Settings,
    episodes: Episodes,
    summary: dict[str, Any],
) -> None:
    """Write, draw and print the final evaluation, with the command that repeats it."""
    words = ["python", "-m", "experiments.evaluate", str(arguments.out)]
    for name in ("episodes", "horizon", "level", "seed", "workers"):
        words += [f"--{name}", str(getattr(settings, name))]
    write_evaluation(
        arguments.out, episodes, summary, arguments.seeds, settings, shlex.join(words)
    )
    if not episodes.failed.all():
        scored = Scored(arguments.preset or arguments.actor, episodes, summary)
        save_returns(arguments.out / "returns.png", [scored], settings.level)
    print_summary(summary, settings, arguments.out)


def draw_learning(folder: Path) -> None:
    """Draw learning.png from the tables that the run has written."""
    save_learning_curves(
        folder / "learning.png",
        read_rows(folder / "metrics.csv"),
        read_rows(folder / "evaluations.csv"),
    )


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table; none where it was not written."""
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))
