"""What a hazard can be laid on: the datasets, and the environment they are of."""

import dataclasses
from collections.abc import Sequence

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec
from minari import MinariDataset

from ramac_jax.data.local_datasets import (
    check_alike,
    check_id,
    check_spaces,
    open_dataset,
)
from ramac_jax.data.writing import RECORD
from ramac_jax.envs.registration import (
    HazardousReward,
    hazard_wrapper,
    no_advice,
)
from ramac_jax.errors import InputError, check_names, first_line
from ramac_jax.tasks import COORDINATES, QUANTITIES, Hazard, env_id, find_task


def check_sources(source_ids: Sequence[str]) -> None:
    """Raise `InputError` where none is named, or by what is no id."""
    if not source_ids:
        raise InputError("no source is named: give at least one Minari id")
    for source_id in source_ids:
        check_id(source_id)


def known_coordinates(robot: EnvSpec | None) -> dict[str, int]:
    """Where observations hold what a hazard may watch; {} of a robot not known here."""
    if robot is None or robot.namespace is not None:
        return {}
    if not robot.kwargs.get("exclude_current_positions_from_observation", True):
        return {}  # each coordinate is one further on
    return COORDINATES.get(robot.name, {})


def find_coordinate(source_ids: Sequence[str], quantity: str) -> int:
    """Where the sources hold a quantity; `InputError` where that is not known here."""
    check_names("quantity", [quantity], QUANTITIES)
    check_sources(source_ids)
    robot = open_dataset(source_ids[0]).env_spec
    known = known_coordinates(robot)
    if quantity not in known:
        raise InputError(
            f"which coordinate is the {quantity} of {robot and robot.id} is not known "
            "here: give the hazard's coordinate"
        )
    return known[quantity]


def open_sources(
    source_ids: Sequence[str], hazard: Hazard, robot: str | None
) -> list[MinariDataset]:
    """Open datasets of one robot, each with the watched coordinate and not charged."""
    check_sources(source_ids)
    opened = [open_dataset(source_id) for source_id in source_ids]
    for dataset in opened:
        check_spaces(dataset)
        check_robot(dataset, robot)
        check_coordinate(dataset, hazard)
        check_alike(opened[0], dataset)
    return opened


def check_robot(dataset: MinariDataset, robot: str | None) -> None:
    """Raise `InputError` for another robot, an unknown one, or one that is charged."""
    spec = dataset.env_spec
    if spec is None:
        raise InputError(
            f"dataset {dataset.id} names no environment: a hazard needs to know the "
            "robot"
        )
    if "hazard" in dataset.storage.metadata.get(RECORD, {}) or any(
        wrapper.name == HazardousReward.__name__ for wrapper in spec.additional_wrappers
    ):
        raise InputError(
            f"dataset {dataset.id} is charged by a hazard already: give its source"
        )
    if robot is not None and spec.name != robot:
        raise InputError(f"dataset {dataset.id} is of {spec.id}: give one of {robot}")


def check_coordinate(dataset: MinariDataset, hazard: Hazard) -> None:
    """Raise `InputError` where the hazard would watch nothing, or something else."""
    spec, width = dataset.env_spec, dataset.observation_space.shape[0]
    known = known_coordinates(spec).get(hazard.quantity, hazard.coordinate)
    if hazard.coordinate != known:
        raise InputError(
            f"the hazard watches coordinate {hazard.coordinate} of dataset "
            f"{dataset.id}, and the {hazard.quantity} of {spec.id} is coordinate "
            f"{known}: give that"
        )
    if hazard.coordinate >= width:
        raise InputError(
            f"dataset {dataset.id} has observations of {width} coordinates: there is "
            f"no {hazard.coordinate}, the {hazard.quantity} of the hazard"
        )


def evaluation_spec(
    source: MinariDataset, hazard: Hazard, task: str | None, version: int | None
) -> EnvSpec:
    """The task's environment where the hazard is its own; else the charged source's.

    The robot is of the version asked for, and of the source's where none is.
    """
    robot = source.env_spec
    version = robot.version if version is None else version
    if task is not None and find_task(task).hazard == hazard:
        return gymnasium.spec(env_id(task, version))
    if version != robot.version:
        robot = other_version(robot, version)
    wrappers = (*robot.additional_wrappers, hazard_wrapper(hazard))
    return dataclasses.replace(robot, additional_wrappers=wrappers)


def other_version(robot: EnvSpec, version: int) -> EnvSpec:
    """The same robot of another version, with its settings, horizon and wrappers."""
    space = f"{robot.namespace}/" if robot.namespace is not None else ""
    try:
        other = gymnasium.spec(f"{space}{robot.name}-v{version}")
    except gymnasium.error.Error as error:
        raise InputError(
            f"{robot.id} has no version {version} ({first_line(error)}): give another "
            "version of the robot, or none"
        ) from error
    return dataclasses.replace(
        other,
        kwargs=other.kwargs | robot.kwargs,
        max_episode_steps=robot.max_episode_steps,
        additional_wrappers=robot.additional_wrappers,
    )


def check_environment(source: MinariDataset, env_spec: EnvSpec) -> None:
    """Raise `InputError` where the data could not be of this environment."""
    try:
        with no_advice():
            env = gymnasium.make(env_spec)
    except (gymnasium.error.Error, ImportError, TypeError) as error:
        raise InputError(
            f"the environment {env_spec.id} of dataset {source.id} cannot be made "
            f"({first_line(error)}): install what it needs, or give another version"
        ) from error
    observations, actions = env.observation_space, env.action_space
    env.close()
    given = source.action_space
    if source.observation_space.shape != observations.shape:
        raise InputError(
            f"dataset {source.id} has observations {source.observation_space} and "
            f"{env_spec.id} {observations}: the widths must agree"
        )
    if given.shape != actions.shape or not (
        np.allclose(given.low, actions.low) and np.allclose(given.high, actions.high)
    ):
        raise InputError(
            f"dataset {source.id} has actions {given} and {env_spec.id} {actions}: "
            "the action spaces must agree"
        )
