"""Several hosts as one program: they join, agree on numbers and divide work."""

import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

import jax
import numpy as np
from jax._src.distributed import State, global_state
from jax.experimental import multihost_utils

from ramac_jax.errors import InputError, first_line
from ramac_jax.launchers import OTHER_HOSTS, launch_options, several_hosts

T = TypeVar("T")


def initialize_hosts() -> None:
    """Join the other hosts of this program, where a launcher started several.

    Call the function before anything else of JAX. Open MPI, indexed Kubernetes jobs and
    Cloud TPU are recognised by their environment variables. The tasks of a SLURM step
    join where JAX_NUM_PROCESSES or JAX_COORDINATOR_ADDRESS is set, and otherwise run
    alone, since many such steps are independent runs. Any other launcher sets
    JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID. JAX_NUM_PROCESSES=1
    disables joining.

    Raises `InputError` where the other hosts cannot be joined.
    """
    if not several_hosts():
        return
    try:
        options = launch_options()
        interruptible(lambda: jax.distributed.initialize(**options))
    except (KeyError, ValueError, RuntimeError) as error:
        raise InputError(
            "the launcher started several hosts, which cannot be joined "
            f"({first_line(error)}): set JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES "
            "and JAX_PROCESS_ID, or JAX_NUM_PROCESSES=1 to run alone"
        ) from error


def joined() -> State:
    """The hosts that JAX has joined, and its client of the texts that they share.

    Its answers need no device, so that a host without any can still answer.
    """
    return global_state


def interruptible(wait: Callable[[], T]) -> T:
    """Call a function that waits for other hosts, and handle signals meanwhile."""
    return in_thread(wait).result()


def in_thread(wait: Callable[[], T]) -> Future[T]:
    """Call a function that waits for other hosts in a thread of its own.

    A wait inside of JAX keeps the main thread from the handlers of Python; an exception
    of a handler leaves the thread behind.
    """
    result: Future[T] = Future()

    def call() -> None:
        try:
            result.set_result(wait())
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=call, daemon=True, name=OTHER_HOSTS).start()
    return result


def is_first_host() -> bool:
    """Whether this process is the one that writes and prints."""
    return jax.process_index() == 0


def agree(values: Sequence[float], reduce: Callable[..., Any] = np.min) -> list[float]:
    """Reduce the numbers of all hosts to the same numbers on every host.

    Args:
      values: K numbers of this host, rounded to float32 where there are several hosts.
      reduce: NumPy reduction over the hosts, called with `axis=0`.

    Returns K numbers. Every host must make the call, in the same order as the others.
    """
    if jax.process_count() == 1:
        return list(values)
    everyone = all_hosts(np.asarray(values, np.float32))
    return [float(x) for x in reduce(everyone, axis=0)]


def all_hosts(array: np.ndarray) -> np.ndarray:
    """Stack the arrays of all hosts, which have one shape: [...] becomes [H, ...]."""
    gathered = interruptible(lambda: multihost_utils.process_allgather(array))
    return np.asarray(gathered)


def rows_of_host(size: int) -> np.ndarray:
    """Rows [H] of `size` rows that this host works on.

    All hosts have the same number of rows; the last row repeats where the rows run out.
    """
    each = math.ceil(size / jax.process_count())
    first = jax.process_index() * each
    return np.minimum(np.arange(first, first + each), size - 1)


def join_hosts(tree: Any, size: int) -> Any:
    """Join the rows of all hosts: NumPy leaves [H, ...] become [size, ...].

    The rows are those of `rows_of_host(size)`.
    """
    if jax.process_count() == 1:
        return tree

    def join(leaf: np.ndarray) -> np.ndarray:
        # As bytes: JAX would convert 64-bit numbers to 32-bit numbers.
        raw = np.ascontiguousarray(leaf).reshape(len(leaf), -1).view(np.uint8)
        everyone = all_hosts(raw)
        rows = np.ascontiguousarray(everyone.reshape(-1, raw.shape[1])[:size])
        return rows.view(leaf.dtype).reshape(size, *leaf.shape[1:])

    return jax.tree.map(join, tree)
