"""Many environments stepped together, in this process or shared among workers.

Whatever goes wrong in one of them marks that one as failed: nothing is raised, and the
others go on.
"""

import importlib
import math
import multiprocessing
import signal
import warnings
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, NamedTuple, Self

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec

from ramac_jax.envs.mujoco_log import log_mujoco_warnings
from ramac_jax.envs.registration import (  # and all are registered
    make_environment,
    update_spec,
)
from ramac_jax.validation import InputError, first_line


class Step(NamedTuple):
    """What N environments gave back; 0, or NaN in `monitored`, where none was asked."""

    observation: np.ndarray  # [N, O] float32
    reward: np.ndarray  # [N]
    base_reward: np.ndarray  # [N], the reward before any penalty
    penalty: np.ndarray  # [N], at most 0
    risky: np.ndarray  # [N] bool
    monitored: np.ndarray  # [N] float32, the quantity that the hazard watches
    ended: np.ndarray  # [N] bool
    failed: np.ndarray  # [N] bool: an exception, or a number that is not finite


def empty_step(size: int, observation_dim: int) -> Step:
    """A step in which no environment took part."""
    reward, base_reward, penalty = np.zeros((3, size))
    risky, ended, failed = np.zeros((3, size), bool)
    observation = np.zeros((size, observation_dim), np.float32)
    monitored = np.full(size, np.nan, np.float32)
    return Step(
        observation, reward, base_reward, penalty, risky, monitored, ended, failed
    )


def make(env: EnvSpec, horizon: int) -> gymnasium.Env:
    """Make one environment; `InputError` if it cannot be, or is not of vectors."""
    try:
        made = make_environment(
            env, max_episode_steps=horizon, disable_env_checker=True
        )
    except (gymnasium.error.Error, ImportError) as error:
        raise InputError(f"cannot make {env.id}: {first_line(error)}") from error
    for name in ("observation_space", "action_space"):
        space = getattr(made, name)
        if not isinstance(space, gymnasium.spaces.Box) or len(space.shape) != 1:
            raise InputError(f"{env.id} has {name} {space}: it must be a box of [size]")
    return made


class Rows:
    """Environments of this process, made when first needed.

    A lane is a set of them that is stepped together, apart from the other lanes.
    """

    def __init__(self, env: EnvSpec, horizon: int) -> None:
        self.env, self.horizon = env, horizon
        self.lanes = {0: [make(env, horizon)]}
        self.observation_dim = self.lanes[0][0].observation_space.shape[0]
        self.action_dim = self.lanes[0][0].action_space.shape[0]

    def reset(self, lane: int, seeds: np.ndarray) -> Step:
        """Begin an episode in each of N environments, from its own seed [N]."""
        made = self.lanes.setdefault(lane, [])
        while len(made) < len(seeds):
            made.append(make(self.env, self.horizon))
        step = empty_step(len(seeds), self.observation_dim)
        for row, seed in enumerate(seeds):
            try:
                step.observation[row] = made[row].reset(seed=int(seed))[0]
            except Exception as error:  # a simulator may raise anything
                step.failed[row] = True
                warn_of(self.env, error)
        return reject_failed(step)

    def step(self, lane: int, actions: np.ndarray, running: np.ndarray) -> Step:
        """Step the environments that are running [N] by their actions [N, A]."""
        made = self.lanes[lane]
        step = empty_step(len(actions), self.observation_dim)
        for row in np.flatnonzero(running):
            try:
                observation, reward, terminated, truncated, info = made[row].step(
                    actions[row]
                )
                step.observation[row] = observation
                step.reward[row] = reward
                step.base_reward[row] = info.get("base_reward", reward)
                step.penalty[row] = info.get("penalty", 0.0)
                step.risky[row] = info.get("risky", False)
                step.monitored[row] = info.get("monitored", math.nan)
                step.ended[row] = terminated or truncated
            except Exception as error:  # a simulator may raise anything
                step.failed[row] = True
                warn_of(self.env, error)
        return reject_failed(step)

    def close(self) -> None:
        """Free the simulators."""
        for made in self.lanes.values():
            for env in made:
                env.close()


def warn_of(env: EnvSpec, error: Exception) -> None:
    """Tell what went wrong in a simulator; Python shows the same warning once."""
    text = f"{env.id}: {type(error).__name__}: {first_line(error)}"
    warnings.warn(text, RuntimeWarning, stacklevel=2)


