"""Episodes of Minari datasets as checked NumPy transitions."""

import hashlib
from collections.abc import Generator, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from minari import EpisodeData, MinariDataset

from ramac_jax.data.clipping import Clipping
from ramac_jax.data.episode import Reading, SeeFn, leave_unseen, read_episode
from ramac_jax.data.read_errors import unreadable
from ramac_jax.data.stored_episodes import READ_ERRORS, read_episodes
from ramac_jax.errors import InputError, first_line
from ramac_jax.normalization import Scaling
from ramac_jax.types import Transition


class Source(NamedTuple):
    """One dataset that was read, as the record of a run names it."""

    id: str
    env_id: str | None
    episodes: int
    steps: int
    sha256: str  # of the float32 transitions, before observations are normalized
    clipped_steps: int = 0  # whose action was beyond its bounds
    largest_excess: float = 0.0  # of such an action, in the environment's units


def clipping_of(sources: Sequence[Source]) -> Clipping:
    """Return what was clipped of the actions of datasets."""
    each = [Clipping(x.clipped_steps, x.largest_excess) for x in sources]
    return sum(each, Clipping())


def read_transitions(
    opened: Sequence[MinariDataset], reading: Reading, see: SeeFn = leave_unseen
) -> tuple[Transition, tuple[Source, ...]]:
    """Return all transitions [D, ...] of datasets, and what is to be said of each.

    The arguments and errors are those of `Collector`.
    """
    collector = Collector(opened, reading, see)
    for _ in collector.episodes():
        pass
    return collector.transitions, tuple(collector.sources)


class Collector:
    """Checks the episodes of datasets and collects them as float32 transitions.

    The arrays are allocated once, at the size that the metadata name, and filled.

    Args:
      opened: the datasets.
      reading: how their episodes become transitions.
      see: called with the flat observations [T + 1, O] of each episode, before they are
        centred and rounded.

    Raises `InputError` for a dataset without episodes.
    """

    def __init__(
        self,
        opened: Sequence[MinariDataset],
        reading: Reading,
        see: SeeFn = leave_unseen,
    ) -> None:
        for dataset in opened:
            if not dataset.total_episodes:
                raise InputError(f"dataset {dataset.id} is empty: it has no episode")
        self.opened, self.reading, self.see = opened, reading, see
        self.transitions = allocate(opened, reading.scaling)
        self.sources: list[Source] = []

    def episodes(self) -> Iterator[EpisodeData]:
        """Yield each episode of all datasets after it was collected.

        `transitions` and `sources` are complete when the last one has been taken.

        Raises `InputError` for metadata that name another number of steps than the file
        holds, and every row that is unsound.
        """
        start = 0
        for dataset in self.opened:
            stop = start + dataset.total_steps
            rows = slice_rows(self.transitions, start, stop)
            clipping = yield from self.fill(dataset, rows)
            self.sources.append(describe_source(dataset, rows, clipping))
            start = stop

    def fill(
        self, dataset: MinariDataset, rows: Transition
    ) -> Generator[EpisodeData, None, Clipping]:
        """Write the episodes of a dataset into exactly its own rows [D, ...].

        Returns what was clipped of their actions.
        """
        size, stop, clipping = len(rows.reward), 0, Clipping()
        for episode in read_episodes(dataset):
            transitions, clipped = self.read(dataset, episode)
            clipping += clipped
            start, stop = stop, stop + len(transitions.reward)
            if stop <= size:
                jax.tree.map(np.copyto, slice_rows(rows, start, stop), transitions)
            yield episode
        if stop != size:
            raise InputError(
                f"dataset {dataset.id} holds {stop} steps and its metadata name "
                f"{size}: download or make it again"
            )
        return clipping

    def read(
        self, dataset: MinariDataset, episode: EpisodeData
    ) -> tuple[Transition, Clipping]:
        """Return `read_episode`; `InputError` where its arrays are none."""
        try:
            return read_episode(dataset.id, episode, self.reading, self.see)
        except InputError:
            raise
        except READ_ERRORS as error:
            raise unreadable(dataset.id, error) from error


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


def describe_source(
    dataset: MinariDataset, transitions: Transition, clipping: Clipping
) -> Source:
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
        clipped_steps=clipping.steps,
        largest_excess=clipping.largest_excess,
    )
