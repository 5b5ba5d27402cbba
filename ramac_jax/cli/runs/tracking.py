"""What agents are worth while they train, and once they have."""

import contextlib
import dataclasses
import functools
import shlex
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.envs.registration import EnvSpec

import ramac_jax as rj
from ramac_jax import policy as checkpoints
from ramac_jax.cli.evaluate import print_summary
from ramac_jax.cli.options.evaluation import Settings, make_settings
from ramac_jax.cli.options.train import Arguments
from ramac_jax.cli.reporting.figures.runs import draw_learning
from ramac_jax.cli.reporting.figures.style import DPI
from ramac_jax.cli.runs.recording import EVALUATIONS, FIGURES, METRICS
from ramac_jax.cli.runs.scoring import play, read_rows, write_evaluation
from ramac_jax.evaluation import Environments, Episodes, cvar
from ramac_jax.population import Members
from ramac_jax.types import Actor, Params


@dataclasses.dataclass(frozen=True)
class Arena:
    """Where the agents of a run are played, its simulators held open."""

    spec: checkpoints.PolicySpec
    settings: Settings
    environments: Environments

    @functools.cached_property
    def actor(self) -> Actor:
        """Built once: an actor that is another compiles again."""
        return checkpoints.build_actor(self.spec)

    def of(self, spec: checkpoints.PolicySpec) -> "Arena":
        """The same place for agents of another kind."""
        return dataclasses.replace(self, spec=spec)

    def play(
        self,
        params: Params,
        first: int = 0,
        *,
        progress: bool = False,
        cancelled: threading.Event | None = None,
        **changed: Any,
    ) -> Episodes:
        """The episodes of agents, their parameters [P, ...].

        Args:
          params: of their actors.
          first: number of the first agent in its population: each has its own episodes.
          progress: show a bar.
          cancelled: once it is set, the episodes end by `Cancelled`.
          changed: fields of the settings that are other than the arena's.
        """
        settings = dataclasses.replace(self.settings, **changed)
        policy = checkpoints.Policy(self.spec, self.actor, params)
        return play(
            policy,
            range(policy.population),
            settings,
            environments=self.environments,
            first=first,
            progress=progress,
            cancelled=cancelled,
        )


def evaluation_settings(arguments: Arguments, env: str | EnvSpec) -> Settings:
    """How a run is scored at its end; `InputError` where it cannot be."""
    try:
        return make_settings(
            arguments.task,
            env,
            arguments.horizon,
            episodes=arguments.episodes,
            level=arguments.eval_level,
            seed=arguments.eval_seed,
            workers=arguments.workers,
        )
    except rj.InputError as error:
        raise without_evaluation(error) from None


@contextlib.contextmanager
def open_arena(spec: checkpoints.PolicySpec, settings: Settings) -> Iterator[Arena]:
    """Open the environments of a run; `InputError` where they cannot be made."""
    try:
        environments = Environments(
            settings.env, horizon=settings.horizon, num_workers=settings.workers
        )
    except rj.InputError as error:
        raise without_evaluation(error) from None
    with environments:
        yield Arena(spec, settings, environments)


def without_evaluation(error: rj.InputError) -> rj.InputError:
    """The same complaint, with the way around it."""
    return rj.InputError(f"{error} (--episodes 0 trains without an evaluation)")


def figures_of(episodes: Episodes, level: float) -> dict[str, np.ndarray]:
    """What each agent's episodes come to, [P]; failed ones are left out, counted."""
    figures = []
    for returns, failed, length, risky in zip(
        episodes.returns,
        episodes.failed,
        episodes.length,
        episodes.risky_steps,
        strict=True,
    ):
        kept = returns[~failed]
        scores = (kept.mean(), float(cvar(kept, level))) if kept.size else (np.nan,) * 2
        figures.append((*scores, risky.sum() / max(length.sum(), 1)))
    columns = np.asarray(figures, np.float64).T
    told = dict(zip(FIGURES, columns, strict=False))
    return told | {"failed": episodes.failed.sum(axis=-1)}


def position(some: Members, everyone: Members) -> int:
    """The number of the first of some members in their population."""
    same = (everyone.setting == some.setting[0]) & (everyone.seed == some.seed[0])
    return int(np.flatnonzero(same)[0])


def write_scores(
    arguments: Arguments, arena: Arena, episodes: Episodes, record: Mapping[str, Any]
) -> None:
    """Write and print what the episodes at a run's end come to."""
    summary = write_evaluation(
        arguments.out,
        episodes,
        arguments.seeds,
        arena.settings,
        command=repeating_command(arguments.out, arena.settings),
        run=record,
    )
    print_summary(summary, arena.settings, arguments.out)


def repeating_command(folder: Path, settings: Settings) -> str:
    """The command that plays the same episodes of the same checkpoint again."""
    words = ["ramac", "evaluate", str(folder)]
    for name in ("episodes", "horizon", "level", "seed", "workers"):
        words += [f"--{name}", str(getattr(settings, name))]
    return shlex.join(words)


def save_learning(folder: Path) -> None:
    """Draw learning.png from the tables that the run has written."""
    tables = [read_rows(folder / x) for x in (METRICS, EVALUATIONS)]
    draw_learning(*tables).savefig(folder / "learning.png", dpi=DPI)
