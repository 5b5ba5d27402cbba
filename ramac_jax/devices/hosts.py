"""Several hosts as one program: they join, agree on numbers and divide work."""

import math
import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from ramac_jax.errors import InputError

T = TypeVar("T")


def initialize_hosts() -> None:
    """Join the other hosts of this program, where a launcher started several.

    Call the function before anything else of JAX. SLURM, Open MPI, indexed Kubernetes
    jobs and Cloud TPU are recognised by their environment variables; any other launcher
    sets JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID.
    JAX_NUM_PROCESSES=1 disables joining.

    Raises `InputError` where the other hosts cannot be joined.
    """
    environment = os.environ
    disabled = environment.get("JAX_NUM_PROCESSES") == "1"
    slurm_tasks = environment.get("SLURM_NTASKS", "1")
    launched = (
        "JAX_NUM_PROCESSES" in environment
        or ("SLURM_STEP_NODELIST" in environment and slurm_tasks != "1")
        or environment.get("OMPI_COMM_WORLD_SIZE", "1") != "1"
        or "JOB_COMPLETION_INDEX" in environment
        or "," in environment.get("TPU_WORKER_HOSTNAMES", "")
    )
    if disabled or not launched:
        return
    options: dict[str, Any] = {}
    try:
        if "JAX_NUM_PROCESSES" in environment:
            options["num_processes"] = int(environment["JAX_NUM_PROCESSES"])
            options["process_id"] = int(environment["JAX_PROCESS_ID"])
        jax.distributed.initialize(**options)
    except (KeyError, ValueError, RuntimeError) as error:
        raise InputError(
            f"the launcher started several hosts, which cannot be joined ({error}): "
            "set JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID, or "
            "JAX_NUM_PROCESSES=1 to run alone"
        ) from error


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
    everyone = multihost_utils.process_allgather(np.asarray(values, np.float32))
    return [float(x) for x in reduce(everyone, axis=0)]


def first_host_first(make: Callable[[], T]) -> T:
    """Call a function on the first host, and after its return on the other hosts.

    Returns the result of this host's call. Raises `InputError` on every host where the
    call on the first host raises it.
    """
    if jax.process_count() == 1:
        return make()
    if is_first_host():
        try:
            made = make()
        except InputError:
            agree([-1.0])
            raise
        agree([0.0])
        return made
    if agree([0.0])[0] < 0.0:
        raise InputError("the first host refused the input: see its message")
    return make()


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
        everyone = multihost_utils.process_allgather(raw)
        rows = np.ascontiguousarray(everyone.reshape(-1, raw.shape[1])[:size])
        return rows.view(leaf.dtype).reshape(size, *leaf.shape[1:])

    return jax.tree.map(join, tree)
