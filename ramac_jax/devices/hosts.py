"""Several hosts as one: who they are, and what they agree on, share out and join."""

import math
import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from ramac_jax.validation import InputError

T = TypeVar("T")


def initialize_hosts() -> None:
    """Join the other hosts of this program, where a launcher started several.

    Call it before anything else of JAX. SLURM, Open MPI, indexed Kubernetes jobs and
    Cloud TPU are told by their own environment; any other launcher sets
    JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID. JAX_NUM_PROCESSES=1
    says that there are no others. Raises `InputError` where they cannot be joined.
    """
    told = os.environ
    alone = told.get("JAX_NUM_PROCESSES") == "1"
    launched = (
        "JAX_NUM_PROCESSES" in told
        or ("SLURM_STEP_NODELIST" in told and told.get("SLURM_NTASKS", "1") != "1")
        or told.get("OMPI_COMM_WORLD_SIZE", "1") != "1"
        or "JOB_COMPLETION_INDEX" in told
        or "," in told.get("TPU_WORKER_HOSTNAMES", "")
    )
    if alone or not launched:
        return
    given: dict[str, Any] = {}
    try:
        if "JAX_NUM_PROCESSES" in told:
            given["num_processes"] = int(told["JAX_NUM_PROCESSES"])
            given["process_id"] = int(told["JAX_PROCESS_ID"])
        jax.distributed.initialize(**given)
    except (KeyError, ValueError, RuntimeError) as error:
        raise InputError(
            f"the launcher tells of several hosts, which cannot be joined ({error}): "
            "set JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID, or "
            "JAX_NUM_PROCESSES=1 to run alone"
        ) from error


def is_first_host() -> bool:
    """Whether this process is the one that writes and prints."""
    return jax.process_index() == 0


def agree(values: Sequence[float], reduce: Callable = np.min) -> list[float]:
    """The same numbers on every host: the least of what each says, or as told."""
    if jax.process_count() == 1:
        return list(values)
    everyone = multihost_utils.process_allgather(np.asarray(values, np.float32))
    return [float(x) for x in reduce(everyone, axis=0)]


def first_host_first(make: Callable[[], T]) -> T:
    """Make something on the first host, and once it is there on the others."""
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
        raise InputError("the first host refused: its own message says why")
    return make()


def share_of_host(size: int) -> np.ndarray:
    """Which of `size` things, all known to every host, this one works on.

    Every host has as many, the last thing again where they run out.
    """
    each = math.ceil(size / jax.process_count())
    return np.minimum(jax.process_index() * each + np.arange(each), size - 1)


def join_hosts(tree: Any, size: int) -> Any:
    """The hosts' shares together again, NumPy leaves [share, ...] as [size, ...]."""
    if jax.process_count() == 1:
        return tree

    def join(leaf: np.ndarray) -> np.ndarray:
        # As bytes: JAX would make 32-bit numbers of 64-bit ones.
        raw = np.ascontiguousarray(leaf).reshape(len(leaf), -1).view(np.uint8)
        everyone = multihost_utils.process_allgather(raw)
        rows = np.ascontiguousarray(everyone.reshape(-1, raw.shape[1])[:size])
        return rows.view(leaf.dtype).reshape(size, *leaf.shape[1:])

    return jax.tree.map(join, tree)
