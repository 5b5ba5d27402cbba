"""Stochastic-D4RL: datasets whose rewards a hazard has charged.

The draws come from the seed alone, one for each step of the sources in order, so that
the same call gives the same bytes.
"""

import importlib.metadata
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from minari import EpisodeData
from minari.data_collector.episode_buffer import EpisodeBuffer

from ramac_jax.tasks.datasets import Source, load_datasets
from ramac_jax.tasks.hazards import (
    QUANTITIES,
    TASKS,
    Hazard,
    check_hazard,
    find_task,
    is_end,
    is_risky,
    penalties,
)
from ramac_jax.tasks.opening import open_dataset
from ramac_jax.tasks.sources import check_environment, evaluation_spec, open_sources
from ramac_jax.tasks.writing import RECORD, check_target, write_dataset
from ramac_jax.validation import InputError
from ramac_jax.version import __version__


class Relabelled(NamedTuple):
    """What a relabelled dataset holds; shares and means are of its own steps."""

    id: str
    episodes: int
    steps: int
    risky_share: float  # of the steps whose next state is risky
    charged_share: float  # of the steps that paid the penalty
    reward_before: float  # mean
    reward_after: float
    ended: int  # episodes that the hazard ended
    dropped: int  # steps that the sources had after such an end
    sources: tuple[Source, ...]
    warning: str | None  # where every step is risky, or none


def stochastic_id(task: str) -> str:
    """The Minari id under which a task's dataset goes where no other is given."""
    robot = find_task(task).robot.lower()
    return f"stochastic/{robot}/{task.removeprefix(robot + '-')}-v0"


def reference_returns(robot: str) -> tuple[float, float] | None:
    """D4RL's returns of a random and of an expert policy; None of another robot."""
    found = [x for x in TASKS.values() if x.robot == robot]
    return (found[0].random_return, found[0].expert_return) if found else None


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


def relabel_rewards(
    hazard: Hazard, reward: np.ndarray, quantity: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Charge each step [D]: its new reward, the penalty in it, and whether it is risky.

    Args:
      hazard: the rule.
      reward: base rewards [D].
      quantity: the watched quantity [D] after each step.
      seed: of the draws, one for each step in order, in float64.
    """
    draws = np.random.default_rng(seed).random(len(reward))
    charge = penalties(hazard, quantity, draws)
    return reward + charge, charge, is_risky(hazard, quantity)


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
    robot or other spaces than the environment's, and sources that are relabelled.
    """
    check_hazard(hazard)
    if seed < 0:
        raise InputError(f"seed is {seed}: give 0 or more")
    check_target(dataset_id, overwrite=overwrite)
    if dataset_id in source_ids:
        raise InputError(f"{dataset_id} would replace its own source: give another id")
    robot = find_task(task).robot if task is not None else robot
    opened = open_sources(source_ids, hazard, robot)
    env_spec = evaluation_spec(opened[0], hazard, task, robot_version)
    check_environment(opened[0], env_spec)
    sources = load_datasets(source_ids).sources  # it checks every row, too

    episodes = [x for dataset in opened for x in dataset.iterate_episodes()]
    base = np.concatenate([np.asarray(x.rewards, np.float64) for x in episodes])
    terminated = np.concatenate([np.asarray(x.terminations, bool) for x in episodes])
    quantity = np.concatenate([x.observations[1:, hazard.coordinate] for x in episodes])
    reward, charge, risky = relabel_rewards(hazard, base, quantity, seed)
    ends = is_end(hazard, quantity)
    buffers, kept = cut_episodes(episodes, reward, ends)
    summary = Relabelled(
        id=dataset_id,
        episodes=len(buffers),
        steps=int(kept.sum()),
        risky_share=float(risky[kept].mean()),
        charged_share=float((charge[kept] != 0).mean()),
        reward_before=float(base[kept].mean()),
        reward_after=float(reward[kept].mean()),
        ended=int((ends & kept & ~terminated).sum()),
        dropped=int((~kept).sum()),
        sources=sources,
        warning=find_warning(hazard, float(risky[kept].mean())),
    )
    write_dataset(
        dataset_id,
        buffers,
        observation_space=opened[0].observation_space,
        action_space=opened[0].action_space,
        algorithm_name=opened[0].storage.metadata.get("algorithm_name", "unknown"),
        description=describe(hazard, seed, summary),
        env_spec=env_spec,
        reference=reference_returns(opened[0].env_spec.name),
        record={
            "hazard": hazard._asdict(),
            "seed": seed,
            "task": task,
            "sources": [source._asdict() for source in sources],
            "versions": versions(),
        },
        overwrite=overwrite,
    )
    return summary


def cut_episodes(
    episodes: Sequence[EpisodeData], reward: np.ndarray, ends: np.ndarray
) -> tuple[list[EpisodeBuffer], np.ndarray]:
    """Give episodes their rewards [D], each cut at the first of its `ends` [D].

    Returns the episodes, and which steps [D] they keep.
    """
    buffers, kept, start = [], np.ones(len(reward), bool), 0
    for episode in episodes:
        stop = start + len(episode.rewards)
        found = np.flatnonzero(ends[start:stop])
        steps = int(found[0]) + 1 if found.size else stop - start
        terminated = np.array(episode.terminations[:steps], bool)
        truncated = np.array(episode.truncations[:steps], bool)
        if found.size:
            terminated[-1], truncated[-1] = True, False
        buffers.append(
            EpisodeBuffer(
                observations=episode.observations[: steps + 1],
                actions=episode.actions[:steps],
                rewards=reward[start : start + steps],
                terminations=terminated,
                truncations=truncated,
            )
        )
        kept[start + steps : stop] = False
        start = stop
    return buffers, kept


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


def describe(hazard: Hazard, seed: int, summary: Relabelled) -> str:
    """One paragraph for whoever finds the dataset."""
    unit = QUANTITIES[hazard.quantity]
    end = ""
    if np.isfinite([hazard.end_low, hazard.end_high]).any():
        end = f" An episode ends outside [{hazard.end_low:g}, {hazard.end_high:g}]."
    return (
        f"Stochastic rewards: {hazard.penalty:g} with probability "
        f"{hazard.probability:g} wherever the {hazard.quantity} after a step, "
        f"observation[{hazard.coordinate}], is outside "
        f"[{hazard.low:g}, {hazard.high:g}] {unit}; "
        f"{summary.risky_share:.2%} of the steps are risky and "
        f"{summary.charged_share:.2%} charged.{end} Seed {seed}; made from "
        f"{', '.join(source.id for source in summary.sources)} by ramac_jax "
        f"{__version__}."
    )
