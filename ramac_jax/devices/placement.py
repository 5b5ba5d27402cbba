"""The placement of arrays and computations of a population on a mesh of devices."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ramac_jax.devices.mesh import AXIS


def sharding(mesh: Mesh, axis: int | None = 0) -> NamedSharding:
    """The placement of leaves [P, ...] over the rows; None: whole on every device."""
    return NamedSharding(mesh, PartitionSpec() if axis is None else PartitionSpec(AXIS))


def spread(tree: Any, mesh: Mesh, axis: int | None = 0) -> Any:
    """Place leaves that every host holds whole on the devices; see `sharding`."""
    where = sharding(mesh, axis)

    def put(leaf: Any) -> jax.Array:
        leaf = np.asarray(leaf)
        return jax.make_array_from_callback(leaf.shape, where, lambda i: leaf[i])

    placed = jax.tree.map(put, tree)
    if axis is None:
        return placed
    # Buffers of their own: the caller's arrays must survive a donation.
    return copier(where)(placed)


@functools.cache
def copier(where: NamedSharding) -> Callable[[Any], Any]:
    """A function that copies the leaves of a tree, compiled once for each tree."""
    return jax.jit(lambda tree: jax.tree.map(jnp.copy, tree), out_shardings=where)


def gather(tree: Any) -> Any:
    """Copy leaves [P, ...] into NumPy arrays, whole on every host."""
    if jax.process_count() == 1:
        # Not device_get: JAX 0.11 then copies the leaves instead of donating them.
        return jax.tree.map(np.array, tree)
    return multihost_utils.process_allgather(tree, tiled=True)


def pick(tree: Any, rows: np.ndarray | slice) -> Any:
    """Rows of the first axis of every leaf, in NumPy."""
    return jax.tree.map(lambda x: np.asarray(x)[rows], tree)


def per_member(
    function: Callable[..., Any], mesh: Mesh, in_axes: Sequence[int | None]
) -> Callable[..., Any]:
    """Map a function of one member over the population, on all devices of the mesh.

    An accelerator computes its members in parallel. A core of a CPU computes one member
    after another, since members in parallel would evict each other from its cache.

    Args:
      function: of one member.
      mesh: devices [rows, shards] with the members.
      in_axes: 0 for each argument with a first axis of members, None for the others.
    """
    specs = tuple(
        PartitionSpec() if axis is None else PartitionSpec(AXIS) for axis in in_axes
    )
    on_cpu = mesh.devices.flat[0].platform == "cpu"
    return jax.shard_map(
        (sequential_map if on_cpu else jax.vmap)(function, tuple(in_axes)),
        mesh=mesh,
        in_specs=specs,
        out_specs=PartitionSpec(AXIS),
        check_vma=False,
    )


def sequential_map(
    function: Callable[..., Any], in_axes: Sequence[int | None]
) -> Callable[..., Any]:
    """As `jax.vmap` along first axes, but one member after another."""

    def everyone(*args: Any) -> Any:
        mapped = [x for x, axis in zip(args, in_axes, strict=True) if axis is not None]

        def one(own: Any) -> Any:
            rows = iter(own)
            pairs = zip(args, in_axes, strict=True)
            return function(*(x if axis is None else next(rows) for x, axis in pairs))

        return jax.lax.map(one, mapped)

    return everyone
