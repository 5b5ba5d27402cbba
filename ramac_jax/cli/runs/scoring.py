"""From a trained policy to figures in files: what evaluate and train share."""

import csv
import dataclasses
import functools
import json
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

import ramac_jax as rj
from ramac_jax.cli import console, folders, provenance
from ramac_jax.cli.options.evaluation import Settings
from ramac_jax.cli.reporting.figures.runs import draw_returns
from ramac_jax.cli.reporting.figures.style import DPI
from ramac_jax.cli.runs.records import score_episodes
from ramac_jax.devices.hosts import join_hosts, rows_of_host
from ramac_jax.evaluation import Environments, Episodes, evaluate
from ramac_jax.evaluation.statistics import normalized_score
from ramac_jax.files import write_json
from ramac_jax.policy import Policy
from ramac_jax.validation import first_line

EPISODES, MONITORED, RETURNS = "episodes.csv", "monitored.npz", "returns.png"
EVALUATION = "evaluation.json"
AT_ONCE = 16  # agents that play side by side, each with several simulators
FILES = (EPISODES, MONITORED, RETURNS, EVALUATION)


def play(
    policy: Policy,
    seeds: Sequence[int],
    settings: Settings,
    *,
    environments: Environments | None = None,
    first: int = 0,
    progress: bool = False,
    cancelled: threading.Event | None = None,
) -> Episodes:
    """Run every agent of a policy through its episodes.

    Args:
      policy: the agents, one for each seed.
      seeds: what to call them.
      settings: how to evaluate.
      environments: open ones of the settings' kind and horizon, kept open; None: made.
      first: number of the first agent; agent p plays the episodes of its number.
      progress: show a bar.
      cancelled: polled after each step; once it is set, `Cancelled` is raised.

    Several hosts play a share of the agents each.

    Raises `InputError` where policy, seeds and environment do not fit.
    """
    if len(seeds) != policy.population:
        raise rj.InputError(
            f"the checkpoint holds {policy.population} agents and the run names "
            f"{len(seeds)} seeds: they are not of one run"
        )
    if environments is None:
        with Environments(
            settings.env, horizon=settings.horizon, num_workers=settings.workers
        ) as made:
            return play(
                policy,
                seeds,
                settings,
                environments=made,
                first=first,
                progress=progress,
                cancelled=cancelled,
            )
    mine = rows_of_host(policy.population)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    played: list[Episodes] = []
    with Progress(*columns, console=console.CONSOLE, disable=not progress) as bar:
        task = bar.add_task(
            f"{policy.population} agents, {settings.env.id}", total=len(mine)
        )

        def on_step(start: int, size: int, done: int, total: int) -> bool:
            bar.update(task, completed=start + size * done / total)
            return cancelled is not None and cancelled.is_set()

        for start in range(0, len(mine), AT_ONCE):
            some = mine[start : start + AT_ONCE]
            played.append(
                evaluate(
                    dataclasses.replace(policy, params=pick(policy.params, some)),
                    environments,
                    num_episodes=settings.episodes,
                    seed=settings.seed + (first + int(some[0])) * settings.episodes,
                    on_step=functools.partial(on_step, start, len(some)),
                )
            )
    together = jax.tree.map(lambda *x: np.concatenate(x), *played)
    return join_hosts(together, policy.population)


def pick(params: Any, rows: np.ndarray) -> Any:
    """The parameters of some agents."""
    return jax.tree.map(lambda x: x[rows], params)


def write_evaluation(
    folder: Path,
    episodes: Episodes,
    seeds: Sequence[int],
    settings: Settings,
    *,
    command: str,
    run: Mapping[str, Any],
) -> Mapping[str, Any]:
    """Write `FILES`, each whole or not at all, evaluation.json last; the summary.

    Args:
      folder: where to; made if it is not there.
      episodes: of the agents.
      seeds: what to call the agents.
      settings: how they were evaluated.
      command: that repeats it.
      run: the record of the run that trained them, {} if unknown.
    """
    scored = score_episodes(
        str(run.get("preset") or settings.env.id),
        episodes,
        seeds,
        settings.level,
        settings.reference,
    )
    folders.writable_folder(folder)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as drafts:
        with open(Path(drafts, EPISODES), "w", newline="") as file:
            rows = episode_rows(episodes, seeds, settings)
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        np.savez_compressed(Path(drafts, MONITORED), monitored=episodes.monitored)
        figure = draw_returns([scored], settings.level)
        figure.savefig(Path(drafts, RETURNS), dpi=DPI)
        for name in (EPISODES, MONITORED, RETURNS):
            Path(drafts, name).replace(folder / name)
    record = {
        "command": command,
        "settings": settings.record(),
        "seeds": list(seeds),
        "summary": scored.summary,
        "run": run,
        "versions": provenance.versions(),
        "git_commit": provenance.git_commit(),
        "device": jax.devices()[0].device_kind,
    }
    write_json(folder / EVALUATION, record)
    return scored.summary


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


def read_evaluation(folder: Path) -> tuple[dict[str, Any], Episodes]:
    """Read back what `write_evaluation` wrote: the record, and the episodes.

    Raises `InputError` where a file is missing, damaged, or not of the others' shape.
    """
    try:
        record = json.loads((folder / EVALUATION).read_text())
        with open(folder / EPISODES, newline="") as file:
            rows = list(csv.DictReader(file))
        with np.load(folder / MONITORED) as archive:
            monitored = archive["monitored"]
        shape = (len(record["seeds"]), record["settings"]["episodes"])
        columns = {
            name: np.array([float(row[name]) for row in rows]).reshape(shape)
            for name in ("return", *Episodes._fields)
            if name not in ("returns", "monitored")
        }
        monitored = monitored.reshape(*shape, record["settings"]["horizon"])
    except Exception as error:  # damage shows itself in as many ways as there are bytes
        raise rj.InputError(
            f"{folder} holds no whole evaluation ({first_line(error)}): run "
            "ramac evaluate on it"
        ) from None
    failed = columns.pop("failed").astype(bool)
    returns = columns.pop("return")
    episodes = Episodes(returns=returns, failed=failed, monitored=monitored, **columns)
    return record, episodes


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table; none where it was not written."""
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))
