"""The sources of a relabelled dataset, and the environment of their robot."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec
from minari import MinariDataset

from ramac_jax.data.environments import (
    CHANGE_NOTHING,
    evaluation_env,
    joint_env,
    warn_of_others,
)
from ramac_jax.data.local_datasets import check_id, open_dataset
from ramac_jax.data.spaces import check_alike, check_flat
from ramac_jax.data.writing import RECORD
from ramac_jax.envs.own_randomness import OWN_RANDOMNESS
from ramac_jax.envs.registration import (
    find_hazard,
    hazard_wrapper,
    make_environment,
)
from ramac_jax.errors import InputError, check_names, first_line
from ramac_jax.tasks import COORDINATES, QUANTITIES, Hazard, env_id, find_task

KEEP_UNITS = (*CHANGE_NOTHING, OWN_RANDOMNESS.name)
"""Wrappers whose observations and rewards have the units of the robot."""


def check_sources(source_ids: Sequence[str]) -> None:
    """Raise `InputError` for no source, or one that is no Minari id."""
    if not source_ids:
        raise InputError("no source is named: give at least one Minari id")
    for source_id in source_ids:
        check_id(source_id)


def known_coordinates(robot: EnvSpec | None) -> dict[str, int]:
    """Return the coordinate of each quantity; {} for a robot not in the table.

    A robot whose wrappers may change its observations has none either.
    """
    if robot is None or robot.namespace is not None or other_units(robot):
        return {}
    if not robot.kwargs.get("exclude_current_positions_from_observation", True):
        return {}  # the positions shift each coordinate by one
    return COORDINATES.get(robot.name, {})


def other_units(spec: EnvSpec | None) -> list[str]:
    """Return the wrappers of an environment that may change what a coordinate is."""
    wrappers = () if spec is None else spec.additional_wrappers
    return [x.name for x in wrappers if x.name not in KEEP_UNITS]


def find_coordinate(
    source_ids: Sequence[str], quantity: str, root: Path | None = None
) -> int:
    """Return the coordinate of the sources' observations that holds a quantity.

    Args:
      source_ids: Minari ids.
      quantity: a name in `QUANTITIES`.
      root: folder of the datasets, as in `load_datasets`.

    Raises `InputError` for an unknown quantity, and for a robot not in `COORDINATES`.
    """
    check_names("quantity", [quantity], QUANTITIES)
    check_sources(source_ids)
    robot = open_dataset(source_ids[0], root).env_spec
    known = known_coordinates(robot)
    if quantity not in known:
        raise InputError(
            f"which coordinate is the {quantity} of {robot and robot.id} is not known "
            "here: give the hazard's coordinate"
        )
    return known[quantity]


def open_sources(
    source_ids: Sequence[str], hazard: Hazard, robot: str | None, root: Path | None
) -> list[MinariDataset]:
    """Open datasets of one robot, with the hazard's coordinate and no hazard yet."""
    opened = [open_dataset(source_id, root) for source_id in source_ids]
    for dataset in opened:
        check_flat(dataset)
        check_robot(dataset, robot)
        check_coordinate(dataset, hazard)
        check_alike(opened[0], dataset)
    warn_of_others(opened)
    return opened


def check_robot(dataset: MinariDataset, robot: str | None) -> None:
    """Raise `InputError` for another robot, an unknown one, or a wrapped one."""
    spec = dataset.env_spec
    if spec is None:
        raise InputError(
            f"dataset {dataset.id} names no environment: a hazard needs to know the "
            "robot"
        )
    if "hazard" in dataset.storage.metadata.get(RECORD, {}) or find_hazard(spec):
        raise InputError(
            f"dataset {dataset.id} is charged by a hazard already: give its source"
        )
    if changed := other_units(spec) or other_units(evaluation_env(dataset)):
        raise InputError(
            f"dataset {dataset.id} is of {spec.id} in {', '.join(changed)}: a hazard "
            "needs the robot's own observations and rewards, without such wrappers"
        )
    if robot is not None and spec.name != robot:
        raise InputError(f"dataset {dataset.id} is of {spec.id}: give one of {robot}")


def check_coordinate(dataset: MinariDataset, hazard: Hazard) -> None:
    """Raise `InputError` where the coordinate does not hold the hazard's quantity."""
    spec, width = dataset.env_spec, dataset.observation_space.shape[0]
    known = known_coordinates(spec).get(hazard.quantity, hazard.coordinate)
    if hazard.coordinate != known:
        raise InputError(
            f"the hazard monitors coordinate {hazard.coordinate} of dataset "
            f"{dataset.id}, and the {hazard.quantity} of {spec.id} is coordinate "
            f"{known}: give that"
        )
    if hazard.coordinate >= width:
        raise InputError(
            f"dataset {dataset.id} has observations of {width} coordinates: there is "
            f"no {hazard.coordinate}, the {hazard.quantity} of the hazard"
        )


def evaluation_spec(
    opened: Sequence[MinariDataset],
    hazard: Hazard,
    task: str | None,
    version: int | None,
) -> EnvSpec:
    """Return the environment in which policies of the new dataset are evaluated.

    It is the task's where the hazard is the task's own, and otherwise that of the
    sources with the hazard added.

    Args:
      opened: datasets of the robot.
      hazard: the rule.
      task: a name in `TASKS`, or None.
      version: of the robot; None: as the sources.
    """
    robot = joint_env(opened)
    assert robot is not None  # `check_robot` refuses datasets without
    version = robot.version if version is None else version
    if task is not None and find_task(task).hazard == hazard:
        return gymnasium.spec(env_id(task, version))
    if version != robot.version:
        robot = other_version(robot, version)
    wrappers = (*robot.additional_wrappers, hazard_wrapper(hazard))
    return dataclasses.replace(robot, additional_wrappers=wrappers)


def other_version(robot: EnvSpec, version: int) -> EnvSpec:
    """Return another version of a robot; settings, horizon and wrappers stay."""
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
    """Raise `InputError` where the spaces of the data and an environment differ."""
    env = make_environment(env_spec)
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
