"""Chunks of a population: how many members train together, and their whole training."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from ramac_jax.devices.agreement import first_host_first
from ramac_jax.devices.hosts import agree, is_first_host
from ramac_jax.devices.memory import (
    TooLargeError,
    bytes_needed,
    fit,
    free_device_bytes,
)
from ramac_jax.devices.mesh import are_cores, count_rows
from ramac_jax.devices.placement import gather, pick, spread
from ramac_jax.errors import InputError, first_line
from ramac_jax.files import write_json
from ramac_jax.population.history import History, take
from ramac_jax.population.phase_run import run_phase
from ramac_jax.population.phases import (
    TRAINING,
    Chunk,
    fresh,
    open_phase,
    restore_phase,
)
from ramac_jax.population.pretraining import Pretrainer, pretrain
from ramac_jax.population.programs import Programs
from ramac_jax.population.schedule import InitialStates
from ramac_jax.types import State

CompileFor = Callable[[int, int], Programs]


class StoredSize(NamedTuple):
    """The chunk size of a stored run, and its devices; 0: not known."""

    size: int = 0
    devices: int = 0


def train_chunk(
    chunk: Chunk,
    programs: Programs,
    start: Pretrainer | InitialStates | None,
    folder: Path | None,
) -> tuple[State, History]:
    """Train a chunk to its end.

    Args:
      chunk: the members.
      programs: their programs.
      start: the pretraining, or the states of the members of the chunk.
      folder: for checkpoints; None: nothing is saved.

    Returns the states in NumPy, and the history, both without copies of members.
    """
    with open_phase(TRAINING, chunk.schedule.num_steps, programs, folder) as phase:
        saved = restore_phase(chunk, phase)
        if saved is None:
            saved = fresh(chunk, programs)
            carry = saved.carry
            if isinstance(start, InitialStates):
                carry = carry._replace(states=spread(start.states, chunk.mesh))
                saved = saved._replace(step=start.step)
            elif start is not None:
                carry = pretrain(chunk, start, carry, folder)
            saved = saved._replace(carry=carry)
        ended = run_phase(chunk, phase, saved)
    states = pick(gather(ended.carry.states), slice(chunk.num_real))
    return states, take(ended.history, chunk.num_real)


def choose_chunk(
    compile_for: CompileFor,
    population: int,
    batch_size: int,
    memory: int | None,
    stored: Path | None,
) -> tuple[int, Programs]:
    """Choose the size of the chunks that train one after another.

    Fewer cores are used where one member for each core does not fit the memory.

    Args:
      compile_for: (members, devices at most) -> their programs.
      population: P.
      batch_size: transitions of an update; 1: the batches cannot be divided.
      memory: bytes that each device may use, all cores together; None: what is free.
      stored: JSON file with the size and the devices, so that a resumed run has the
        same; None: not stored.

    Returns the members of a chunk, and their programs.

    Raises `InputError` where not even one member fits, and where the stored size does
    not suit the devices.
    """
    found = StoredSize()
    if stored is not None:
        found = read_size(stored)
        if found.size:
            devices = jax.device_count()
            if are_cores():
                devices = min(devices, found.devices)
            try:
                return found.size, compile_for(found.size, devices)
            except InputError as error:
                raise InputError(
                    f"{stored.parent} holds a run in chunks: {error}"
                ) from None
    budget = int(agree([free_device_bytes() if memory is None else memory])[0])
    size, devices, programs = fit_population(
        compile_for, population, batch_size, budget
    )
    if stored is not None and is_first_host():
        write_json(stored, {"size": size, "devices": devices})
    return size, programs


def fit_population(
    compile_for: CompileFor, population: int, batch_size: int, budget: int
) -> tuple[int, int, Programs]:
    """The size of the chunks, the devices and the programs; see `choose_chunk`."""
    devices = jax.device_count()
    while True:
        rows = count_rows(population, batch_size, devices)
        most = math.ceil(population / rows)

        def of_each_row(members: int) -> Programs:
            return compile_for(members * rows, devices)  # noqa: B023

        try:
            each, programs = fit(of_each_row, total_bytes, most, budget)
            return each * rows, devices, programs
        except TooLargeError:
            if devices == 1 or not are_cores():
                raise
            devices //= 2


def total_bytes(programs: Programs) -> int:
    """Bytes that training needs on a device, or on all cores together."""
    each = bytes_needed(programs.advance)
    return each * programs.mesh.size if are_cores() else each


def read_size(stored: Path) -> StoredSize:
    """Read the stored size on the first host, and send it to the others."""

    def read() -> StoredSize:
        if not is_first_host() or not stored.exists():
            return StoredSize()
        try:
            record: dict[str, Any] = json.loads(stored.read_text())
            return StoredSize(size=int(record["size"]), devices=int(record["devices"]))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InputError(
                f"{stored} is damaged ({first_line(error)}): remove its folder, or "
                "give another"
            ) from None

    # The maximum, since another host may not see the file yet.
    return StoredSize(*(int(x) for x in agree(first_host_first(read), np.max)))
