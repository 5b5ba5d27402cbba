"""From a trained policy to figures in files: what evaluate and train share."""

import csv
import dataclasses
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

import ramac_jax as rj
from experiments import console
from ramac_jax.checkpoints import Policy
from ramac_jax.evaluation import Environments, Episodes, evaluate, summarise
from ramac_jax.evaluation.statistics import normalized_score
from ramac_jax.tasks.environments import env_id
from ramac_jax.tasks.hazards import TASKS, find_task
from ramac_jax.validation import first_line

FILES = ("episodes.csv", "monitored.npz", "evaluation.json")
FULL_HORIZON = 1000  # steps of an episode of Gymnasium's robots
FIRST_SEED = 1_000_000  # of the episodes: far from those of training


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to evaluate."""

    env_id: str
    horizon: int
    episodes: int = 100  # of each agent
    level: float = 0.1  # of the CVaR
    seed: int = FIRST_SEED  # of the first episode
    workers: int = 0
    task: str | None = None
    reference: tuple[float, float] | None = None  # returns of a random and an expert


def make_settings(
    task: str | None, env: str | None, horizon: str | None = None, **others: Any
) -> Settings:
    """Settings from the names of the command line.

    Args:
      task: name; None: the one whose environment `env` is, if any.
      env: Gymnasium id; None: the task's own, on robots of version 5.
      horizon: "paper", "full", a number; None: "paper" for a task, "full" otherwise.
      others: further fields of `Settings`.

    Raises `InputError` for unknown names and anything that cannot be evaluated.
    """
    if task is None and env is None:
        raise rj.InputError("neither a task nor an environment is known: give --task")
    if task is None and (name := re.search("ramac_jax/(.+)-v[0-9]+$", env or "")):
        task = name[1] if name[1] in TASKS else None
    known = find_task(task) if task is not None else None
    if horizon is None:
        horizon = "paper" if known else "full"
    if horizon == "paper" and known is None:
        raise rj.InputError("--horizon paper is a task's: give --task, full or steps")
    lengths = {"full": FULL_HORIZON} | ({"paper": known.horizon} if known else {})
    if horizon not in lengths and not re.fullmatch("[1-9][0-9]{0,8}", horizon):
        raise rj.InputError(f"--horizon is {horizon}: give paper, full or steps")
    settings = Settings(
        env_id=env or env_id(str(task)),
        horizon=lengths[horizon] if horizon in lengths else int(horizon),
        task=task,
        reference=(known.random_return, known.expert_return) if known else None,
        **others,
    )
    if settings.episodes < 1 or settings.workers < 0:
        raise rj.InputError("--episodes must be 1 or more and --workers 0 or more")
    if not 0.0 < settings.level <= 1.0:
        raise rj.InputError(f"--level is {settings.level:g}: give one above 0, to 1")
    if not 0 <= settings.seed <= 2**31 - settings.episodes:
        raise rj.InputError(f"--seed is {settings.seed}: give one from 0 to about 2e9")
    return settings


def evaluate_policy(
    policy: Policy,
    seeds: Sequence[int],
    settings: Settings,
    *,
    environments: Environments | None = None,
    progress: bool = False,
) -> tuple[Episodes, dict[str, Any]]:
    """Run every agent of a policy and sum up what came of it: episodes and summary.

    Args:
      policy: the agents, one for each seed.
      seeds: what to call them.
      settings: how to evaluate.
      environments: open ones of the settings' kind and horizon, kept open; None: made.
      progress: show a bar.

    Raises `InputError` where policy, seeds and environment do not fit.
    """
    if len(seeds) != policy.population:
        raise rj.InputError(
            f"the checkpoint holds {policy.population} agents and the run names "
            f"{len(seeds)} seeds: they are not of one run"
        )
    if environments is None:
        with Environments(
            settings.env_id, horizon=settings.horizon, num_workers=settings.workers
        ) as made:
            return evaluate_policy(
                policy, seeds, settings, environments=made, progress=progress
            )
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console.CONSOLE, disable=not progress) as bar:
        task = bar.add_task(f"{policy.population} agents, {settings.env_id}")
        episodes = evaluate(
            policy,
            environments,
            num_episodes=settings.episodes,
            seed=settings.seed,
            on_step=lambda done, total: bar.update(task, completed=done, total=total),
        )
    summary = summarise(
        episodes, seeds, level=settings.level, reference=settings.reference
    )
    return episodes, summary


def write_evaluation(
    folder: Path,
    episodes: Episodes,
    summary: dict[str, Any],
    seeds: Sequence[int],
    settings: Settings,
    command: str,
) -> None:
    """Write `FILES`, each whole or not at all, evaluation.json last."""
    console.writable_folder(folder)
    drafts = {name: folder / f".{name}.new" for name in FILES[:2]}
    try:
        with open(drafts["episodes.csv"], "w", newline="") as file:
            rows = episode_rows(episodes, seeds, settings)
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        with open(drafts["monitored.npz"], "wb") as binary:
            np.savez_compressed(binary, monitored=episodes.monitored)
        for name, draft in drafts.items():
            draft.replace(folder / name)
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)
    record = {
        "command": command,
        "settings": dataclasses.asdict(settings),
        "seeds": list(seeds),
        "summary": summary,
        "versions": console.versions(),
        "git_commit": console.git_commit(),
        "device": jax.devices()[0].device_kind,
    }
    console.write_json(folder / "evaluation.json", record)


def episode_rows(
    episodes: Episodes, seeds: Sequence[int], settings: Settings
) -> list[dict[str, Any]]:
    """The rows of episodes.csv; a score is left empty where there is no reference."""
    names = ("episode_seed", "length", "risky_steps", "penalties", "base_return")
    scores: Any = np.full(episodes.returns.shape, "")
    if settings.reference is not None:
        scores = normalized_score(episodes.returns, *settings.reference)
    return [
        {
            "seed": seed,
            "return": episodes.returns[agent, row],
            **{name: getattr(episodes, name)[agent, row] for name in names},
            "normalized_score": scores[agent, row],
            "failed": int(episodes.failed[agent, row]),
        }
        for agent, seed in enumerate(seeds)
        for row in range(episodes.returns.shape[1])
    ]


def read_episodes(folder: Path) -> tuple[list[int], Episodes]:
    """Read back what `write_evaluation` wrote: the seeds, and their episodes.

    Raises `InputError` where a file is missing, damaged, or not of the others' shape.
    """
    try:
        with open(folder / "episodes.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        with np.load(folder / "monitored.npz") as archive:
            monitored = archive["monitored"]
        shape = monitored.shape[:2]
        columns = {
            name: np.array([float(row[name]) for row in rows]).reshape(shape)
            for name in ("return", *Episodes._fields)
            if name not in ("returns", "monitored")
        }
        seeds = [int(row["seed"]) for row in rows[:: shape[1]]]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise rj.InputError(
            f"{folder} holds no whole evaluation ({first_line(error)}): run "
            "experiments.evaluate on it"
        ) from None
    failed = columns.pop("failed").astype(bool)
    returns = columns.pop("return")
    return seeds, Episodes(
        returns=returns, failed=failed, monitored=monitored, **columns
    )
