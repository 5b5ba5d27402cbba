"""Minari datasets as arrays: read, checked, and put on the scale an agent works in."""

import difflib
import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import jax
import jax.numpy as jnp
import minari
import numpy as np
from gymnasium.envs.registration import EnvSpec
from minari import EpisodeData, MinariDataset
from minari.storage import get_dataset_path

from ramac_jax.scaling import Scaling, normalize_observation, scale_action
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
    parts = [read_transitions(dataset, scaling) for dataset in opened]
    sources = tuple(map(describe_source, opened, parts))
    transitions = jax.tree.map(lambda *x: np.concatenate(x), *parts)
    if normalize:
        scaling = measure_observations(scaling, transitions.observation)
        transitions = transitions._replace(
            observation=normalize_observation(scaling, transitions.observation),
            next_observation=normalize_observation(
                scaling, transitions.next_observation
            ),
        )
    transitions, scaling = jax.tree.map(jnp.asarray, (transitions, scaling))
    return OfflineDataset(transitions, scaling, sources, opened[0].env_spec)


def open_dataset(dataset_id: str) -> MinariDataset:
    """Open a local dataset, or download it first; nothing of its episodes is read."""
    try:
        root = get_dataset_path()
    except OSError as error:
        raise InputError(
            f"no folder for datasets ({error}): set MINARI_DATASETS_PATH"
        ) from error
    logging.disable(logging.WARNING)  # a download tells of each of its retries
    try:
        return minari.load_dataset(dataset_id, download=True)
    except Exception as error:  # a download may fail in as many ways as a network
        if (root / dataset_id / "data").exists():
            raise damaged(dataset_id, error) from error
        at_hand = ", ".join(nearest_local(root, dataset_id))
        raise InputError(
            f"dataset {dataset_id!r} is not here and cannot be downloaded "
            f"({first_line(error)}); at hand: {at_hand or 'none'} "
            "(MINARI_DATASETS_PATH says where to look)"
        ) from error
    finally:
        logging.disable(logging.NOTSET)


def nearest_local(root: Path, dataset_id: str) -> list[str]:
    """The ids of the datasets under a folder, those most like the given one first."""
    found = [x.parent.parent for x in root.rglob("data/metadata.json")]
    names = sorted(x.relative_to(root).as_posix() for x in found)
    matcher = difflib.SequenceMatcher(b=dataset_id)

    def likeness(name: str) -> float:
        matcher.set_seq1(name)
        return matcher.ratio()

    return sorted(names, key=likeness, reverse=True)


def damaged(dataset_id: str, error: Exception) -> InputError:
    """Say that a dataset is here and cannot be read."""
    return InputError(
        f"dataset {dataset_id} cannot be read ({first_line(error)}): its files may be "
        "damaged, fetch or make it anew"
    )


def check_spaces(dataset: MinariDataset) -> None:
    """Raise `InputError` unless observations and actions are flat and continuous."""
    for kind, space in spaces(dataset).items():
        flat = isinstance(space, gym.spaces.Box) and len(space.shape) == 1
        if not flat or (
            kind == "actions" and not np.issubdtype(space.dtype, np.floating)
        ):
            raise InputError(
                f"dataset {dataset.id} has {kind} {space}: an agent needs a flat, "
                "continuous Box"
            )
    box = dataset.action_space
    if not (np.isfinite(box.low) & np.isfinite(box.high) & (box.low < box.high)).all():
        raise InputError(
            f"dataset {dataset.id} has actions {box}: every bound must be finite and "
            "each low below its high"
        )


def check_alike(first: MinariDataset, other: MinariDataset) -> None:
    """Raise `InputError` unless both datasets come from the same kind of robot."""
    facts = [
        spaces(x) | {"environment": x.env_spec and x.env_spec.name}
        for x in (first, other)
    ]
    for kind in facts[0]:
        if facts[0][kind] != facts[1][kind]:
            raise InputError(
                f"dataset {other.id} has {kind} {facts[1][kind]} and {first.id} has "
                f"{facts[0][kind]}: datasets to be joined must agree"
            )


def spaces(dataset: MinariDataset) -> dict[str, gym.Space]:
    """The two spaces by the words that messages use."""
    return {"observations": dataset.observation_space, "actions": dataset.action_space}


def float32(values: Any) -> Any:
    """A NumPy array, where the vocabulary says Array; too large a number is inf."""
    with np.errstate(over="ignore"):
        return np.asarray(values, np.float32)


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


def read_transitions(dataset: MinariDataset, scaling: Scaling) -> Transition:
    """Read every episode into NumPy transitions [D, ...], actions scaled."""
    try:
        episodes = [
            read_episode(dataset.id, x, scaling) for x in dataset.iterate_episodes()
        ]
    except InputError:
        raise
    except READ_ERRORS as error:
        raise damaged(dataset.id, error) from error
    if not episodes:
        raise InputError(f"dataset {dataset.id} is empty: it has no episode")
    return jax.tree.map(lambda *x: np.concatenate(x), *episodes)


def read_episode(dataset_id: str, episode: EpisodeData, scaling: Scaling) -> Transition:
    """Cut an episode of T steps and T + 1 observations into T checked transitions.

    A truncated step keeps its true next observation and is not terminated.
    """
    observation = float32(episode.observations)
    raw_action = float32(episode.actions)
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
        raise InputError(
            f"dataset {dataset_id}, episode {episode.id}: {error}"
        ) from None
    return transitions


def describe_source(dataset: MinariDataset, transitions: Transition) -> Source:
    """Record which dataset gave these transitions, with a hash of their bytes."""
    digest = hashlib.sha256()
    for array in transitions:
        digest.update(np.ascontiguousarray(array).tobytes())
    return Source(
        id=dataset.id,
        env_id=dataset.env_spec.id if dataset.env_spec else None,
        episodes=dataset.total_episodes,
        steps=len(transitions.reward),
        sha256=digest.hexdigest(),
    )
