"""What is read of a robot, and how its arithmetic treats rows."""

from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.mujoco.hopper_v5 import HopperEnv

from ramac_jax.envs.robots import (
    blew_up,
    is_healthy,
    pay,
    read_robot,
    unstable_warnings,
)


class OwnHopper(HopperEnv):
    """A robot of one's own, which may pay and end otherwise."""


@pytest.mark.parametrize("make", [lambda: gymnasium.make("Ant-v5"), OwnHopper])
def test_other_environments_are_no_known_robot(make):
    env = make()
    assert read_robot(env) is None
    env.close()


def test_a_robot_with_other_attributes_is_not_known(monkeypatch):
    env = gymnasium.make("Walker2d-v5")
    monkeypatch.delattr(env.unwrapped, "_healthy_z_range")
    assert read_robot(env) is None


def test_a_hopper_stands_within_its_ranges_and_their_bounds_are_outside():
    robot = read_robot(gymnasium.make("Hopper-v5", healthy_state_range=(-3.0, 3.0)))
    position = np.zeros((5, 6))
    position[:, 1] = [0.7, 0.71, 1.0, 1.0, 1.0]  # metres; more than .7 is healthy
    position[:, 2] = [0.0, 0.0, 0.2, -0.19, 0.0]  # rad; less than .2 in size
    position[:, 0] = 50.0  # along the track: no part of the state
    velocity = np.zeros((5, 6))
    velocity[4, 5] = 3.0
    assert is_healthy(robot, position, velocity).tolist() == [
        False,
        True,
        False,
        True,
        False,
    ]


@pytest.mark.parametrize(("version", "fallen"), [(4, 1.0), (5, 0.0)])
def test_version_4_pays_a_fallen_hopper_for_standing(version, fallen):
    robot = read_robot(gymnasium.make(f"Hopper-v{version}"))
    healthy = np.array([True, False])
    paid = pay(robot, np.array([0.008, 0.0]), np.full((2, 3), 0.5), healthy)
    # 1 m/s and 1 for standing, less .001 times the squared actions
    np.testing.assert_allclose(paid, [2.0 - 0.00075, fallen - 0.00075])


def test_a_robot_with_a_replaced_method_is_not_known():
    env = gymnasium.make("Hopper-v5")
    env.unwrapped.step = lambda action: None
    assert read_robot(env) is None


class Column:
    """Has a member of the name that MuJoCo's data have."""

    warning = "low battery"


def test_an_environment_of_another_simulator_never_blew_up():
    env = gymnasium.make("Pendulum-v1")
    assert not blew_up(env)
    env.unwrapped.data = Column()
    assert not blew_up(env)


def test_warnings_are_found_by_their_names_in_any_mujoco(monkeypatch):
    """MuJoCo 3.6 has another warning before them."""
    import mujoco

    older = SimpleNamespace(mjWARN_BADQPOS=4, mjWARN_BADQVEL=5, mjWARN_BADQACC=6)
    monkeypatch.setattr(mujoco, "mjtWarning", older)
    unstable_warnings.cache_clear()
    try:
        assert unstable_warnings() == [4, 5, 6]
    finally:
        unstable_warnings.cache_clear()
