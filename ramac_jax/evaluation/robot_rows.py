"""Gymnasium's robots, stepped in batches on MuJoCo's own threads.

Every row equals `Rows` bit for bit: `tests/evaluation/test_robot_rows.py` plays whole
episodes. MuJoCo 3 has no batches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils import seeding
from gymnasium.wrappers import OrderEnforcing, TimeLimit

from ramac_jax.devices.limits import count_cores
from ramac_jax.envs.hazards import is_end, is_risky, penalties
from ramac_jax.envs.registration import HazardousReward
from ramac_jax.envs.robots import (
    Robot,
    draw_start,
    is_healthy,
    observe,
    pay,
    read_robot,
    unstable_warnings,
)
from ramac_jax.evaluation.simulators import (
    Rows,
    Step,
    empty_step,
    reject_failed,
    warn_of_error,
)
from ramac_jax.evaluation.wrappers import wrappers_of
from ramac_jax.tasks import Hazard

ROWS_OF_A_THREAD = 4
"""Fewest rows for which a lane has another thread."""
PROBE_STEPS = 5
"""Steps that a batch must repeat before it takes the place of an environment."""


class Lane(NamedTuple):
    """N simulations that are stepped together."""

    batch: Any  # mujoco.batch.Batch
    position: np.ndarray  # [N, Q], a view of the batch
    velocity: np.ndarray  # [N, V], a view of the batch
    draws: np.ndarray  # [N, horizon], of the hazard
    played: np.ndarray  # [N], steps


class RobotRows:
    """Rows of one robot, with the methods of `Rows`."""

    def __init__(
        self,
        env: EnvSpec,
        horizon: int,
        robot: Robot,
        hazard: Hazard | None,
        num_threads: int,
    ) -> None:
        self.env, self.horizon = env, horizon
        self.robot, self.hazard, self.num_threads = robot, hazard, num_threads
        self.observation_dim = observe(
            robot, robot.start_position[None], robot.start_velocity[None]
        ).shape[1]
        self.action_dim = robot.model.nu
        self.layout = None
        self.lanes: dict[int, Lane] = {}

    def reset(self, lane: int, seeds: np.ndarray) -> Step:
        """Start an episode in each of N simulations, with its own seed [N]."""
        held = self.lanes.get(lane)
        if held is None or len(held.played) != len(seeds):
            held = self.lanes[lane] = self.make_lane(len(seeds))
        everyone = np.arange(len(seeds))
        rows = self.advance(everyone, lambda: self.start(held, seeds))
        step = empty_step(len(seeds), self.observation_dim)
        step.observation[rows] = observe(
            self.robot, held.position[rows], held.velocity[rows]
        )
        step.failed[:] = True
        step.failed[rows] = self.blew_up(held)[rows]
        return reject_failed(step)

    def start(self, lane: Lane, seeds: np.ndarray) -> None:
        """Put the simulations of a lane at the start of their episodes."""
        lane.batch.reset(stage=0)
        lane.played[:] = 0
        for row, seed in enumerate(seeds):
            rng, _ = seeding.np_random(int(seed))
            lane.position[row], lane.velocity[row] = draw_start(self.robot, rng)
            if self.hazard is not None:
                lane.draws[row] = rng.random(self.horizon)
        lane.batch.forward()

    def make_lane(self, size: int) -> Lane:
        """Make N simulations."""
        from mujoco.batch import Batch

        threads = max(1, min(self.num_threads, size // ROWS_OF_A_THREAD))
        batch = Batch(self.robot.model, size, threads)
        draws = self.horizon if self.hazard is not None else 0
        return Lane(
            batch=batch,
            position=batch.bind("qpos"),
            velocity=batch.bind("qvel"),
            draws=np.zeros((size, draws)),
            played=np.zeros(size, int),
        )

    def step(self, lane: int, actions: np.ndarray, running: np.ndarray) -> Step:
        """Step the running [N] simulations with their actions [N, A]."""
        held, asked = self.lanes[lane], np.flatnonzero(running)
        step = empty_step(len(actions), self.observation_dim)
        held.batch.bind("ctrl")[asked] = actions[asked]
        before = held.position[:, 0].copy()
        rows = self.advance(
            asked, lambda: held.batch.step(asked, self.robot.frame_skip)
        )
        step.failed[asked] = True
        step.failed[rows] = self.blew_up(held)[rows]
        held.played[rows] += 1
        position, velocity = held.position[rows], held.velocity[rows]
        healthy = is_healthy(self.robot, position, velocity)
        observation = observe(self.robot, position, velocity)
        reward = pay(self.robot, position[:, 0] - before[rows], actions[rows], healthy)
        step.observation[rows] = observation
        step.base_reward[rows] = step.reward[rows] = reward
        step.ended[rows] = held.played[rows] >= self.horizon
        step.ended[rows] |= self.robot.ends_unhealthy & ~healthy
        if self.hazard is not None:
            monitored = observation[:, self.hazard.coordinate]
            draws = held.draws[rows, held.played[rows] - 1]
            step.penalty[rows] = penalties(self.hazard, monitored, draws)
            step.reward[rows] += step.penalty[rows]
            step.risky[rows] = is_risky(self.hazard, monitored)
            step.monitored[rows] = monitored
            step.ended[rows] |= is_end(self.hazard, monitored)
        return reject_failed(step)

    def advance(self, rows: np.ndarray, call: Callable[[], None]) -> np.ndarray:
        """Call MuJoCo for rows; return those of which it raised nothing."""
        try:
            call()
        except Exception as error:  # a SimulationError names its rows
            warn_of_error(self.env, error)
            return np.setdiff1d(rows, getattr(error, "ids", rows))
        return rows

    def blew_up(self, lane: Lane) -> np.ndarray:
        """Return which simulations [N] MuJoCo started anew since their reset."""
        counts = lane.batch.warning[:, unstable_warnings(), 1]
        return np.asarray(counts.any(axis=1))

    def close(self) -> None:
        """Free the simulations."""
        self.lanes.clear()


def robot_rows(rows: Rows, num_threads: int) -> RobotRows | None:
    """Return batches that play as `rows` does; None where there are none.

    That is for other environments, other wrappers than a hazard's, an environment that
    is drawn, MuJoCo before version 4, and where the first steps differ in a bit.

    Args:
      rows: environments, the first of them made.
      num_threads: of a batch; 0: one for each core.
    """
    env = rows.lanes[0][0]
    robot, (known, hazard) = read_robot(env), hazard_of(env, rows.horizon)
    if robot is None or not known or env.render_mode is not None:
        return None
    threads = num_threads or count_cores()
    try:
        batches = RobotRows(rows.env, rows.horizon, robot, hazard, threads)
        return batches if same_steps(batches, rows) else None
    except Exception:  # MuJoCo 3, or a model that it steps in no batch
        return None


def hazard_of(env: gymnasium.Env, horizon: int) -> tuple[bool, Hazard | None]:
    """Return whether a batch knows all wrappers of an environment, and the hazard.

    They are one time limit, of the horizon, and at most one hazard.
    """
    limits, hazards, known = [], [], True
    for wrapper in wrappers_of(env):
        if type(wrapper) is TimeLimit:
            limits.append(wrapper._max_episode_steps)
        elif type(wrapper) is HazardousReward:
            hazards.append(wrapper.hazard)
        else:
            known &= type(wrapper) is OrderEnforcing
    known &= limits == [horizon] and len(hazards) <= 1
    return known, hazards[0] if hazards else None


def same_steps(one: RobotRows, other: Rows) -> bool:
    """Return whether the first steps of an episode are equal bit for bit."""
    rng, seeds, running = np.random.default_rng(0), np.zeros(1, int), np.ones(1, bool)
    pairs = [(one.reset(0, seeds), other.reset(0, seeds))]
    for _ in range(min(PROBE_STEPS, one.horizon)):
        actions = rng.uniform(-1.0, 1.0, (1, one.action_dim)).astype(np.float32)
        pairs.append((one.step(0, actions, running), other.step(0, actions, running)))
    return all(
        np.array_equal(a, b, equal_nan=True)
        for pair in pairs
        for a, b in zip(*pair, strict=True)
    )
