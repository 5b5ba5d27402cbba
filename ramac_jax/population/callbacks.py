"""A watcher at work beside the training, and checkpoints that wait for what it tells.

In one process the watcher has a thread of its own and a copy of the actors, and the
updates go on. Where there are several hosts, training waits for it: both communicate
with the others, and all must do so in the same order.
"""

import contextlib
import ctypes
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.sharding import Mesh

from ramac_jax.devices.mesh import gather, pick
from ramac_jax.population import checkpoints as saving
from ramac_jax.population.checkpoints import Carry
from ramac_jax.population.history import History
from ramac_jax.population.members import Members
from ramac_jax.population.schedule import Watch
from ramac_jax.types import Params

Figures = Mapping[str, np.ndarray]  # each [P, ...]


def overlaps() -> bool:
    """Whether training goes on while the watcher is at work."""
    return jax.process_count() == 1


class Lookout:
    """Lets a watcher look at the members of a chunk, one look at a time.

    Use it in a `with`, which ends once the watcher is at rest.
    """

    def __init__(
        self, watch: Watch | None, every: int | None, members: Members, num_real: int
    ) -> None:
        """Prepare to look.

        Args:
          watch: the watcher; None: there is none.
          every: updates between two looks; None: never.
          members: of the chunk.
          num_real: how many of them, the first ones, are looked at.
        """
        self.watch, self.every, self.num_real = watch, every, num_real
        self.members = pick(members, slice(num_real))
        self.repeated = np.minimum(np.arange(len(members.seed)), num_real - 1)
        self.step: int | None = None  # of the look whose figures are still to come
        self.figures: Future[Figures] = Future()
        self.thread = 0  # that the watcher works in
        self.pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="watcher")

    def is_due(self, step: int) -> bool:
        """Whether the watcher is to look at the members after this update."""
        if self.watch is None or self.every is None:
            return False
        return step % self.every == 0

    def look(self, step: int, carry: Carry) -> None:
        """Let the watcher look at the members as they are; none may be pending."""
        assert self.step is None
        params = pick(gather(carry.states.actor_params), slice(self.num_real))
        if overlaps():
            self.figures = self.pool.submit(self.work, step, params)
        else:
            self.figures = Future()
            self.figures.set_result(self.call(step, params))
        self.step = step

    def work(self, step: int, params: Params) -> Figures:
        """Watch in this thread, off the devices that train."""
        self.thread = threading.get_ident()
        with on_cpu():
            return self.call(step, params)

    def call(self, step: int, params: Params) -> Figures:
        """What the watcher tells."""
        assert self.watch is not None
        return self.watch(step, params, self.members)

    def heard(self, history: History, *, wait: bool = False) -> History:
        """The history with the figures of a look that has ended.

        Args:
          history: without them.
          wait: for a look that has not.

        Raises what the watcher raised.
        """
        if self.step is None or not (wait or self.figures.done()):
            return history
        figures = self.figures.result()
        step, self.step = self.step, None
        told = {name: x[self.repeated] for name, x in figures.items()}
        return history.add_watched(step, told)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        """Wait for the watcher, or break it off where a person breaks off the run."""
        if isinstance(error, KeyboardInterrupt) and not self.at_rest():
            interrupt(self.thread)
        self.pool.shutdown()
        if self.step is None or error is None:
            return
        failure = self.figures.exception()
        if isinstance(failure, Exception) and failure is not error:
            error.add_note(f"The watcher failed too: {failure!r}")

    def at_rest(self) -> bool:
        """Whether the watcher has nothing to do."""
        return self.step is None or self.figures.done()


def interrupt(thread: int) -> None:
    """Raise `KeyboardInterrupt` in a thread, where Ctrl-C itself never does."""
    raised = ctypes.py_object(KeyboardInterrupt)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), raised)


def on_cpu() -> contextlib.AbstractContextManager:
    """Compute on the CPU in this thread: an accelerator is busy for a second at a time.

    Where JAX was told to do without the CPU, the accelerator has to do.
    """
    if jax.default_backend() != "cpu":
        with contextlib.suppress(RuntimeError):
            return jax.default_device(jax.devices("cpu")[0])
    return contextlib.nullcontext()


class CheckpointWriter:
    """Writes checkpoints, each once its history has all figures up to its step.

    What is to be written later is held in the host's memory, where training donates
    nothing; the newest alone.
    """

    def __init__(self, manager: ocp.CheckpointManager | None, mesh: Mesh) -> None:
        """Begin with nothing held; without a manager nothing is ever written."""
        self.manager = manager
        self.machine = saving.machine(mesh)
        self.held: tuple[int, Carry] | None = None

    def keep(
        self, due: bool, step: int, carry: Carry, history: History, looking: int | None
    ) -> None:
        """Write what can be written by now.

        Args:
          due: whether a checkpoint of this step is.
          step: where training stands.
          carry: what it goes on from.
          history: all that it has told.
          looking: step of the look whose figures are still to come, if any.
        """
        if self.manager is None:
            return
        if due and looking is None:
            self.held = None
            saving.save(self.manager, step, carry, history, self.machine)
        elif self.held is not None and (looking is None or looking > self.held[0]):
            earlier, self.held = self.held, None
            with on_cpu():
                told = history.until(earlier[0])
                saving.save(self.manager, *earlier, told, self.machine)
        if due and looking is not None:
            self.held = step, gather(carry)

    def finish(self, step: int, carry: Carry, history: History) -> None:
        """Write the last checkpoint, to which nothing is still to come."""
        if self.manager is not None:
            saving.save(self.manager, step, carry, history, self.machine)
            self.manager.wait_until_finished()
