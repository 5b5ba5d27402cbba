"""Functions of the caller that training calls, and the runner of the evaluations.

In a single process an evaluation has a thread and a copy of the parameters of its own,
and training continues meanwhile. Several hosts wait for the evaluation: evaluation and
training both communicate with the other hosts, in the same order on all of them.
"""

import contextlib
import threading
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, Self

import jax
import numpy as np

from ramac_jax.acting import ActingParams
from ramac_jax.devices.placement import gather, pick
from ramac_jax.evaluation.rollouts import Cancelled
from ramac_jax.population.checkpoints import Carry
from ramac_jax.population.history import History
from ramac_jax.population.members import Members
from ramac_jax.population.schedule import Progress

Results = Mapping[str, np.ndarray]  # each [P, ...]
EvalCallback = Callable[[int, ActingParams, Members, threading.Event], Results]
"""(step, parameters, members, cancelled) -> results by name, each [P, ...].

The parameters of actors and critics are NumPy arrays [P, ...]. The event is set once
the run ends without the results, by an error or an interrupt: a long evaluation polls
`cancelled.is_set()` and then raises `ramac_jax.evaluation.Cancelled`."""


class Interrupted(KeyboardInterrupt):
    """The caller stopped the training; the message says what is saved.

    `number` is the non-zero number that `should_stop` returned.
    """

    def __init__(self, message: str, number: int):
        super().__init__(message)
        self.number = number


def warn_by_python(text: str) -> None:
    """Issue a warning of Python."""
    warnings.warn(text, stacklevel=3)


class Callbacks(NamedTuple):
    """Functions that `train_population` calls on every host."""

    evaluate: EvalCallback | None = None
    """Called every `eval_every` updates; its results enter the history. In a single
    process it runs in a thread, on the CPU, while training continues."""
    report: Callable[[Progress], None] = lambda progress: None
    """Called about once a second and after every row of the history."""
    warn: Callable[[str], None] = warn_by_python
    """Called with one line on chunks, damaged checkpoints or another machine."""
    should_stop: Callable[[], int] = lambda: 0
    """Polled about once a second of training. A number other than 0, such as that of a
    signal, saves the run and raises `Interrupted` with it."""


def overlaps() -> bool:
    """Whether training continues during an evaluation."""
    return bool(jax.process_count() == 1)


class EvalRunner:
    """Runs the eval callback on the members of a chunk, one evaluation at a time.

    Use it in a `with`, which ends once no evaluation is running.
    """

    def __init__(
        self,
        evaluate: EvalCallback | None,
        every: int | None,
        members: Members,
        num_real: int,
    ) -> None:
        """Prepare evaluations.

        Args:
          evaluate: the eval callback; None: no evaluation.
          every: updates between two evaluations; None: never.
          members: the members of the chunk.
          num_real: how many of them, the first ones, are evaluated; the others are
            copies that fill the devices.
        """
        self.evaluate, self.every, self.num_real = evaluate, every, num_real
        self.members = pick(members, slice(num_real))
        self.repeated = np.minimum(np.arange(len(members.seed)), num_real - 1)
        self.step: int | None = None  # of the evaluation whose results are pending
        self.results: Future[Results] = Future()
        self.cancelled = threading.Event()
        self.pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="evaluation")

    def is_due(self, step: int) -> bool:
        """Whether an evaluation follows this update."""
        if self.evaluate is None or self.every is None:
            return False
        return step % self.every == 0

    def start(self, step: int, carry: Carry) -> None:
        """Start an evaluation of the current agents; none may be pending."""
        assert self.step is None
        states = carry.states
        current = ActingParams(states.actor_params, states.critic_params)
        params = pick(gather(current), slice(self.num_real))
        if overlaps():
            self.results = self.pool.submit(self.call_on_cpu, step, params)
        else:
            self.results = Future()
            self.results.set_result(self.call(step, params))
        self.step = step

    def call_on_cpu(self, step: int, params: ActingParams) -> Results:
        """Evaluate in this thread, off the devices that train."""
        with on_cpu():
            return self.call(step, params)

    def call(self, step: int, params: ActingParams) -> Results:
        """Evaluate in this thread."""
        assert self.evaluate is not None
        return self.evaluate(step, params, self.members, self.cancelled)

    def collect(self, history: History, *, wait: bool = False) -> History:
        """Add the results of an evaluation that has finished to the history.

        Args:
          history: the history without them.
          wait: wait for an evaluation that has not finished.

        Raises what the eval callback raised.
        """
        if self.step is None or not (wait or self.results.done()):
            return history
        results = self.results.result()
        step, self.step = self.step, None
        rows = {name: x[self.repeated] for name, x in results.items()}
        return history.add_evaluation(step, rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        """Wait for a running evaluation, which is cancelled after an error."""
        if error is not None:
            self.cancelled.set()
        self.pool.shutdown()
        if self.step is None or error is None:
            return
        failure = self.results.exception()
        if failure is None or isinstance(failure, Cancelled):
            return
        if failure is not error:
            error.add_note(f"The eval callback failed too: {failure!r}")


def on_cpu() -> contextlib.AbstractContextManager[Any]:
    """Compute on the CPU in this thread, since training occupies the accelerator.

    Where JAX has no CPU backend, the thread computes on the accelerator.
    """
    if jax.default_backend() != "cpu":
        with contextlib.suppress(RuntimeError):
            cpu: contextlib.AbstractContextManager[Any]
            cpu = jax.default_device(jax.devices("cpu")[0])
            return cpu
    return contextlib.nullcontext()
