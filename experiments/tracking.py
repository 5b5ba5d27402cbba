"""What a training run is worth: scored on its way and at its end."""

import contextlib
import csv
import dataclasses
import math
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gymnasium.envs.registration import EnvSpec

import ramac_jax as rj
from experiments.evaluate import print_summary
from experiments.figures.runs import DPI, draw_learning
from experiments.options import Arguments
from experiments.scoring import play, write_evaluation
from experiments.settings import Settings, make_settings
from ramac_jax import checkpoints
from ramac_jax.evaluation import Environments, Episodes, cvar


class Tracker(NamedTuple):
    """How a run is scored, its simulators held open."""

    watch: Callable[[int, rj.State], None]  # on its way: step, states
    finish: Callable[[Mapping[str, Any]], None]  # at its end, with the run's record


def evaluation_settings(arguments: Arguments, env: str | EnvSpec) -> Settings:
    """How a run is scored at its end; `InputError` where it cannot be."""
    return make_settings(
        arguments.task,
        env,
        arguments.horizon,
        episodes=arguments.episodes,
        level=arguments.eval_level,
        seed=arguments.eval_seed,
        workers=arguments.workers,
    )


@contextlib.contextmanager
def track(
    arguments: Arguments, spec: checkpoints.PolicySpec, settings: Settings
) -> Iterator[Tracker]:
    """Open the environments of a run; `InputError` where they cannot be made."""
    with Environments(
        settings.env, horizon=settings.horizon, num_workers=settings.workers
    ) as environments:
        actor = checkpoints.build_actor(spec)
        fewer = dataclasses.replace(settings, episodes=arguments.eval_episodes)

        def watch(step: int, states: rj.State) -> None:
            policy = checkpoints.Policy(spec, actor, states.actor_params)
            seeds = arguments.seeds
            add_rows(
                arguments, step, play(policy, seeds, fewer, environments=environments)
            )

        def finish(record: Mapping[str, Any]) -> None:
            policy = checkpoints.load_policy(arguments.out / "checkpoint")
            episodes = play(
                policy,
                arguments.seeds,
                settings,
                environments=environments,
                progress=True,
            )
            summary = write_evaluation(
                arguments.out,
                episodes,
                arguments.seeds,
                settings,
                command=repeating_command(arguments, settings),
                run=record,
            )
            print_summary(summary, settings, arguments.out)

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
                tail = cvar(returns, arguments.eval_level)
                scores = [returns.mean(), float(tail)]
            risky = episodes.risky_steps[agent].sum() / max(length.sum(), 1)
            writer.writerow([step, seed, *scores, risky, failed.sum()])


def repeating_command(arguments: Arguments, settings: Settings) -> str:
    """The command that plays the same episodes of the same checkpoint again."""
    words = ["python", "-m", "experiments.evaluate", str(arguments.out)]
    for name in ("episodes", "horizon", "level", "seed", "workers"):
        words += [f"--{name}", str(getattr(settings, name))]
    return shlex.join(words)


def save_learning(folder: Path) -> None:
    """Draw learning.png from the tables that the run has written."""
    tables = [read_rows(folder / x) for x in ("metrics.csv", "evaluations.csv")]
    draw_learning(*tables).savefig(folder / "learning.png", dpi=DPI)


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table; none where it was not written."""
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))
