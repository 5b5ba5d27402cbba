"""What a training run is worth: scored on its way and at its end."""

import contextlib
import csv
import dataclasses
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

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
from ramac_jax.evaluation import Environments, cvar
from ramac_jax.tasks.datasets import OfflineDataset


def evaluation_settings(
    arguments: Arguments, dataset: OfflineDataset
) -> Settings | None:
    """How the run is scored at its end; None where the data names no environment."""
    if dataset.env_spec is None:
        return None
    return make_settings(
        arguments.task,
        dataset.env_spec.id,
        arguments.horizon,
        episodes=arguments.episodes,
        level=arguments.evaluation_level,
        seed=arguments.eval_seed,
        workers=arguments.workers,
    )


@contextlib.contextmanager
def watcher(
    arguments: Arguments, spec: checkpoints.PolicySpec, settings: Settings
) -> Iterator[Callable[[int, rj.State], None]]:
    """A function that adds a row per seed to evaluations.csv each time it is called."""
    actor = checkpoints.build_actor(spec)
    settings = dataclasses.replace(settings, episodes=arguments.eval_episodes)
    with (
        Environments(
            settings.env_id, horizon=settings.horizon, num_workers=settings.workers
        ) as environments,
        open(arguments.out / "evaluations.csv", "w", newline="") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(["step", "seed", "mean", "cvar", "risky_share"])

        def watch(step: int, states: rj.State) -> None:
            policy = checkpoints.Policy(spec, actor, states.actor_params)
            episodes, _ = evaluate_policy(
                policy, arguments.seeds, settings, environments=environments
            )
            steps = episodes.length.sum(axis=1).clip(1)
            shares = episodes.risky_steps.sum(axis=1) / steps
            for seed, returns, share in zip(
                arguments.seeds, episodes.returns, shares, strict=True
            ):
                worst = cvar(returns, settings.level)
                writer.writerow([step, seed, returns.mean(), worst, share])
            file.flush()

        yield watch


def score(
    arguments: Arguments, spec: checkpoints.PolicySpec, settings: Settings
) -> None:
    """Play the final episodes of the last checkpoint, write, draw and print them."""
    policy = checkpoints.load_policy(arguments.out / "checkpoint")
    episodes, summary = evaluate_policy(
        policy, arguments.seeds, settings, progress=True
    )
    options = {
        "episodes": settings.episodes,
        "horizon": settings.horizon,
        "level": settings.level,
        "seed": settings.seed,
        "workers": settings.workers,
    }
    words = ["python", "-m", "experiments.evaluate", str(arguments.out)]
    for name, value in options.items():
        words += [f"--{name}", str(value)]
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
