"""The stochastic locomotion tasks as facts: robot, data, hazard and evaluation.

This module imports neither JAX nor Gymnasium, so that a command lists its tasks at
once. `ramac_jax.envs` registers the environments, `ramac_jax.data` makes the datasets.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from ramac_jax.errors import InputError, check_names

VERSIONS = (4, 5)
"""Versions of Gymnasium's robots on which every task is registered."""
QUANTITIES = {"x velocity": "m/s", "torso angle": "rad"}
"""The quantities that a hazard may monitor, with their units."""
COORDINATES = {
    "HalfCheetah": {"x velocity": 8, "torso angle": 1},
    "Hopper": {"x velocity": 5, "torso angle": 1},
    "Walker2d": {"x velocity": 8, "torso angle": 1},
}
"""The coordinate of a robot's observation that holds each quantity."""


class ReferenceReturns(NamedTuple):
    """Returns over 1,000 steps that map to normalized scores 0 and 100."""

    random: float
    expert: float


REFERENCE_RETURNS = {
    "HalfCheetah": ReferenceReturns(random=-280.178953, expert=12135.0),
    "Hopper": ReferenceReturns(random=-20.272305, expert=3234.3),
    "Walker2d": ReferenceReturns(random=1.629008, expert=4592.3),
}
"""D4RL's reference returns of each robot."""


class Hazard(NamedTuple):
    """The rule that makes rewards stochastic: when a step is risky, and its penalty.

    Bounds are in the unit of the quantity (see `QUANTITIES`) and belong to the safe
    side.
    """

    quantity: str  # a name in `QUANTITIES`
    coordinate: int  # of the observation that holds the quantity
    low: float  # a step is risky below ...
    high: float  # ... and above
    probability: float  # of the penalty in a risky step
    penalty: float  # added to the reward; negative
    end_low: float = -math.inf  # the episode ends below ...
    end_high: float = math.inf  # ... and above


class Task(NamedTuple):
    """One benchmark of the paper: a robot, its data, a hazard and an evaluation."""

    name: str  # on the command line
    robot: str  # Gymnasium's name without the version
    quality: str  # of D4RL's data, such as medium-expert
    variant: str | None  # such as older; None: as the paper defines the task
    dataset_id: str  # Minari id of the stochastic dataset
    hub_datasets: tuple[str, ...]  # public Minari ids of the sources; (): none
    hazard: Hazard
    horizon: int  # steps of an evaluation episode in the paper
    reference_returns: ReferenceReturns


_NO_BOUND = {
    "low": -math.inf,
    "high": math.inf,
    "end_low": -math.inf,
    "end_high": math.inf,
}


def hazard_to_json(hazard: Hazard) -> dict[str, Any]:
    """Return a hazard as the metadata of a dataset hold it: null for no bound."""
    return {
        name: None if value in (-math.inf, math.inf) else value
        for name, value in hazard._asdict().items()
    }


def hazard_from_json(record: Mapping[str, Any]) -> Hazard:
    """Return the hazard that `hazard_to_json` wrote."""
    fields: dict[str, Any] = dict(record)
    missing = {name: _NO_BOUND[name] for name in fields if fields[name] is None}
    return Hazard(**fields | missing)


def velocity_hazard(limit: float, penalty: float) -> Hazard:
    """The hazard of a HalfCheetah faster than `limit` m/s in either direction.

    A risky step gets the penalty with probability 0.05.
    """
    return Hazard(
        quantity="x velocity",
        coordinate=COORDINATES["HalfCheetah"]["x velocity"],
        low=-limit,
        high=limit,
        probability=0.05,
        penalty=penalty,
    )


def angle_hazard(
    low: float, high: float, penalty: float, end: float = math.inf
) -> Hazard:
    """The hazard of a torso that leans outside [low, high] rad.

    A risky step gets the penalty with probability 0.1; the episode ends outside
    [-end, end] rad. The coordinate is the same for Hopper, Walker2d and HalfCheetah.
    """
    return Hazard(
        quantity="torso angle",
        coordinate=COORDINATES["Hopper"]["torso angle"],
        low=low,
        high=high,
        probability=0.1,
        penalty=penalty,
        end_low=-end,
        end_high=end,
    )


def _task(
    robot: str, quality: str, hazard: Hazard, horizon: int, variant: str | None = None
) -> Task:
    """Build a task; the public hub has the two sources of every medium-expert task."""
    folder, suffix = robot.lower(), f"-{variant}" if variant is not None else ""
    public = {
        "medium-expert": (f"mujoco/{folder}/medium-v0", f"mujoco/{folder}/expert-v0")
    }
    return Task(
        name=f"{folder}-{quality}{suffix}",
        robot=robot,
        quality=quality,
        variant=variant,
        dataset_id=f"stochastic/{folder}/{quality}{suffix}-v0",
        hub_datasets=public.get(quality, ()),
        hazard=hazard,
        horizon=horizon,
        reference_returns=REFERENCE_RETURNS[robot],
    )


_WALKER_HAZARD = angle_hazard(-0.5, 0.5, -30.0, end=1.0)
_HOPPER_OLDER = angle_hazard(-0.1, 0.1, -50.0)
TASKS = {
    task.name: task
    for task in (
        _task("HalfCheetah", "medium-expert", velocity_hazard(10.0, -70.0), 200),
        _task("HalfCheetah", "medium-replay", velocity_hazard(5.0, -60.0), 200),
        _task("Hopper", "medium-expert", angle_hazard(-0.17, 0.04, -50.0), 500),
        _task("Hopper", "medium-expert", _HOPPER_OLDER, 500, variant="older"),
        _task("Hopper", "medium-replay", angle_hazard(-0.1, 0.1, -50.0, end=0.2), 500),
        _task("Walker2d", "medium-expert", _WALKER_HAZARD, 500),
        _task("Walker2d", "medium-replay", _WALKER_HAZARD, 500),
    )
}
"""The six tasks; Hopper-medium-expert also with the hazard of an older version."""


def find_task(name: str) -> Task:
    """Return the task of a name; `InputError` with the nearest names for any other."""
    check_names("task", [name], TASKS)
    return TASKS[name]


def standard_task(task: Task) -> Task:
    """Return the task of the same robot and quality that is no variant."""
    return next(
        x
        for x in TASKS.values()
        if (x.robot, x.quality, x.variant) == (task.robot, task.quality, None)
    )


def env_id(task: str, version: int = 5) -> str:
    """Return the Gymnasium id of a task on the robots of a version, 4 or 5.

    Raises `InputError` for another version.
    """
    if version not in VERSIONS:
        raise InputError(f"there are no robots of version {version}: give 4 or 5")
    return f"ramac_jax/{task}-v{version}"


def task_of_env(gymnasium_id: str) -> Task | None:
    """Return the task that a Gymnasium id was registered for; None for any other id."""
    registered = {env_id(name, x): TASKS[name] for name in TASKS for x in VERSIONS}
    return registered.get(gymnasium_id)
