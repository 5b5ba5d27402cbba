"""The mesh of devices for a population: rows of members, columns of shards of a batch.

No member needs another, so every row trains its own members and no row waits for
another. Several cores of a CPU share each batch where that is faster.
"""

import contextlib
import math
import os
from collections.abc import Iterable

import jax
from jax.sharding import AxisType, Mesh

from ramac_jax.devices.limits import count_cores
from ramac_jax.errors import InputError

AXIS = "population"
SHARDS = "shards"  # of a batch
SMALLEST_SHARD = 32  # rows; smaller shards cost more than they gain
# Two cores with one shard each are 2**.77 = 1.7 times as fast as one core with the
# whole batch (measured); more cores are extrapolated.
SPEEDUP_EXPONENT = 0.77


def use_every_core() -> None:
    """Make every core that this process may use a device of JAX.

    This is a global setting of JAX: only a program may change it, so the library never
    calls this function. Call it before anything else of JAX except `initialize_hosts`.
    Members, or shards of a batch, then run on one core each, which is faster than the
    threads of one device (docs/performance.md).

    The function changes nothing where JAX_NUM_CPU_DEVICES or XLA_FLAGS give a number of
    devices, where JAX has started, and where there are several hosts.
    """
    chosen = jax.config.jax_num_cpu_devices != -1  # type: ignore[attr-defined]
    flags = os.environ.get("XLA_FLAGS", "")
    chosen |= "xla_force_host_platform_device_count" in flags
    if not chosen and not jax.distributed.is_initialized():
        with contextlib.suppress(RuntimeError):  # JAX has started
            jax.config.update("jax_num_cpu_devices", count_cores())


def count_rows(population: int, batch_size: int, devices: int) -> int:
    """Rows of devices that train a population fastest; see `make_mesh`."""
    if not are_cores():
        return devices
    return fastest(population, range(1, devices + 1), devices, batch_size)[0]


def make_mesh(size: int, batch_size: int = 1, devices: int | None = None) -> Mesh:
    """Devices [rows, shards]: each row trains the same number of members.

    A row of several devices divides every batch into shards. Only the cores of one host
    form such rows; other devices form rows of one device.

    Args:
      size: members, a multiple of the rows.
      batch_size: transitions of an update; 1: the batches cannot be divided.
      devices: how many cores to use at most; None: all.

    Raises `InputError` where the devices cannot have equal numbers of members.
    """
    devices = devices or jax.device_count()
    rows, columns = devices, 1
    if are_cores():
        rows, columns = fastest(size, divisors(size), devices, batch_size)
    elif size % devices:
        raise InputError(
            f"{size} members cannot be divided equally among {devices} devices: give a "
            f"number of devices that divides {size}"
        )
    return jax.make_mesh(
        (rows, columns),
        (AXIS, SHARDS),
        axis_types=(AxisType.Auto, AxisType.Auto),
        devices=jax.devices()[: rows * columns],
    )


def fastest(
    population: int, rows: Iterable[int], devices: int, batch_size: int
) -> tuple[int, int]:
    """Rows of devices, and shards of a batch, that train a population fastest.

    Equally fast choices are decided by the fewest devices.
    """
    found = [
        (
            math.ceil(population / row) / shards**SPEEDUP_EXPONENT,
            row * shards,
            row,
            shards,
        )
        for shards in divisors(batch_size)
        if shards == 1 or batch_size >= SMALLEST_SHARD * shards
        for row in rows
        if row * shards <= devices
    ]
    return min(found)[2:]


def divisors(number: int) -> list[int]:
    """All divisors of a number, in rising order."""
    return [n for n in range(1, number + 1) if number % n == 0]


def are_cores() -> bool:
    """Whether the devices are cores of this host: any number of them may be used."""
    return jax.default_backend() == "cpu" and jax.process_count() == 1


def shard_axis(mesh: Mesh) -> str | None:
    """The axis whose devices share every batch; None: no batch is shared."""
    return SHARDS if mesh.shape[SHARDS] > 1 else None
