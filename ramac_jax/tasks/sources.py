"""What a hazard can be laid on: the datasets, and the environment they are of."""

import dataclasses
from collections.abc import Sequence

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec, WrapperSpec
from minari import MinariDataset

from ramac_jax.tasks.environments import HazardousReward, env_id, no_advice
from ramac_jax.tasks.hazards import Hazard, find_task
from ramac_jax.tasks.opening import check_alike, check_spaces, open_dataset
from ramac_jax.tasks.writing import RECORD
from ramac_jax.validation import InputError, first_line


def open_sources(
    source_ids: Sequence[str], hazard: Hazard, robot: str | None
) -> list[MinariDataset]:
    """Open datasets of one robot, each with the watched coordinate and not charged."""
    if not source_ids:
        raise InputError("no source is named: give at least one Minari id")
    opened = [open_dataset(source_id) for source_id in source_ids]
    for dataset in opened:
        check_spaces(dataset)
        spec, width = dataset.env_spec, dataset.observation_space.shape[0]
        if spec is None:
            raise InputError(
                f"dataset {dataset.id} names no environment: a hazard needs to know "
                "the robot"
            )
        if "hazard" in dataset.storage.metadata.get(RECORD, {}) or any(
            wrapper.name == HazardousReward.__name__
            for wrapper in spec.additional_wrappers
        ):
            raise InputError(
                f"dataset {dataset.id} is charged by a hazard already: give its source"
            )
        if robot is not None and spec.name != robot:
            raise InputError(
                f"dataset {dataset.id} is of {spec.id}: give one of {robot}"
            )
        if hazard.coordinate >= width:
            raise InputError(
                f"dataset {dataset.id} has observations of {width} coordinates: there "
                f"is no {hazard.coordinate}, the {hazard.quantity} of the hazard"
            )
        check_alike(opened[0], dataset)
    return opened


def evaluation_spec(
    source: MinariDataset, hazard: Hazard, task: str | None, version: int | None
) -> EnvSpec:
    """The task's environment where the hazard is its own; else the charged source's."""
    robot = source.env_spec
    if task is not None and find_task(task).hazard == hazard:
        version = robot.version if version is None else version
        return gymnasium.spec(env_id(task, version))
    wrapper = WrapperSpec(
        HazardousReward.__name__,
        f"{HazardousReward.__module__}:{HazardousReward.__name__}",
        {"hazard": hazard._asdict()},
    )
    wrappers = (*robot.additional_wrappers, wrapper)
    return dataclasses.replace(robot, additional_wrappers=wrappers)


def check_environment(source: MinariDataset, env_spec: EnvSpec) -> None:
    """Raise `InputError` where the data could not be of this environment."""
    try:
        with no_advice():
            env = gymnasium.make(env_spec)
    except (gymnasium.error.Error, ImportError) as error:
        raise InputError(
            f"the environment {env_spec.id} of dataset {source.id} cannot be made "
            f"({first_line(error)}): install what it needs"
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
