"""Minari datasets as arrays: read, checked, and put on the scale an agent works in."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from gymnasium.envs.registration import EnvSpec
from minari import EpisodeData, MinariDataset

from ramac_jax.data.local_datasets import (
    check_alike,
    check_spaces,
    damaged,
    open_dataset,
)
from ramac_jax.normalization import Scaling, normalize_observation, scale_action
from ramac_jax.types import Array, Transition
from ramac_jax.validation import (
    ACTION_TOLERANCE,
    InputError,
    check_transitions,
    first_line,
    reject_rows,
)

STD_FLOOR = 1e-3  # a coordinate that hardly moves is not blown up
READ_ERRORS = (OSError, RuntimeError, ValueError, KeyError, TypeError, AssertionError)


class Source(NamedTuple):
    """One dataset that was read, as the record of a run names it."""

    id: str
    env_id: str | None
    episodes: int
    steps: int
    sha256: str  # of the float32 transitions, before normalisation


class OfflineDataset(NamedTuple):
    """Everything that training and acting need to know of the data."""

    transitions: Transition  # [D, ...], in the agent's units
    scaling: Scaling
    sources: tuple[Source, ...]  # in the order of the rows
    env_spec: EnvSpec | None  # for gymnasium.make, where the data names one


def load_datasets(ids: Sequence[str], *, normalize: bool = False) -> OfflineDataset:
    """Read Minari datasets, one after the other, into the transitions of one.

    Args:
      ids: Minari ids; one that is not here is downloaded.
      normalize: whether to give each observation coordinate mean 0 and deviation 1.

    Raises `InputError` for an id that cannot be had, a damaged file, spaces that are
    not flat and continuous or that differ between the ids, and rows that
    `check_transitions` refuses, with their dataset and episode.
    """
    if not ids:
        raise InputError("no dataset is named: give at least one Minari id")
    opened = [open_dataset(dataset_id) for dataset_id in ids]
    for dataset in opened:
        check_spaces(dataset)
        check_alike(opened[0], dataset)
    scaling = identity_scaling(opened[0])
    episodes = [read_episodes(dataset) for dataset in opened]
    transitions, sources = read_transitions(opened, episodes, scaling)
    if normalize:
        scaling = measure_observations(scaling, transitions.observation)
        for array in (transitions.observation, transitions.next_observation):
            array[:] = normalize_observation(scaling, array)
    transitions, scaling = jax.device_put((transitions, scaling))
    return OfflineDataset(transitions, scaling, sources, opened[0].env_spec)


def float32(values: Any) -> Any:
    """A NumPy array, where the vocabulary says Array; too large a number is inf."""
    with np.errstate(over="ignore"):
        return np.asarray(values, np.float32)


def float32_array(*shape: int) -> Any:
    """A NumPy array to be filled."""
    return np.empty(shape, np.float32)


def identity_scaling(dataset: MinariDataset) -> Scaling:
    """The scaling that leaves observations as they are."""
    shape, box = dataset.observation_space.shape, dataset.action_space
    return Scaling(
        observation_mean=float32(np.zeros(shape)),
        observation_std=float32(np.ones(shape)),
        action_low=float32(box.low),
        action_high=float32(box.high),
    )


def measure_observations(scaling: Scaling, observation: Array) -> Scaling:
    """Take mean and deviation of observations [D, O], summed in float64."""
    mean = np.mean(observation, axis=0, dtype=np.float64)
    std = np.std(observation, axis=0, dtype=np.float64)
    return scaling._replace(
        observation_mean=float32(mean),
        observation_std=float32(np.maximum(std, STD_FLOOR)),
    )


def read_episodes(dataset: MinariDataset) -> Iterator[EpisodeData]:
    """The episodes of a dataset as they are stored; `InputError` for a damaged file."""
    try:
        yield from dataset.iterate_episodes()
    except READ_ERRORS as error:
        raise damaged(dataset.id, error) from error


def read_transitions(
    opened: Sequence[MinariDataset],
    episodes: Sequence[Iterable[EpisodeData]],
    scaling: Scaling,
) -> tuple[Transition, tuple[Source, ...]]:
    """Check every episode and put it into NumPy transitions [D, ...], actions scaled.

    The arrays are made once, at the size that the metadata tell, and filled.

    Args:
      opened: the datasets.
      episodes: of each dataset, read already or as they are asked for.
      scaling: of the actions.
    """
    for dataset in opened:
        if not dataset.total_episodes:
            raise InputError(f"dataset {dataset.id} is empty: it has no episode")
    width, size = scaling.observation_mean.shape, scaling.action_low.shape
    shapes = (width, size, (), width, ())
    total = sum(dataset.total_steps for dataset in opened)
    try:
        arrays = Transition(*(float32_array(total, *x) for x in shapes))
    except (MemoryError, ValueError) as error:
        ids = ", ".join(dataset.id for dataset in opened)
        raise InputError(
            f"no room for the {total} steps of {ids} ({first_line(error)}): join fewer "
            "datasets, or fetch one whose metadata are damaged anew"
        ) from error
    sources, start = [], 0
    for dataset, own in zip(opened, episodes, strict=True):
        stop = start + dataset.total_steps
        rows = Transition(*(x[start:stop] for x in arrays))
        fill(dataset, own, rows, scaling)
        sources.append(describe_source(dataset, rows))
        start = stop
    return arrays, tuple(sources)


def fill(
    dataset: MinariDataset,
    episodes: Iterable[EpisodeData],
    rows: Transition,
    scaling: Scaling,
) -> None:
    """Put the episodes of a dataset into its own rows, exactly as many."""
    size, stop = len(rows.reward), 0
    try:
        for episode in episodes:
            transitions = read_episode(dataset.id, episode, scaling)
            start, stop = stop, stop + len(transitions.reward)
            if stop <= size:
                for array, values in zip(rows, transitions, strict=True):
                    array[start:stop] = values
    except InputError:
        raise
    except READ_ERRORS as error:
        raise damaged(dataset.id, error) from error
    if stop != size:
        raise InputError(
            f"dataset {dataset.id} holds {stop} steps and its metadata tell {size}: "
            "fetch or make it anew"
        )


def read_episode(dataset_id: str, episode: EpisodeData, scaling: Scaling) -> Transition:
    """Cut an episode of T steps and T + 1 observations into T checked transitions.

    A truncated step keeps its true next observation and is not terminated.
    """
    where = f"dataset {dataset_id}, episode {episode.id}"
    if not len(episode.rewards):
        raise InputError(f"{where}: it has no step; leave it out")
    observation = float32(episode.observations)
    raw_action = float32(episode.actions)
    for name, value, width in (
        ("observations", observation, scaling.observation_mean.shape),
        ("actions", raw_action, scaling.action_low.shape),
    ):
        if value.shape[1:] != width:
            raise InputError(
                f"{where}: {name} have shape {list(value.shape)} and their space "
                f"{list(width)}; fetch or make it anew"
            )
    low, high = scaling.action_low, scaling.action_high
    slack = ACTION_TOLERANCE * (high - low)
    outside = (raw_action < low - slack) | (raw_action > high + slack)
    transitions = Transition(
        observation=observation[:-1],
        action=scale_action(scaling, raw_action),
        reward=float32(episode.rewards),
        next_observation=observation[1:],
        terminated=float32(episode.terminations),
    )
    try:
        reject_rows("action", outside, raw_action, "outside its space", "mend the data")
        check_transitions(transitions)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return transitions


def describe_source(dataset: MinariDataset, transitions: Transition) -> Source:
    """Record which dataset gave these transitions, with a hash of their bytes."""
    digest = hashlib.sha256()
    for array in transitions:
        digest.update(np.ascontiguousarray(array).reshape(-1).data)
    return Source(
        id=dataset.id,
        env_id=dataset.env_spec.id if dataset.env_spec else None,
        episodes=dataset.total_episodes,
        steps=len(transitions.reward),
        sha256=digest.hexdigest(),
    )
