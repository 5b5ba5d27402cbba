"""Episodes of Minari datasets as checked NumPy transitions."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from minari import EpisodeData, MinariDataset

from ramac_jax.data.read_errors import unreadable
from ramac_jax.errors import InputError, first_line
from ramac_jax.normalization import Scaling, scale_action
from ramac_jax.returns import steps_to_end
from ramac_jax.types import Transition
from ramac_jax.validation import ACTION_TOLERANCE, check_transitions, reject_rows

READ_ERRORS = (OSError, RuntimeError, ValueError, KeyError, TypeError, AssertionError)
"""What the storage libraries raise for a file that they cannot read."""


class Source(NamedTuple):
    """One dataset that was read, as the record of a run names it."""

    id: str
    env_id: str | None
    episodes: int
    steps: int
    sha256: str  # of the float32 transitions, before observations are normalized


def float32(values: Any) -> Any:
    """Return a float32 NumPy array; a number beyond float32's range becomes inf."""
    with np.errstate(over="ignore"):
        return np.asarray(values, np.float32)


def identity_scaling(dataset: MinariDataset) -> Scaling:
    """Return the scaling that leaves observations as they are."""
    shape, box = dataset.observation_space.shape, dataset.action_space
    return Scaling(
        observation_mean=float32(np.zeros(shape)),
        observation_std=float32(np.ones(shape)),
        action_low=float32(box.low),
        action_high=float32(box.high),
    )


def read_episodes(dataset: MinariDataset) -> Iterator[EpisodeData]:
    """Yield the stored episodes of a dataset; `InputError` where that fails."""
    try:
        yield from dataset.iterate_episodes()
    except READ_ERRORS as error:
        raise unreadable(dataset.id, error) from error


def read_transitions(
    opened: Sequence[MinariDataset],
    episodes: Sequence[Iterable[EpisodeData]],
    scaling: Scaling,
) -> tuple[Transition, tuple[Source, ...]]:
    """Check every episode and collect all of them as transitions [D, ...].

    The arrays are allocated once, at the size that the metadata name, and filled.

    Args:
      opened: the datasets.
      episodes: of each dataset.
      scaling: of the actions.

    Raises `InputError` for a dataset without episodes, metadata that name another
    number of steps than the file holds, and every row that is unsound.
    """
    for dataset in opened:
        if not dataset.total_episodes:
            raise InputError(f"dataset {dataset.id} is empty: it has no episode")
    arrays = allocate(opened, scaling)
    sources, start = [], 0
    for dataset, own in zip(opened, episodes, strict=True):
        stop = start + dataset.total_steps
        rows = slice_rows(arrays, start, stop)
        fill(dataset, own, rows, scaling)
        sources.append(describe_source(dataset, rows))
        start = stop
    return arrays, tuple(sources)


def allocate(opened: Sequence[MinariDataset], scaling: Scaling) -> Transition:
    """Return float32 arrays [D, ...] for the steps of all datasets, not yet filled."""
    width, size = scaling.observation_mean.shape, scaling.action_low.shape
    total = sum(dataset.total_steps for dataset in opened)

    def empty(*shape: int) -> Any:
        return np.empty(shape, np.float32)

    try:
        return Transition(
            observation=empty(total, *width),
            action=empty(total, *size),
            reward=empty(total),
            next_observation=empty(total, *width),
            terminated=empty(total),
            steps=empty(total),
        )
    except (MemoryError, ValueError) as error:
        ids = ", ".join(dataset.id for dataset in opened)
        raise InputError(
            f"no room for the {total} steps of {ids} ({first_line(error)}): join fewer "
            "datasets, or download one with damaged metadata again"
        ) from error


def slice_rows(transitions: Transition, start: int, stop: int) -> Transition:
    """Return views of rows start to stop, without stop."""
    rows: Transition = jax.tree.map(lambda array: array[start:stop], transitions)
    return rows


def fill(
    dataset: MinariDataset,
    episodes: Iterable[EpisodeData],
    rows: Transition,
    scaling: Scaling,
) -> None:
    """Write the episodes of a dataset into exactly its own rows [D, ...]."""
    size, stop = len(rows.reward), 0
    try:
        for episode in episodes:
            transitions = read_episode(dataset.id, episode, scaling)
            start, stop = stop, stop + len(transitions.reward)
            if stop <= size:
                own = slice_rows(rows, start, stop)
                jax.tree.map(np.copyto, own, transitions)
    except InputError:
        raise
    except READ_ERRORS as error:
        raise unreadable(dataset.id, error) from error
    if stop != size:
        raise InputError(
            f"dataset {dataset.id} holds {stop} steps and its metadata name {size}: "
            "download or make it again"
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
    check_width(where, "observations", observation, scaling.observation_mean.shape)
    check_width(where, "actions", raw_action, scaling.action_low.shape)
    transitions = Transition(
        observation=observation[:-1],
        action=scale_action(scaling, raw_action),
        reward=float32(episode.rewards),
        next_observation=observation[1:],
        terminated=float32(episode.terminations),
        steps=float32(steps_to_end(np.asarray(episode.terminations, bool))),
    )
    try:
        reject_outside(raw_action, np.asarray(scaling.action_low), scaling.action_high)
        check_transitions(transitions)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return transitions


def check_width(
    where: str, name: str, value: np.ndarray, width: tuple[int, ...]
) -> None:
    """Raise `InputError` unless rows [T, ...] have the shape of their space."""
    if value.shape[1:] != width:
        raise InputError(
            f"{where}: {name} have shape {list(value.shape)} and their space "
            f"{list(width)}; download or make it again"
        )


def reject_outside(action: np.ndarray, low: Any, high: Any) -> None:
    """Raise `InputError` for actions [T, A] beyond their bounds [A] and rounding."""
    slack = ACTION_TOLERANCE * (high - low)
    outside = (action < low - slack) | (action > high + slack)
    reject_rows("action", outside, action, "outside its space", "fix the data")


def describe_source(dataset: MinariDataset, transitions: Transition) -> Source:
    """Return the record of a dataset, with a hash of the bytes of its transitions.

    The hash leaves out `steps`, which follow from the order of the rows.
    """
    digest = hashlib.sha256()
    for array in jax.tree.leaves(transitions._replace(steps=None)):
        digest.update(np.ascontiguousarray(array).reshape(-1).data)
    return Source(
        id=dataset.id,
        env_id=dataset.env_spec.id if dataset.env_spec else None,
        episodes=dataset.total_episodes,
        steps=len(transitions.reward),
        sha256=digest.hexdigest(),
    )
