"""Minari datasets as the arrays that an agent trains on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from gymnasium.envs.registration import EnvSpec
from minari import MinariDataset

from ramac_jax.data.centring import Rounding
from ramac_jax.data.environments import joint_env, reference_returns, warn_of_others
from ramac_jax.data.episode import Reading, float32, identity_scaling
from ramac_jax.data.local_datasets import open_dataset
from ramac_jax.data.spaces import check_alike, check_spaces
from ramac_jax.data.transitions import Source, read_transitions
from ramac_jax.errors import InputError
from ramac_jax.guard import STD_FLOOR, Guard, measure_guard
from ramac_jax.normalization import Scaling, normalize_observation
from ramac_jax.observations import Layout
from ramac_jax.types import Array, Transition

GUARD_ROWS = 200_000
"""Observations that a guard is measured from; they are spread evenly over the data."""

PART_ROWS = 65_536
"""Rows of an array that are worked on at a time."""


class OfflineDataset(NamedTuple):
    """Data to train on, and what a policy needs to act in their environment."""

    transitions: Transition  # [D, ...] float32, observations and actions scaled
    scaling: Scaling  # from the environment's units to those of the transitions
    sources: tuple[Source, ...]  # in the order of the rows
    env_spec: EnvSpec | None  # of evaluations; None where the data name none
    reference: tuple[float, float] | None = None  # returns of scores 0 and 100
    layout: Layout | None = None  # of observations with parts; None: they are vectors

    def guard(self) -> Guard:
        """Return what is known of the observations, from up to `GUARD_ROWS` of them."""
        every = -(-len(self.transitions.observation) // GUARD_ROWS)
        observation = np.asarray(self.transitions.observation[::every])
        mean, std = self.scaling.observation_mean, self.scaling.observation_std
        return measure_guard(observation * np.asarray(std) + np.asarray(mean))


def load_datasets(
    ids: Sequence[str],
    *,
    normalize: bool = False,
    clip_actions: bool = False,
    root: Path | None = None,
) -> OfflineDataset:
    """Read Minari datasets and join them in the order of their ids.

    Observations that are dictionaries or tuples become vectors as
    `gymnasium.spaces.flatten` makes them. A float64 coordinate whose moves float32
    would blur is centred before it is rounded.

    Args:
      ids: Minari ids.
      normalize: whether each observation coordinate gets mean 0 and deviation 1.
      clip_actions: clip actions that are beyond their bounds, and count them.
      root: folder of the datasets; None: those of the variables
        RAMAC_JAX_DATASETS_PATH and MINARI_DATASETS_PATH, or Minari's own folder
        without the second, and datasets that are not there are downloaded.

    Returns:
      The transitions [D, ...] on JAX's default device, with actions in [-1, 1].

    Raises `InputError` for a dataset that is absent or cannot be read, spaces that do
    not become flat and continuous, spaces or environments that differ between the
    datasets, actions beyond their bounds, and rows that `check_transitions` refuses;
    the message names the dataset and the episode. Warns of datasets of other versions
    of an environment.
    """
    if not ids:
        raise InputError("no dataset is named: give at least one Minari id")
    opened = [open_dataset(dataset_id, root) for dataset_id in ids]
    for dataset in opened:
        layout = check_spaces(dataset)
        check_alike(opened[0], dataset)
    warn_of_others(opened)
    scaling, transitions, sources = read_centred(
        opened, Reading(identity_scaling(opened[0], layout), layout, clip_actions)
    )
    if normalize:
        scaling = measure_observations(scaling, transitions.observation)
        for array in (transitions.observation, transitions.next_observation):
            for part in in_parts(array):
                part[:] = normalize_observation(scaling, part)
    columns = transitions._asdict()
    del transitions
    return OfflineDataset(
        transitions=Transition(**{name: move(columns, name) for name in [*columns]}),
        scaling=jax.device_put(scaling),
        sources=sources,
        env_spec=joint_env(opened),
        reference=reference_returns(opened),
        layout=layout,
    )


def read_centred(
    opened: Sequence[MinariDataset], reading: Reading
) -> tuple[Scaling, Transition, tuple[Source, ...]]:
    """Read datasets; a second time where a coordinate must be centred.

    The hashes of the sources are those of data that are not centred.
    """
    rounding = Rounding()
    transitions, sources = read_transitions(opened, reading, rounding.add)
    centre = rounding.centre()
    if centre is None:
        return reading.scaling, transitions, sources
    del transitions
    scaling = reading.scaling._replace(observation_centre=centre)
    again = read_transitions(opened, reading._replace(scaling=scaling))
    return scaling, again[0], sources


def measure_observations(scaling: Scaling, observation: Array) -> Scaling:
    """Return a scaling with mean and deviation of observations [D, O], from float64."""
    mean = np.mean(observation, axis=0, dtype=np.float64)
    squares = [np.square(part - mean).sum(axis=0) for part in in_parts(observation)]
    std = np.sqrt(np.sum(squares, axis=0) / len(observation))
    return scaling._replace(
        observation_mean=float32(mean),
        observation_std=float32(np.maximum(std, STD_FLOOR)),
    )


def in_parts(array: Array) -> list[Any]:
    """Return views of the rows of an array [D, ...], so few that copies are small."""
    return [array[i : i + PART_ROWS] for i in range(0, len(array), PART_ROWS)]


def move(columns: dict[str, Array], name: str) -> Array:
    """Take an array out of a dictionary to JAX's default device.

    The host's copy is free before the next one moves.
    """
    return jax.block_until_ready(jax.device_put(columns.pop(name)))
