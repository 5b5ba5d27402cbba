"""How many members fit the memory of a device, by XLA's own count."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np

from ramac_jax.populations.hosts import agree, first_host_first, is_first_host
from ramac_jax.populations.programs import Programs
from ramac_jax.populations.resources import free_on_host
from ramac_jax.populations.saving import keep_settings
from ramac_jax.validation import InputError, first_line

T = TypeVar("T")
SHARE = 0.9  # of the free memory: allocators lose some of it


def memory_per_device(num_devices: int) -> int:
    """Bytes that each device of this host has to give, of so many that are at work."""
    devices = jax.local_devices()
    stats = devices[0].memory_stats() if devices[0].platform != "cpu" else None
    if stats and "bytes_limit" in stats:
        return int(SHARE * (stats["bytes_limit"] - stats.get("bytes_in_use", 0)))
    return int(SHARE * free_on_host() / num_devices)


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
    compile_for: Callable[[int], Programs],
    population: int,
    num_rows: int,
    memory: int,
    kept: Path | None,
) -> tuple[int, Programs]:
    """The size of the chunks to train one after another, and its programs.

    Args:
      compile_for: gives the programs of a number of members, itself a multiple of
        `num_rows` or what was kept; raises `InputError` for one that it cannot.
      population: P.
      num_rows: of devices that members are dealt to.
      memory: bytes that each device may use.
      kept: file that keeps the size for the run that goes on from here; None: not kept.

    Raises `InputError` where not even one member for each device fits, or where
    the size kept is none for these devices.
    """
    found = first_host_first(lambda: kept_size(kept) if is_first_host() else 0)
    size = int(agree([found], np.max)[0])  # another host may not see the file yet
    if kept is not None and size:
        try:
            return size, compile_for(size)
        except InputError as error:
            raise InputError(f"{kept.parent} holds a run in chunks: {error}") from None
    each, programs = fit(
        lambda each: compile_for(each * num_rows),
        lambda programs: bytes_needed(programs.go_on),
        math.ceil(population / num_rows),
        int(agree([memory])[0]),
    )
    if kept is not None and is_first_host():
        keep_settings(kept, {"size": each * num_rows})
    return each * num_rows, programs


def kept_size(kept: Path | None) -> int:
    """The size of the chunks that a file keeps, 0 where it keeps none."""
    if kept is None or not kept.exists():
        return 0
    try:
        return int(json.loads(kept.read_text())["size"])
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

    Raises `InputError` where not even one fits.
    """
    program = compile_for(most)
    needed = needs(program)
    if needed <= budget:
        return most, program
    alone = needed if most == 1 else needs(compile_for(1))
    if alone > budget:
        raise InputError(
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
