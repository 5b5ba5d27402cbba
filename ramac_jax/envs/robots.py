"""The arithmetic of three of Gymnasium's robots on many simulations at once.

Gymnasium writes it for one simulation in `step` and `reset`. Here it is NumPy on rows,
with the same operations in the same order, so that the results are equal bit for bit.
"""

import functools
from typing import Any, NamedTuple

import gymnasium
import numpy as np

ROBOTS = ("half_cheetah", "hopper", "walker2d")
VERSIONS = (4, 5)
UNSTABLE = ("mjWARN_BADQPOS", "mjWARN_BADQVEL", "mjWARN_BADQACC")
"""MuJoCo's warnings of bad positions, velocities and accelerations, after each of which
it starts the simulation anew without an error."""
OWN = {"step", "reset", "reset_model", "do_simulation", "_get_obs"}
"""Methods that nobody may have replaced on a robot that is known."""


class Robot(NamedTuple):
    """How one of Gymnasium's robots starts, observes, pays and ends."""

    model: Any  # mujoco.MjModel
    frame_skip: int  # simulated steps of an action
    seconds: float  # of an action
    start_position: np.ndarray  # [Q]
    start_velocity: np.ndarray  # [V]
    start_noise: float
    normal_noise: bool  # of the velocities: normal; otherwise uniform
    forward_weight: float
    control_weight: float
    healthy_reward: float
    pays_unhealthy: bool  # the healthy reward is paid in every step
    ends_unhealthy: bool
    height_range: tuple[float, float] | None
    angle_range: tuple[float, float] | None
    state_range: tuple[float, float] | None  # of all but the first two coordinates
    hides_position: bool  # along the track
    clips_velocity: bool


def read_robot(env: gymnasium.Env) -> Robot | None:
    """Read a robot's numbers from an environment of Gymnasium; None for any other.

    They are private attributes: None also where a version of Gymnasium has others.
    """
    robot = env.unwrapped
    name, _, version = type(robot).__module__.rpartition(".")[2].rpartition("_v")
    known = (
        type(robot).__module__.startswith("gymnasium.envs.mujoco.")
        and name in ROBOTS
        and version in map(str, VERSIONS)
        and not OWN & set(vars(robot))
    )
    if not known:
        return None
    try:
        return numbers_of(robot, name, int(version))
    except AttributeError:
        return None


def numbers_of(robot: Any, name: str, version: int) -> Robot:
    """Return the numbers of an unwrapped environment."""
    falls = name != "half_cheetah"
    ends = bool(falls and robot._terminate_when_unhealthy)
    return Robot(
        model=robot.model,
        frame_skip=robot.frame_skip,
        seconds=robot.dt,
        start_position=robot.init_qpos,
        start_velocity=robot.init_qvel,
        start_noise=robot._reset_noise_scale,
        normal_noise=not falls,
        forward_weight=robot._forward_reward_weight,
        control_weight=robot._ctrl_cost_weight,
        healthy_reward=robot._healthy_reward if falls else 0.0,
        pays_unhealthy=ends and version == 4,
        ends_unhealthy=ends,
        height_range=robot._healthy_z_range if falls else None,
        angle_range=robot._healthy_angle_range if falls else None,
        state_range=robot._healthy_state_range if name == "hopper" else None,
        hides_position=robot._exclude_current_positions_from_observation,
        clips_velocity=falls,
    )


def draw_start(robot: Robot, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw the positions [Q] and velocities [V] at the start of an episode."""
    noise = robot.start_noise
    moved = rng.uniform(-noise, noise, robot.start_position.size)
    if robot.normal_noise:
        pushed = noise * rng.standard_normal(robot.start_velocity.size)
    else:
        pushed = rng.uniform(-noise, noise, robot.start_velocity.size)
    return robot.start_position + moved, robot.start_velocity + pushed


def observe(robot: Robot, position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """Return the observations [N, O] of positions [N, Q] and velocities [N, V]."""
    if robot.clips_velocity:
        velocity = np.clip(velocity, -10, 10)
    return np.concatenate([position[:, int(robot.hides_position) :], velocity], axis=1)


def is_healthy(robot: Robot, position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """Return whether each robot [N] stands."""
    state = np.concatenate([position, velocity], axis=1)[:, 2:]
    parts = [
        (position[:, 1:2], robot.height_range),
        (position[:, 2:3], robot.angle_range),
        (state, robot.state_range),
    ]
    healthy = np.ones(len(position), bool)
    for values, bounds in parts:
        if bounds is not None:
            low, high = bounds
            healthy &= ((low < values) & (values < high)).all(axis=1)
    return healthy


def pay(
    robot: Robot, moved: np.ndarray, actions: np.ndarray, healthy: np.ndarray
) -> np.ndarray:
    """Return the rewards [N] of a step.

    Args:
      robot: the numbers.
      moved: [N], metres along the track.
      actions: [N, A].
      healthy: [N] bool, after the step.
    """
    forward = robot.forward_weight * (moved / robot.seconds)
    control = robot.control_weight * np.sum(np.square(actions), axis=1)
    upright = (healthy | robot.pays_unhealthy) * robot.healthy_reward
    rewards: np.ndarray = forward + upright - control
    return rewards


@functools.cache
def unstable_warnings() -> list[int]:
    """Return the numbers of `UNSTABLE` in the MuJoCo that is installed."""
    import mujoco

    return [int(getattr(mujoco.mjtWarning, name)) for name in UNSTABLE]


def warnings_of(env: gymnasium.Env) -> list[Any]:
    """Return MuJoCo's counters of unstable steps; none for another simulator."""
    data: Any = getattr(env.unwrapped, "data", None)
    if type(data).__module__.partition(".")[0] != "mujoco":
        return []
    return [data.warning[number] for number in unstable_warnings()]


def forget_blow_ups(env: gymnasium.Env) -> None:
    """Set MuJoCo's counters to 0, which not every environment does at its reset."""
    for warning in warnings_of(env):
        warning.number = 0


def blew_up(env: gymnasium.Env) -> bool:
    """Return whether MuJoCo started a simulation anew because it was unstable."""
    return any(warning.number for warning in warnings_of(env))
