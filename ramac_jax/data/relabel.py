"""Stochastic-D4RL: datasets whose rewards a hazard has charged."""

import importlib.metadata
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from minari import MinariDataset

from ramac_jax.data.loading import (
    Source,
    identity_scaling,
    read_episodes,
    read_transitions,
)
from ramac_jax.data.local_datasets import datasets_root, open_dataset
from ramac_jax.data.penalties import Summary, charge_episodes
from ramac_jax.data.sources import (
    check_environment,
    check_sources,
    evaluation_spec,
    open_sources,
)
from ramac_jax.data.writing import RECORD, check_target, write_dataset
from ramac_jax.envs.hazards import check_hazard
from ramac_jax.errors import InputError
from ramac_jax.tasks import QUANTITIES, REFERENCE_RETURNS, Hazard, find_task
from ramac_jax.version import __version__


class Relabelled(NamedTuple):
    """What a relabelled dataset holds, and what it was made from."""

    id: str
    summary: Summary
    sources: tuple[Source, ...]
    warning: str | None  # where every step is risky, or none


def versions() -> dict[str, str]:
    """The versions that data depend on."""
    found = {x: importlib.metadata.version(x) for x in ("numpy", "gymnasium", "minari")}
    return found | {"ramac_jax": __version__}


def read_record(dataset_id: str) -> dict[str, Any] | None:
    """How this library made a dataset; None of one that it did not make.

    Of a relabelled one: hazard (null for an infinite bound), seed, task, sources and
    versions.
    """
    return open_dataset(dataset_id).storage.metadata.get(RECORD)


def relabel_dataset(
    source_ids: Sequence[str],
    dataset_id: str,
    hazard: Hazard,
    seed: int,
    *,
    task: str | None = None,
    robot: str | None = None,
    robot_version: int | None = None,
    overwrite: bool = False,
) -> Relabelled:
    """Join Minari datasets into a new one whose rewards the hazard has charged.

    Where the hazard ends an episode, the step becomes terminated and the rest of the
    episode is dropped. The new dataset's environment is the task's where the hazard is
    its own, and otherwise the sources' with the hazard around it.

    Args:
      source_ids: Minari ids; one that is not here is downloaded.
      dataset_id: Minari id of the new one.
      hazard: the rule.
      seed: of the draws.
      task: a name in `TASKS`; None for a hazard of your own.
      robot: what the sources must be of where no task is named; None for any.
      robot_version: of the task's environment, 4 or 5; None for the sources'.
      overwrite: whether to replace a dataset of this id.

    Raises `InputError` for whatever `load_datasets` or `write_dataset` refuses, another
    robot or other spaces than the environment's, a coordinate that is not the hazard's
    quantity, and sources that are relabelled.
    """
    check_hazard(hazard)
    if seed < 0:
        raise InputError(f"seed is {seed}: give 0 or more")
    check_places(source_ids, dataset_id, overwrite=overwrite)
    robot = find_task(task).robot if task is not None else robot
    opened = open_sources(source_ids, hazard, robot)
    env_spec = evaluation_spec(opened[0], hazard, task, robot_version)
    check_environment(opened[0], env_spec)
    read = [list(read_episodes(dataset)) for dataset in opened]
    sources = read_transitions(opened, read, identity_scaling(opened[0]))[1]
    episodes, summary = charge_episodes(hazard, [x for own in read for x in own], seed)
    write_dataset(
        dataset_id,
        episodes,
        observation_space=opened[0].observation_space,
        action_space=opened[0].action_space,
        algorithm_name=join_algorithms(opened),
        description=describe(hazard, seed, summary, sources),
        env_spec=env_spec,
        reference=REFERENCE_RETURNS.get(opened[0].env_spec.name),
        record={
            "hazard": hazard._asdict(),
            "seed": seed,
            "task": task,
            "sources": [source._asdict() for source in sources],
            "versions": versions(),
        },
        overwrite=overwrite,
    )
    warning = find_warning(hazard, summary.risky_share)
    return Relabelled(dataset_id, summary, sources, warning)


def check_places(
    source_ids: Sequence[str], dataset_id: str, *, overwrite: bool
) -> None:
    """Raise `InputError` for ids that are none, or one that must not be written."""
    check_sources(source_ids)
    target, root = check_target(dataset_id, overwrite=overwrite), datasets_root()
    if target.resolve() in [(root / source_id).resolve() for source_id in source_ids]:
        raise InputError(f"{dataset_id} would replace its own source: give another id")


def join_algorithms(opened: Sequence[MinariDataset]) -> str:
    """What acted in the sources, each algorithm once."""
    names = [x.storage.metadata.get("algorithm_name") or "unknown" for x in opened]
    return ", ".join(dict.fromkeys(names))


def find_warning(hazard: Hazard, risky_share: float) -> str | None:
    """Say that a hazard makes no difference between one step and another."""
    if 0.0 < risky_share < 1.0:
        return None
    often = "always" if risky_share else "never"
    return (
        f"the hazard {often} fires: a share of {risky_share:g} of the steps is risky; "
        f"check its bounds, [{hazard.low:g}, {hazard.high:g}] "
        f"{QUANTITIES[hazard.quantity]}, and its coordinate, {hazard.coordinate}"
    )


def describe(
    hazard: Hazard, seed: int, summary: Summary, sources: Sequence[Source]
) -> str:
    """One paragraph for whoever finds the dataset."""
    unit = QUANTITIES[hazard.quantity]
    end = ""
    if np.isfinite([hazard.end_low, hazard.end_high]).any():
        end = f" An episode ends outside [{hazard.end_low:g}, {hazard.end_high:g}]."
    origin = ", ".join(f"{x.id} (sha256 {x.sha256[:12]})" for x in sources)
    return (
        f"Stochastic rewards: {hazard.penalty:g} with probability "
        f"{hazard.probability:g} wherever the {hazard.quantity} after a step, "
        f"observation[{hazard.coordinate}], is outside "
        f"[{hazard.low:g}, {hazard.high:g}] {unit}; "
        f"{summary.risky_share:.2%} of the steps are risky and "
        f"{summary.charged_share:.2%} charged.{end} Seed {seed}; made from {origin} "
        f"by ramac_jax {__version__}."
    )
