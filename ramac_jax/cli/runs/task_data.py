"""The stochastic dataset of a task: the one on disk, or a new one."""

from collections.abc import Sequence
from typing import Any

from ramac_jax.cli import console
from ramac_jax.data.local_datasets import is_local
from ramac_jax.data.relabel import Relabelled, read_record, relabel_dataset
from ramac_jax.errors import InputError
from ramac_jax.tasks import find_task, hazard_to_json


def find_or_make(task: str, sources: Sequence[str], seed: int) -> str:
    """Return the id of the task's stochastic dataset; make it where there is none.

    A single source that is a dataset of the task itself is the one returned, whatever
    its own seed and sources, which its record holds.

    Args:
      task: a name in `TASKS`.
      sources: Minari ids; (): the task's own sources on the public hub.
      seed: of the draws of the penalties.

    Raises `InputError` where the dataset on disk has another record, and where
    `relabel_dataset` does.
    """
    if len(sources) == 1 and is_of_task(sources[0], task):
        return sources[0]
    facts = find_task(task)
    if is_local(facts.dataset_id):
        check_record(facts.dataset_id, task, sources, seed)
        return facts.dataset_id
    sources = sources or facts.hub_datasets
    if not sources:
        raise InputError(
            f"the public hub has no data for {task}: convert D4RL's own file with "
            "ramac data convert, and give its id as --dataset"
        )
    made = relabel_dataset(sources, facts.dataset_id, facts.hazard, seed, task=task)
    print_made(made)
    return facts.dataset_id


def print_made(relabelled: Relabelled) -> None:
    """Print a new dataset in one line, after its warning."""
    if relabelled.warning:
        console.warn(relabelled.warning)
    console.CONSOLE.print(
        f"made {relabelled.id}: {relabelled.summary.steps} steps, "
        f"{relabelled.summary.risky_share:.1%} of them risky",
        soft_wrap=True,
    )


def is_of_task(dataset_id: str, task: str) -> bool:
    """Return whether a dataset is on disk and has the task's own hazard."""
    if not is_local(dataset_id):
        return False
    made = read_record(dataset_id) or {}
    hazard = hazard_to_json(find_task(task).hazard)
    return made.get("task") == task and made.get("hazard") == hazard


def check_record(dataset_id: str, task: str, sources: Sequence[str], seed: int) -> None:
    """Raise `InputError` unless a dataset was made with this seed and these sources."""
    made = read_record(dataset_id) or {}
    hazard = hazard_to_json(find_task(task).hazard)
    asked: dict[str, Any] = {"hazard": hazard, "seed": seed}
    if sources:
        asked["sources"] = list(sources)
        made |= {"sources": [source["id"] for source in made.get("sources", ())]}
    for name, value in asked.items():
        if made.get(name) != value:
            raise InputError(
                f"dataset {dataset_id} was made with {name} {made.get(name)}, not "
                f"{value}: ask for that, or make it again with ramac data "
                "relabel --overwrite"
            )
