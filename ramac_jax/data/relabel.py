"""Stochastic-D4RL: datasets with the penalties of a hazard in their rewards."""

import dataclasses
import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from minari import EpisodeData, MinariDataset

from ramac_jax.data import clipping
from ramac_jax.data.environments import reference_returns
from ramac_jax.data.episode import Reading, identity_scaling
from ramac_jax.data.local_datasets import find_dataset, open_dataset
from ramac_jax.data.penalties import Charger, Summary
from ramac_jax.data.sources import (
    check_environment,
    check_sources,
    evaluation_spec,
    open_sources,
)
from ramac_jax.data.transitions import Collector, Source
from ramac_jax.data.writing import RECORD, check_target, write_dataset
from ramac_jax.envs.hazards import check_hazard
from ramac_jax.errors import InputError
from ramac_jax.tasks import (
    QUANTITIES,
    REFERENCE_RETURNS,
    Hazard,
    find_task,
    hazard_to_json,
)
from ramac_jax.version import __version__


class Relabelled(NamedTuple):
    """A relabelled dataset and its sources."""

    id: str
    summary: Summary
    sources: tuple[Source, ...]
    warning: str | None  # where every step is risky, or no step


def versions() -> dict[str, str]:
    """Return the versions that data depend on."""
    found = {x: importlib.metadata.version(x) for x in ("numpy", "gymnasium", "minari")}
    return found | {"ramac_jax": __version__}


def read_record(dataset_id: str, root: Path | None = None) -> dict[str, Any] | None:
    """Return how this library made a dataset; None for any other dataset.

    The record of a relabelled dataset has hazard (null for no bound), seed, task,
    sources and versions.

    Args:
      dataset_id: Minari id.
      root: folder of the datasets, as in `load_datasets`.
    """
    metadata: dict[str, Any] = open_dataset(dataset_id, root).storage.metadata
    return metadata.get(RECORD)


def relabel_dataset(
    source_ids: Sequence[str],
    dataset_id: str,
    hazard: Hazard,
    seed: int,
    *,
    task: str | None = None,
    robot: str | None = None,
    robot_version: int | None = None,
    clip_actions: bool = False,
    overwrite: bool = False,
    root: Path | None = None,
) -> Relabelled:
    """Join Minari datasets into a new one with the penalties of a hazard.

    Where the hazard ends an episode, the step becomes terminated and the rest of the
    episode is dropped. The environment of the new dataset is that of the task where the
    hazard is the task's own, and otherwise that of the sources with the hazard added.

    Args:
      source_ids: Minari ids.
      dataset_id: Minari id of the new dataset.
      hazard: the rule.
      seed: of the draws, 0 or more.
      task: a name in `TASKS`; None for your own hazard.
      robot: the robot that the sources must have where no task is named; None for any.
      robot_version: of the new dataset's environment, 4 or 5; None: as the sources.
      clip_actions: clip actions of the sources that are beyond their bounds.
      overwrite: whether to replace a dataset of this id.
      root: folder of all datasets, as in `load_datasets`.

    Raises `InputError` for what `load_datasets` or `write_dataset` refuses, sources
    of another robot or with other spaces than the environment, a coordinate that does
    not hold the hazard's quantity, and sources that are relabelled.
    """
    check_hazard(hazard)
    if seed < 0:
        raise InputError(f"seed is {seed}: give 0 or more")
    check_ids(source_ids, dataset_id, overwrite=overwrite, root=root)
    robot = find_task(task).robot if task is not None else robot
    opened = open_sources(source_ids, hazard, robot, root)
    env_spec = evaluation_spec(opened, hazard, task, robot_version)
    check_environment(opened[0], env_spec)
    reading = Reading(identity_scaling(opened[0]), clip_actions=clip_actions)
    collector, charger = Collector(opened, reading), Charger(hazard, seed)
    box = opened[0].action_space if clip_actions else None
    write_dataset(
        dataset_id,
        (charger.charge(within_bounds(x, box)) for x in collector.episodes()),
        observation_space=opened[0].observation_space,
        action_space=opened[0].action_space,
        algorithm_name=join_algorithms(opened),
        description=lambda: describe(
            hazard, seed, charger.summary(), collector.sources
        ),
        env_spec=env_spec,
        reference=find_reference(opened, task),
        record=lambda: make_record(hazard, seed, task, collector.sources),
        overwrite=overwrite,
        root=root,
    )
    summary, sources = charger.summary(), tuple(collector.sources)
    warning = find_warning(hazard, summary.risky_share)
    return Relabelled(id=dataset_id, summary=summary, sources=sources, warning=warning)


def find_reference(
    opened: Sequence[MinariDataset], task: str | None
) -> tuple[float, float] | None:
    """Return the returns of scores 0 and 100: a task's, the data's own, or D4RL's."""
    known = REFERENCE_RETURNS.get(opened[0].env_spec.name)
    if task is not None:
        return known or reference_returns(opened)
    return reference_returns(opened) or known


def within_bounds(
    episode: EpisodeData, box: gymnasium.spaces.Box | None
) -> EpisodeData:
    """Return an episode whose actions are clipped to their bounds; None: as it is."""
    if box is None:
        return episode
    actions, _ = clipping.clip_actions(episode.actions, box.low, box.high)
    return dataclasses.replace(episode, actions=actions)


def make_record(
    hazard: Hazard, seed: int, task: str | None, sources: Sequence[Source]
) -> dict[str, Any]:
    """Return what `read_record` reads from a relabelled dataset."""
    return {
        "hazard": hazard_to_json(hazard),
        "seed": seed,
        "task": task,
        "sources": [source._asdict() for source in sources],
        "versions": versions(),
    }


def check_ids(
    source_ids: Sequence[str], dataset_id: str, *, overwrite: bool, root: Path | None
) -> None:
    """Raise `InputError` for malformed ids, or a target that must not be written."""
    check_sources(source_ids)
    target = check_target(dataset_id, overwrite=overwrite, root=root)
    found = [find_dataset(source_id, root) for source_id in source_ids]
    if target.resolve() in [place.resolve() for place in found if place is not None]:
        raise InputError(f"{dataset_id} would replace its own source: give another id")


def join_algorithms(opened: Sequence[MinariDataset]) -> str:
    """Return the algorithms that acted in the sources, each once."""
    names = [x.storage.metadata.get("algorithm_name") or "unknown" for x in opened]
    return ", ".join(dict.fromkeys(names))


def find_warning(hazard: Hazard, risky_share: float) -> str | None:
    """Return a warning where every step is risky or no step is; otherwise None."""
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
    """Return the description in the dataset's metadata, one paragraph."""
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
