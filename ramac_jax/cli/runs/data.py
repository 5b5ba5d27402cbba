"""The data of a run: found on disk, downloaded, or made from the sources of a task."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from ramac_jax.cli import console
from ramac_jax.cli.options.dataset import DatasetSpec
from ramac_jax.data.loading import OfflineDataset, load_datasets
from ramac_jax.data.local_datasets import is_local
from ramac_jax.data.relabel import Relabelled, read_record, relabel_dataset
from ramac_jax.data.transitions import Source, clipping_of
from ramac_jax.devices import (
    check_same,
    first_host_first,
    is_first_host,
    on_every_host,
)
from ramac_jax.errors import InputError
from ramac_jax.tasks import find_task, hazard_to_json


class DataPlan(NamedTuple):
    """Where the data of a run come from."""

    ids: tuple[str, ...]
    """Minari ids to train on."""
    made_from: tuple[str, ...] = ()
    """Sources of the task's stochastic dataset, which is not on disk; () if it is."""

    def missing(self) -> list[str]:
        """Return the ids that are not on disk and that the plan does not make."""
        return [name for name in self.made_from or self.ids if not is_local(name)]


def plan_data(spec: DatasetSpec) -> DataPlan:
    """Find the data of a run, and change nothing.

    A single dataset that is one of the task itself is the one to train on, whatever its
    seed and its sources, which its record holds.

    Raises `InputError` where the task's dataset on disk has another record, and where
    the public hub has no data for the task.
    """
    if spec.task is None:
        return DataPlan(spec.dataset)
    if len(spec.dataset) == 1 and is_of_task(spec.dataset[0], spec.task):
        return DataPlan(spec.dataset)
    facts = find_task(spec.task)
    if is_local(facts.dataset_id):
        check_record(facts.dataset_id, spec.task, spec.dataset, spec.data_seed)
        return DataPlan((facts.dataset_id,))
    sources = spec.dataset or facts.hub_datasets
    if not sources:
        raise InputError(
            f"the public hub has no data for {spec.task}: convert D4RL's own file with "
            "ramac data convert, and make the task's of it with ramac data relabel "
            f"--task {spec.task} --source ID"
        )
    return DataPlan((facts.dataset_id,), tuple(sources))


def find_or_make(spec: DatasetSpec) -> tuple[str, ...]:
    """Return the Minari ids to train on; make the stochastic dataset if need be."""
    plan = plan_data(spec)
    announce_downloads(plan.missing())
    if plan.made_from:
        facts = find_task(str(spec.task))
        (dataset_id,) = plan.ids
        made = relabel_dataset(
            plan.made_from,
            dataset_id,
            facts.hazard,
            spec.data_seed,
            task=spec.task,
            clip_actions=spec.clip_actions,
        )
        print_made(made)
    return plan.ids


def announce_downloads(missing: Sequence[str]) -> None:
    """Print which datasets are not on this machine, before they are looked for."""
    if missing:
        console.note(
            f"looking on the public hub for {', '.join(missing)}: not on this machine"
        )


def load_data(spec: DatasetSpec) -> OfflineDataset:
    """Load the data of a run, rewards scaled; the first host makes what is missing.

    Raises `InputError` on every host where their data differ, or one has none.
    """
    ids = first_host_first(lambda: find_or_make(spec))
    dataset = on_every_host(
        lambda: load_datasets(
            ids, normalize=spec.normalize, clip_actions=spec.clip_actions
        )
    )
    check_same({f"the hash of {x.id}": x.sha256 for x in dataset.sources})
    if is_first_host():
        report_clipping(dataset.sources)
    transitions = dataset.transitions
    rewards = spec.reward_scale * transitions.reward
    return dataset._replace(transitions=transitions._replace(reward=rewards))


def print_made(relabelled: Relabelled) -> None:
    """Print a new dataset in one line, after its warning."""
    if relabelled.warning:
        console.warn(relabelled.warning)
    console.note(
        f"made {relabelled.id}: {relabelled.summary.steps} steps, "
        f"{relabelled.summary.risky_share:.1%} of them risky"
    )
    report_clipping(relabelled.sources)


def report_clipping(sources: Sequence[Source]) -> None:
    """Print what was clipped of actions, in one line; nothing where nothing was."""
    clipping = clipping_of(sources)
    if clipping.steps:
        console.note(clipping.describe(sum(source.steps for source in sources)))


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
