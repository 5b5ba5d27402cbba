"""How many members fit the memory of a device, by XLA's own count."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np

from ramac_jax.devices.hosts import agree, first_host_first, is_first_host
from ramac_jax.devices.limits import free_on_host
from ramac_jax.devices.mesh import are_cores, count_rows
from ramac_jax.population.checkpoints import keep_settings
from ramac_jax.population.programs import Programs
from ramac_jax.validation import InputError, first_line

T = TypeVar("T")
SHARE = 0.9  # of the free memory: allocators lose some of it


class TooLarge(InputError):
    """Not one member for each row of devices fits the memory."""


def memory_to_give() -> int:
    """Bytes that each device of this host has to give, all its cores together."""
    devices = jax.local_devices()
    stats = devices[0].memory_stats() if devices[0].platform != "cpu" else None
    if stats and "bytes_limit" in stats:
        return int(SHARE * (stats["bytes_limit"] - stats.get("bytes_in_use", 0)))
    free = SHARE * free_on_host()
    return int(free if are_cores() else free / len(devices))


def bytes_needed(compiled: Any) -> int:
    """Memory of one device that a compiled program takes, its arguments included."""
    count = compiled.memory_analysis()
    if count is None:  # a backend that does not tell
        return 0
    return (
        count.argument_size_in_bytes
        + count.output_size_in_bytes
        - count.alias_size_in_bytes
        + count.temp_size_in_bytes
    )


def choose_chunk(
    compile_for: Callable[[int, int], Programs],
    population: int,
    batch_size: int,
    memory: int | None,
    kept: Path | None,
) -> tuple[int, Programs]:
    """The size of the chunks to train one after another, and its programs.

    Where not one member for each of the cores fits, fewer cores have to do.

    Args:
      compile_for: gives the programs of a number of members on as many devices.
      population: P.
      batch_size: transitions of an update; 1: they are not shared.
      memory: bytes that each device may use, all cores together; None: what is free.
      kept: file that keeps size and devices for the run that goes on from here; None:
        not kept.

    Raises `InputError` where not even one member fits, or where the size kept is none
    for these devices.
    """
    nothing = {"size": 0, "devices": 0}
    found = first_host_first(lambda: read(kept) if is_first_host() else nothing)
    # Another host may not see the file yet.
    size, most = (int(x) for x in agree([found["size"], found["devices"]], np.max))
    devices = jax.device_count()
    if kept is not None and size:
        try:
            devices = min(devices, most) if are_cores() else devices
            return size, compile_for(size, devices)
        except InputError as error:
            raise InputError(f"{kept.parent} holds a run in chunks: {error}") from None
    budget = int(agree([memory_to_give() if memory is None else memory])[0])

    def of_each_row(members: int) -> Programs:
        return compile_for(members * rows, devices)

    while True:
        rows = count_rows(population, batch_size, devices)
        most = math.ceil(population / rows)
        try:
            each, programs = fit(of_each_row, bytes_together, most, budget)
            break
        except TooLarge:
            if devices == 1 or not are_cores():
                raise
            devices //= 2
    if kept is not None and is_first_host():
        keep_settings(kept, {"size": each * rows, "devices": devices})
    return each * rows, programs


def bytes_together(programs: Programs) -> int:
    """Memory that training takes of a device, or of all cores together."""
    each = bytes_needed(programs.go_on)
    return each * programs.mesh.size if are_cores() else each


def read(kept: Path | None) -> dict[str, int]:
    """The size of the chunks and the devices that a file keeps; 0 if it keeps none."""
    names = ("size", "devices")
    if kept is None or not kept.exists():
        return dict.fromkeys(names, 0)
    try:
        told = json.loads(kept.read_text())
        return {name: int(told[name]) for name in names}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{kept} is damaged ({first_line(error)}): remove its folder, "
            "or give another"
        ) from None


def fit(
    compile_for: Callable[[int], T], needs: Callable[[T], int], most: int, budget: int
) -> tuple[int, T]:
    """Members of one device that fit its memory, in equal chunks, and their program.

    Args:
      compile_for: gives the program of a number of members.
      needs: tells the bytes that a program takes.
      most: members that the device has to train in all.
      budget: bytes that it has.

    Raises `TooLarge` where not even one fits.
    """
    program = compile_for(most)
    needed = needs(program)
    if needed <= budget:
        return most, program
    alone = needed if most == 1 else needs(compile_for(1))
    if alone > budget:
        raise TooLarge(
            f"one member alone needs {alone / 2**30:.3g} GiB of a device and "
            f"{max(budget, 0) / 2**30:.3g} are free: give a smaller dataset, batch or "
            "network"
        )
    one_more = (needed - alone) / (most - 1)
    fitting = min(1 + int((budget - alone) / one_more), most - 1)
    num_chunks = math.ceil(most / fitting)
    while True:  # as few chunks as fit, and each as small as that number allows
        each = math.ceil(most / num_chunks)
        program = compile_for(each)
        if each == 1 or needs(program) <= budget:
            return each, program
        num_chunks += 1
