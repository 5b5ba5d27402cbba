"""Evaluated runs read back from their folders, ready to be compared."""

import collections
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ramac_jax as rj
from ramac_jax.acting import recorded_options
from ramac_jax.cli.runs.acting import with_acting
from ramac_jax.cli.runs.records import Run, score_episodes
from ramac_jax.cli.runs.results import read_evaluation
from ramac_jax.tasks import hazard_from_json


def read_run(folder: Path, level: float, name: str | None) -> Run:
    """Read the evaluation of a run.

    Args:
      folder: of the run.
      level: of the CVaR.
      name: of the run; None: the name of its preset, or else of its folder.

    Its name ends with its acting options, unless the agents act as trained. Raises
    `InputError` for a damaged evaluation and for one without a task.
    """
    record, episodes = read_evaluation(folder)
    settings = record["settings"]
    task, hazard = settings.get("task"), settings.get("hazard")
    if task is None or hazard is None:
        raise rj.InputError(
            f"{folder} was evaluated without a task: report compares runs on tasks"
        )
    acting = recorded_options(settings)
    name = with_acting(name or default_name(folder, record), acting)
    selection = record.get("selection")
    if selection is not None:
        name += f", selected among {selection['num_settings']}"
    seeds, reference = record["seeds"], settings["reference"]
    scored = score_episodes(name, episodes, seeds, level, reference)
    if selection is not None:
        notes = [*scored.summary["notes"], selection["sentence"].rstrip(".")]
        scored = scored._replace(summary={**scored.summary, "notes": notes})
    return Run(
        task=task,
        horizon=settings["horizon"],
        hazard=hazard_from_json(hazard),
        scored=scored,
        record=record,
    )


def default_name(folder: Path, record: Mapping[str, Any]) -> str:
    """Return the name of the run's preset, or else of its folder."""
    source, _, name = (record["run"].get("preset") or "").rpartition("/")
    return "published" if source == "published" else name or folder.resolve().name


def name_apart(runs: Sequence[Run], folders: Sequence[Path]) -> list[Run]:
    """Return the runs with their folders in the names that several runs share.

    Raises `InputError` if the runs of a task have different horizons.
    """
    for run, folder in zip(runs, folders, strict=True):
        first = next(x for x in runs if x.task == run.task)
        if run.horizon != first.horizon:
            raise rj.InputError(
                f"{folder} was evaluated over {run.horizon} steps, others of "
                f"{first.task} over {first.horizon}: evaluate all over the same"
            )
    names = collections.Counter((run.task, run.scored.name) for run in runs)
    return [
        run
        if names[run.task, run.scored.name] == 1
        else run._replace(
            scored=run.scored._replace(name=f"{run.scored.name} ({folder})")
        )
        for run, folder in zip(runs, folders, strict=True)
    ]
