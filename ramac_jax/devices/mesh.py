"""Where a population lives: its axis over every device of every host.

No member needs another, so each device runs its own share, and nothing is communicated
while they train; but where that is the sooner done, several cores of a CPU share each
batch.
"""

import contextlib
import functools
import math
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from ramac_jax.devices.limits import count_cores
from ramac_jax.validation import InputError

AXIS = "population"
SHARES = "shares"  # of a batch
FEWEST_ROWS = 32  # of a share: fewer are not worth it
# Two cores that share a batch do 2**.77 = 1.7 times what one does, as was measured; how
# far that holds of more of them is a guess.
GAIN = 0.77


def use_every_core() -> None:
    """Make each core that this process may use a device of its own.

    Call it before anything else of JAX, but for `initialize_hosts`. Members, or shares
    of a batch, are then at work side by side, which wait for each other less than the
    threads of one of them do (docs/performance.md). Nothing is changed where
    JAX_NUM_CPU_DEVICES or XLA_FLAGS tell a number, where JAX has started, or where
    there are several hosts.
    """
    told = jax.config.jax_num_cpu_devices != -1  # type: ignore[attr-defined]
    told |= "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    if not told and not jax.distributed.is_initialized():
        with contextlib.suppress(RuntimeError):  # JAX has started
            jax.config.update("jax_num_cpu_devices", count_cores())


def count_rows(population: int, batch_size: int, devices: int) -> int:
    """Rows of devices that a population is best dealt to; see `make_mesh`."""
    if not are_cores():
        return devices
    return fastest(population, range(1, devices + 1), devices, batch_size)[0]


def make_mesh(size: int, batch_size: int = 1, devices: int | None = None) -> Mesh:
    """Devices [members, shares]: each row has as many members as any other.

    Where a row has several devices, each has a share of every batch. So it is only on
    the cores of one host; all other devices are one column.

    Args:
      size: members, as many for each row.
      batch_size: transitions of an update; 1: they are not shared.
      devices: how many to use at most, of cores; None: all.

    Raises `InputError` for members that cannot be dealt to the devices.
    """
    devices = devices or jax.device_count()
    rows, columns = devices, 1
    if are_cores():
        rows, columns = fastest(size, divisors(size), devices, batch_size)
    elif size % devices:
        raise InputError(
            f"{size} members cannot be dealt to {devices} devices: give a number of "
            f"devices that divides {size}"
        )
    return jax.make_mesh(
        (rows, columns),
        (AXIS, SHARES),
        axis_types=(AxisType.Auto, AxisType.Auto),
        devices=jax.devices()[: rows * columns],
    )


def fastest(
    population: int, rows: Iterable[int], devices: int, batch_size: int
) -> tuple[int, int]:
    """Rows of devices, and shares of a batch, that train a population the soonest.

    Of those that are as fast the fewest devices.
    """
    found = [
        (math.ceil(population / row) / shares**GAIN, row * shares, row, shares)
        for shares in divisors(batch_size)
        if shares == 1 or batch_size >= FEWEST_ROWS * shares
        for row in rows
        if row * shares <= devices
    ]
    return min(found)[2:]


def divisors(number: int) -> list[int]:
    """All numbers that divide one."""
    return [n for n in range(1, number + 1) if number % n == 0]


def are_cores() -> bool:
    """Whether the devices are cores of this host: any number of them may be used."""
    return jax.default_backend() == "cpu" and jax.process_count() == 1


def shares_axis(mesh: Mesh) -> str | None:
    """The name of the axis whose devices share every batch, None where none do."""
    return SHARES if mesh.shape[SHARES] > 1 else None


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
