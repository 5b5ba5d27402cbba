"""The facts of the tasks against the paper's table and the hub's names."""

import json
import math

import pytest

from ramac_jax import InputError
from ramac_jax.envs.hazards import check_hazard
from ramac_jax.tasks import (
    COORDINATES,
    TASKS,
    angle_hazard,
    env_id,
    find_task,
    hazard_from_json,
    hazard_to_json,
    standard_task,
    task_of_env,
)

INF = math.inf
HOPPER = TASKS["hopper-medium-replay"].hazard
# Every field of a hazard in order; then robot, horizon and reference returns.
TABLE = {
    "halfcheetah-medium-expert": (
        ("x velocity", 8, -10, 10, 0.05, -70, -INF, INF),
        ("HalfCheetah", 200, -280.178953, 12135.0),
    ),
    "halfcheetah-medium-replay": (
        ("x velocity", 8, -5, 5, 0.05, -60, -INF, INF),
        ("HalfCheetah", 200, -280.178953, 12135.0),
    ),
    "hopper-medium-expert": (
        ("torso angle", 1, -0.17, 0.04, 0.1, -50, -INF, INF),
        ("Hopper", 500, -20.272305, 3234.3),
    ),
    "hopper-medium-expert-older": (
        ("torso angle", 1, -0.1, 0.1, 0.1, -50, -INF, INF),
        ("Hopper", 500, -20.272305, 3234.3),
    ),
    "hopper-medium-replay": (
        ("torso angle", 1, -0.1, 0.1, 0.1, -50, -0.2, 0.2),
        ("Hopper", 500, -20.272305, 3234.3),
    ),
    "walker2d-medium-expert": (
        ("torso angle", 1, -0.5, 0.5, 0.1, -30, -1, 1),
        ("Walker2d", 500, 1.629008, 4592.3),
    ),
    "walker2d-medium-replay": (
        ("torso angle", 1, -0.5, 0.5, 0.1, -30, -1, 1),
        ("Walker2d", 500, 1.629008, 4592.3),
    ),
}


def test_the_tasks_are_those_of_the_paper():
    assert list(TASKS) == list(TABLE)
    for name, (hazard, (robot, horizon, random, expert)) in TABLE.items():
        task = TASKS[name]
        assert task.name == name
        assert tuple(task.hazard) == hazard, name
        assert (task.robot, task.horizon) == (robot, horizon), name
        assert task.reference_returns == (random, expert), name
        check_hazard(task.hazard)


def test_every_hazard_monitors_the_quantity_that_it_names():
    for name, task in TASKS.items():
        known = COORDINATES[task.robot]
        assert known[task.hazard.quantity] == task.hazard.coordinate, name


def test_dataset_ids_and_hub_sources_of_every_task():
    for name, task in TASKS.items():
        robot, _, rest = name.partition("-")
        assert task.dataset_id == f"stochastic/{robot}/{rest}-v0"
        public = (f"mujoco/{robot}/medium-v0", f"mujoco/{robot}/expert-v0")
        assert task.hub_datasets == (public if "expert" in rest else ())
    assert len({task.dataset_id for task in TASKS.values()}) == len(TASKS)


def test_a_hazard_survives_json_with_null_for_no_bound():
    hazard = angle_hazard(-INF, 0.5, -1.0, end=INF)
    record = json.loads(json.dumps(hazard_to_json(hazard), allow_nan=False))
    assert [k for k, v in record.items() if v is None] == ["low", "end_low", "end_high"]
    assert hazard_from_json(record) == hazard
    assert hazard_from_json(hazard_to_json(HOPPER)) == HOPPER


def test_a_variant_is_a_variant_of_the_standard_task():
    older = TASKS["hopper-medium-expert-older"]
    assert (older.quality, older.variant) == ("medium-expert", "older")
    assert standard_task(older) is TASKS["hopper-medium-expert"]
    others = [x for x in TASKS.values() if x is not older]
    assert all(standard_task(x) is x for x in others)


def test_an_unknown_task_is_refused_with_the_nearest_name():
    with pytest.raises(InputError, match="hopper-medium-expert"):
        find_task("hopper-medium-exprt")


def test_an_environment_id_leads_to_its_task():
    assert task_of_env(env_id("hopper-medium-expert-older", 4)).variant == "older"
    assert task_of_env("Hopper-v5") is None
    assert task_of_env("ramac_jax/RiskyBandit-v0") is None


def test_robots_of_another_version_are_refused():
    with pytest.raises(InputError, match="no robots of version 3: give 4 or 5"):
        env_id("hopper-medium-expert", 3)
