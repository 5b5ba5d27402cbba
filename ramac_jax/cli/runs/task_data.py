"""A task's stochastic dataset: found, or made from what it is made of."""

from collections.abc import Sequence
from typing import Any

import ramac_jax as rj
from ramac_jax.cli import console
from ramac_jax.data import relabel as relabelling
from ramac_jax.data.local_datasets import is_local
from ramac_jax.data.writing import strict
from ramac_jax.tasks import TASKS, find_task


def find_or_make(task: str, sources: Sequence[str], seed: int) -> str:
    """The id of the task's stochastic dataset, made where it is not here yet.

    A single source that is such a dataset itself is used as it is, whatever its seed
    and its sources: its record tells them.

    Raises `InputError` where the one that is here was made otherwise than asked for.
    """
    if len(sources) == 1 and is_of_task(sources[0], task):
        return sources[0]
    dataset_id = find_task(task).dataset_id
    if is_local(dataset_id):
        check_record(dataset_id, task, sources, seed)
        return dataset_id
    sources = sources or TASKS[task].hub_datasets
    if not sources:
        raise rj.InputError(
            f"the public hub has no data for {task}: convert D4RL's own file with "
            "ramac data convert, and give its id as --dataset"
        )
    relabelled = relabelling.relabel_dataset(
        sources, dataset_id, TASKS[task].hazard, seed, task=task
    )
    if relabelled.warning:
        console.warn(relabelled.warning)
    console.CONSOLE.print(
        f"made {dataset_id}: {relabelled.summary.steps} steps, "
        f"{relabelled.summary.risky_share:.1%} of them risky",
        soft_wrap=True,
    )
    return dataset_id


def is_of_task(dataset_id: str, task: str) -> bool:
    """Whether a dataset is here and charged with a task's own hazard."""
    if not is_local(dataset_id):
        return False
    made = relabelling.read_record(dataset_id) or {}
    hazard = strict(TASKS[task].hazard._asdict())
    return made.get("task") == task and made.get("hazard") == hazard


def check_record(dataset_id: str, task: str, sources: Sequence[str], seed: int) -> None:
    """Raise `InputError` unless a dataset was made with these, or any, sources."""
    made = relabelling.read_record(dataset_id) or {}
    hazard = strict(TASKS[task].hazard._asdict())
    asked: dict[str, Any] = {"hazard": hazard, "seed": seed}
    if sources:
        asked["sources"] = list(sources)
        made |= {"sources": [source["id"] for source in made.get("sources", ())]}
    for name, value in asked.items():
        if made.get(name) != value:
            raise rj.InputError(
                f"dataset {dataset_id} was made with {name} {made.get(name)}, not "
                f"{value}: ask for that, or make it anew with ramac data "
                "relabel --overwrite"
            )
