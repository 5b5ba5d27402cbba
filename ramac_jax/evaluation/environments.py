"""Environments for evaluation, stepped in this process or in worker processes."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np

from ramac_jax.envs.mujoco_log import log_mujoco_warnings
from ramac_jax.errors import InputError, first_line
from ramac_jax.evaluation.robot_rows import RobotRows, robot_rows
from ramac_jax.evaluation.simulators import Rows, Step, find_spec
from ramac_jax.evaluation.wrappers import warn_of_state

if TYPE_CHECKING:
    from gymnasium.envs.registration import EnvSpec

T = TypeVar("T")


def serve(connection: Connection, env: EnvSpec, horizon: int) -> None:
    """Run a worker: answer calls of `Rows` until None arrives.

    What a call raises, or the making of `Rows`, is its answer. A worker ignores
    signals; the process that started it ends it.
    """
    for name in ("SIGINT", "SIGTERM", "SIGUSR1"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    log_mujoco_warnings()
    rows = attempt(lambda: Rows(env, horizon))
    with contextlib.suppress(EOFError, OSError):  # the process that started it is gone
        while (call := connection.recv()) is not None:
            connection.send(answer(rows, *call))
    if isinstance(rows, Rows):
        rows.close()


def answer(rows: Rows | Exception, name: str, *arguments: Any) -> Step | Exception:
    """Return the result of a method of `Rows`, or what it raises."""
    if isinstance(rows, Exception):
        return rows
    return attempt(lambda: getattr(rows, name)(*arguments))


def attempt(make: Callable[[], T]) -> T | Exception:
    """Return the result of a call, or what it raises in a form that can be sent."""
    try:
        return make()
    except InputError as error:
        return InputError(str(error))
    except Exception as error:
        return RuntimeError(f"{type(error).__name__}: {first_line(error)}")


class Environments:
    """Environments of one kind, as many as needed, kept between evaluations.

    Use it in a `with`. Workers are separate processes: a script that uses workers needs
    `if __name__ == "__main__":`, and environments must be registered by an import.
    """

    def __init__(
        self,
        env: str | EnvSpec,
        *,
        horizon: int,
        num_workers: int = 0,
        num_threads: int = 0,
    ) -> None:
        """Make the first environment and start the workers.

        Args:
          env: a Gymnasium id or spec, usually of a task: `ramac_jax.tasks.env_id`.
          horizon: largest number of steps of an episode.
          num_workers: processes that step the environments; 0: this process does.
            For Gymnasium's robots in batches it is the most threads of this process,
            which must not be forked afterwards.
          num_threads: the most for robots where `num_workers` is 0; 0: one for each
            core.

        Raises `InputError` for an unknown environment, one that cannot be made, one
        with running statistics, and where observations do not become vectors or actions
        are none. Warns where the episode of a seed differs when it is played again.
        """
        for name, count, least in (
            ("horizon", horizon, 1),
            ("num_workers", num_workers, 0),
            ("num_threads", num_threads, 0),
        ):
            if count < least:
                raise InputError(f"{name} is {count}: give {least} or more")
        self.spec, self.horizon = find_spec(env), horizon
        rows = Rows(self.spec, horizon)
        warn_of_state(rows.lanes[0][0])
        batches = robot_rows(rows, num_workers or num_threads)
        self.rows: Rows | RobotRows = batches or rows
        if batches:
            rows.close()
        self.observation_dim = self.rows.observation_dim
        self.action_dim = self.rows.action_dim
        self.layout = self.rows.layout
        self.connections: list[Connection] = []
        self.workers: list[Any] = []
        spawn = multiprocessing.get_context("spawn")  # forking a process with JAX hangs
        for _ in range(0 if batches else num_workers):
            ours, theirs = spawn.Pipe()
            arguments = (theirs, self.spec, horizon)
            worker = spawn.Process(target=serve, args=arguments, daemon=True)
            worker.start()
            theirs.close()
            self.connections.append(ours)
            self.workers.append(worker)

    def reset(self, lane: int, seeds: np.ndarray) -> Step:
        """Start N episodes in a lane, each with its own seed [N]."""
        return self.call("reset", lane, seeds)

    def step(self, lane: int, actions: np.ndarray, running: np.ndarray) -> Step:
        """Step the running [N] environments with their actions [N, A]."""
        return self.call("step", lane, actions, running)

    def call(self, name: str, lane: int, *arguments: np.ndarray) -> Step:
        """Call `Rows` in this process, or in every worker with a part of the rows.

        Raises what a worker raised, and `InputError` where one has died.
        """
        if not self.connections:
            return getattr(self.rows, name)(lane, *arguments)
        parts = [np.array_split(x, len(self.connections)) for x in arguments]
        try:
            for connection, *part in zip(self.connections, *parts, strict=True):
                connection.send((name, lane, *part))
            answers = [connection.recv() for connection in self.connections]
        except (EOFError, OSError) as error:
            raise InputError(
                f"a worker process that steps {self.spec.id} died, as it does where "
                "memory runs out: give fewer workers"
            ) from error
        for answered in answers:
            if isinstance(answered, Exception):
                raise answered
        columns = zip(Step._fields, zip(*answers, strict=True), strict=True)
        return Step(**{name: np.concatenate(rows) for name, rows in columns})

    def close(self) -> None:
        """Free the simulators and end the workers."""
        for connection in self.connections:
            try:
                connection.send(None)
            except OSError:  # the worker died before
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
