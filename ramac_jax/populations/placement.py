"""Where a population lives: its axis over every device of every host.

No member needs another, so each device runs its own share: nothing is communicated
while they train.
"""

import functools
import math
import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from ramac_jax.validation import InputError

T = TypeVar("T")
AXIS = "population"


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


def make_mesh() -> Mesh:
    """All devices of all hosts in a row, one share of the population each."""
    return jax.make_mesh((jax.device_count(),), (AXIS,), axis_types=(AxisType.Auto,))


def sharding(mesh: Mesh, axis: int | None = 0) -> NamedSharding:
    """Leaves [P, ...] in shares along their first axis; None: whole on every device."""
    return NamedSharding(mesh, PartitionSpec() if axis is None else PartitionSpec(AXIS))


def spread(tree: Any, mesh: Mesh, axis: int | None = 0) -> Any:
    """Put leaves that every host holds whole on the devices, as `sharding` says."""
    where = sharding(mesh, axis)

    def put(leaf):
        leaf = np.asarray(leaf)
        return jax.make_array_from_callback(leaf.shape, where, lambda i: leaf[i])

    placed = jax.tree.map(put, tree)
    if axis is None:
        return placed
    # Device memory of its own: what may be donated must not be the caller's array.
    return copier(where)(placed)


@functools.cache
def copier(where: NamedSharding) -> Callable[[Any], Any]:
    """A function that copies the leaves of a tree, compiled once for each tree."""
    return jax.jit(lambda tree: jax.tree.map(jnp.copy, tree), out_shardings=where)


def gather(tree: Any) -> Any:
    """Leaves [P, ...] as NumPy arrays, whole on every host."""
    if jax.process_count() == 1:
        # Not device_get: what it has looked at, JAX 0.11 copies instead of donating.
        return jax.tree.map(np.array, tree)
    return multihost_utils.process_allgather(tree, tiled=True)


def pick(tree: Any, rows: np.ndarray | slice) -> Any:
    """Rows of the first axis of every leaf, in NumPy."""
    return jax.tree.map(lambda x: np.asarray(x)[rows], tree)


def per_member(
    function: Callable, mesh: Mesh, in_axes: Sequence[int | None]
) -> Callable:
    """A function of one member as one of the population, each device doing its share.

    An accelerator has all members of its share at work at once. A CPU, which one member
    keeps busy, takes them one after another: side by side they would drive each other
    out of its cache.

    Args:
      function: of one member.
      mesh: where the members are.
      in_axes: for each argument 0, where members differ in it, or None.
    """
    specs = tuple(
        PartitionSpec() if axis is None else PartitionSpec(AXIS) for axis in in_axes
    )
    on_cpu = mesh.devices.flat[0].platform == "cpu"
    return jax.shard_map(
        (in_turn if on_cpu else jax.vmap)(function, tuple(in_axes)),
        mesh=mesh,
        in_specs=specs,
        out_specs=PartitionSpec(AXIS),
        check_vma=False,
    )


def in_turn(function: Callable, in_axes: Sequence[int | None]) -> Callable:
    """As `jax.vmap` along first axes, but one member after another."""

    def everyone(*args):
        mapped = [x for x, axis in zip(args, in_axes, strict=True) if axis is not None]

        def one(own):
            rows = iter(own)
            pairs = zip(args, in_axes, strict=True)
            return function(*(x if axis is None else next(rows) for x, axis in pairs))

        return jax.lax.map(one, mapped)

    return everyone


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