def reject_failed(step: Step) -> Step:
    """Mark rows whose observation or reward is not finite, and blank what they hold."""
    finite = np.isfinite(step.observation).all(axis=-1) & np.isfinite(step.reward)
    failed = step.failed | ~finite
    for field in (step.observation, step.penalty, step.risky):
        field[failed] = 0
    step.monitored[failed] = np.nan
    return step._replace(failed=failed, ended=step.ended | failed)


def serve(connection: Connection, env: EnvSpec, horizon: int) -> None:
    """Answer calls of `Rows` until None comes: the whole life of a worker.

    Signals are for the process that asks, which ends its workers.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    log_mujoco_warnings()
    rows = Rows(env, horizon)
    while (call := connection.recv()) is not None:
        name, *arguments = call
        connection.send(getattr(rows, name)(*arguments))
    rows.close()


class Environments:
    """As many environments of a kind as are asked for, kept between evaluations.

    Use it in a `with`. Workers are processes of their own: a script that asks for them
    needs `if __name__ == "__main__":`, and they know only what importing gives them.
    """

    def __init__(
        self, env: str | EnvSpec, *, horizon: int, num_workers: int = 0
    ) -> None:
        """Make the first environment and start the workers.

        Args:
          env: a Gymnasium id or spec, usually of a task: `ramac_jax.envs.env_id`.
          horizon: steps after which an episode is cut.
          num_workers: processes to share the environments; 0: this one steps them all.

        Raises `InputError` for an environment that is not there or not of vectors.
        """
        for name, count, least in (
            ("horizon", horizon, 1),
            ("num_workers", num_workers, 0),
        ):
            if count < least:
                raise InputError(f"{name} is {count}: give {least} or more")
        self.spec, self.horizon = find_spec(env), horizon
        self.rows = Rows(self.spec, horizon)
        self.observation_dim = self.rows.observation_dim
        self.action_dim = self.rows.action_dim
        self.connections: list[Connection] = []
        self.workers: list[Any] = []
        spawn = multiprocessing.get_context("spawn")  # forking a process with JAX hangs
        for _ in range(num_workers):
            ours, theirs = spawn.Pipe()
            arguments = (theirs, self.spec, horizon)
            worker = spawn.Process(target=serve, args=arguments, daemon=True)
            worker.start()
            theirs.close()
            self.connections.append(ours)
            self.workers.append(worker)

    def reset(self, lane: int, seeds: np.ndarray) -> Step:
        """Begin N episodes in a lane, each from its own seed [N]."""
        return self.call("reset", lane, seeds)

    def step(self, lane: int, actions: np.ndarray, running: np.ndarray) -> Step:
        """Step the environments that are running [N] by their actions [N, A]."""
        return self.call("step", lane, actions, running)

    def call(self, name: str, lane: int, *arguments: np.ndarray) -> Step:
        """Call `Rows` here, or in every worker on its share of the rows."""
        if not self.connections:
            return getattr(self.rows, name)(lane, *arguments)
        shares = [np.array_split(x, len(self.connections)) for x in arguments]
        try:
            for connection, *share in zip(self.connections, *shares, strict=True):
                connection.send((name, lane, *share))
            answers = [connection.recv() for connection in self.connections]
        except (EOFError, OSError) as error:
            raise RuntimeError(f"a worker stepping {self.spec.id} died") from error
        return Step(*map(np.concatenate, zip(*answers, strict=True)))

    def close(self) -> None:
        """Free the simulators and end the workers."""
        for connection in self.connections:
            try:
                connection.send(None)
            except OSError:  # it died before
                continue
        for worker in self.workers:
            worker.join(timeout=10)
            if worker.is_alive():
                worker.kill()
        self.connections, self.workers = [], []
        self.rows.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def find_spec(env: str | EnvSpec) -> EnvSpec:
    """The spec of an id, which may start with `module:`; `InputError` if unknown."""
    if isinstance(env, EnvSpec):
        return update_spec(env)
    module, _, name = env.rpartition(":")
    try:
        if module:
            importlib.import_module(module)
        return gymnasium.spec(name)
    except (gymnasium.error.Error, ImportError) as error:
        raise InputError(f"unknown environment {env!r}: {first_line(error)}") from error
