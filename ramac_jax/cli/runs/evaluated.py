"""Evaluated runs read back from their folders, ready to be compared."""

import collections
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ramac_jax as rj
from ramac_jax.acting import recorded_options
from ramac_jax.cli.runs.acting import with_acting
from ramac_jax.cli.runs.records import Run, score_episodes
from ramac_jax.cli.runs.results import read_evaluation
from ramac_jax.data.environments import CHANGE_NOTHING
from ramac_jax.errors import show
from ramac_jax.evaluation.summary import D4RL_HORIZON
from ramac_jax.tasks import hazard_from_json


def read_run(folder: Path, level: float, name: str | None) -> Run:
    """Read the evaluation of a run.

    Args:
      folder: of the run.
      level: of the CVaR.
      name: of the run; None: the name of its preset, or else of its folder.

    Its name ends with its acting options, unless the agents act as trained. Raises
    `InputError` for a damaged evaluation.
    """
    record, episodes = read_evaluation(folder)
    settings = record["settings"]
    hazard = settings.get("hazard")
    acting = recorded_options(settings)
    name = with_acting(name or default_name(folder, record), acting)
    selection = record.get("selection")
    if selection is not None:
        name += f", selected among {selection['num_settings']}"
    seeds, reference = record["seeds"], settings["reference"]
    horizon = settings.get("reference_horizon", D4RL_HORIZON)
    scored = score_episodes(name, episodes, seeds, level, reference, horizon)
    if selection is not None:
        notes = [*scored.summary["notes"], selection["sentence"].rstrip(".")]
        scored = scored._replace(summary={**scored.summary, "notes": notes})
    return Run(
        task=settings.get("task") or settings["env_id"],
        horizon=settings["horizon"],
        hazard=None if hazard is None else hazard_from_json(hazard),
        scored=scored,
        record=record,
    )


def default_name(folder: Path, record: Mapping[str, Any]) -> str:
    """Return the name of the run's preset, or else of its folder."""
    source, _, name = (record["run"].get("preset") or "").rpartition("/")
    return "published" if source == "published" else name or folder.resolve().name


def name_apart(runs: Sequence[Run], folders: Sequence[Path]) -> list[Run]:
    """Return the runs with their folders in the names that several runs share.

    Raises `InputError` if the runs of a task, or of an environment where there is no
    task, have different horizons or another environment.
    """
    for run, folder in zip(runs, folders, strict=True):
        first = next(x for x in runs if x.task == run.task)
        if run.horizon != first.horizon:
            raise rj.InputError(
                f"{folder} was evaluated over {run.horizon} steps, others of "
                f"{first.task} over {first.horizon}: evaluate all over the same"
            )
        here, there = environment_facts(run), environment_facts(first)
        for name in here:
            if here[name] != there[name]:
                raise rj.InputError(
                    f"{folder} was evaluated in {run.task} with {name} "
                    f"{show(here[name])}, others with {show(there[name])}: evaluate "
                    "all in the same, or report them apart"
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


def environment_facts(run: Run) -> dict[str, Any]:
    """Return what runs must have in common to be compared, besides the task."""
    spec = json.loads(run.record["settings"].get("env") or "{}")
    wrappers = [[x["name"], x["kwargs"]] for x in spec.get("additional_wrappers", ())]
    return {
        "hazard": run.record["settings"].get("hazard"),
        "kwargs": spec.get("kwargs", {}),
        "wrappers": [x for x in wrappers if x[0] not in CHANGE_NOTHING],
    }


def by_task(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Return the runs of each task, in their order."""
    return {run.task: [x for x in runs if x.task == run.task] for run in runs}
