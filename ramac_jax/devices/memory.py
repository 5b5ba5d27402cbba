"""How many members fit the memory of a device, as XLA counts it."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import jax

from ramac_jax.devices.limits import free_host_bytes
from ramac_jax.devices.mesh import are_cores
from ramac_jax.errors import InputError

T = TypeVar("T")
USABLE = 0.9  # of the free memory: allocators lose some of it


class TooLargeError(InputError):
    """Not one member for each row of devices fits the memory."""


def free_device_bytes() -> int:
    """Bytes that each device of this host may allocate.

    The cores of a CPU share one memory: the number is the memory of all cores together.
    """
    devices = jax.local_devices()
    stats = devices[0].memory_stats() if devices[0].platform != "cpu" else None
    if stats and "bytes_limit" in stats:
        return int(USABLE * (stats["bytes_limit"] - stats.get("bytes_in_use", 0)))
    free = USABLE * free_host_bytes()
    return int(free if are_cores() else free / len(devices))


def bytes_needed(compiled: Any) -> int:
    """Bytes of one device that a compiled program needs, arguments included.

    0 where the backend does not report memory.
    """
    analysis = compiled.memory_analysis()
    if analysis is None:
        return 0
    return int(
        analysis.argument_size_in_bytes
        + analysis.output_size_in_bytes
        - analysis.alias_size_in_bytes
        + analysis.temp_size_in_bytes
    )


def fit(
    compile_for: Callable[[int], T], needs: Callable[[T], int], most: int, budget: int
) -> tuple[int, T]:
    """Find the fewest equal chunks of members that fit the memory of a device.

    Args:
      compile_for: number of members -> their program.
      needs: program -> bytes that it needs.
      most: members that the device trains in all chunks together.
      budget: bytes of the device.

    Returns the members of a chunk, and their program.

    Raises `TooLargeError` where one member alone does not fit.
    """
    program = compile_for(most)
    needed = needs(program)
    if needed <= budget:
        return most, program
    alone = needed if most == 1 else needs(compile_for(1))
    if alone > budget:
        raise TooLargeError(
            f"one member alone needs {alone / 2**30:.3g} GiB of a device and "
            f"{max(budget, 0) / 2**30:.3g} are free: give a smaller dataset, batch or "
            "network"
        )
    one_more = (needed - alone) / (most - 1)
    fitting = min(1 + int((budget - alone) / one_more), most - 1)
    num_chunks = math.ceil(most / fitting)
    while True:
        size = math.ceil(most / num_chunks)  # the smallest size of so many chunks
        program = compile_for(size)
        if size == 1 or needs(program) <= budget:
            return size, program
        num_chunks += 1
