"""The training of a population, from its inputs to its result."""

import contextlib
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from ramac_jax.devices.agreement import check_same, first_host_first, on_every_host
from ramac_jax.devices.hosts import is_first_host
from ramac_jax.devices.mesh import make_mesh
from ramac_jax.devices.placement import pick, spread
from ramac_jax.errors import InputError
from ramac_jax.files import write_json
from ramac_jax.folders import check_settings, lock_folder
from ramac_jax.population.callbacks import Callbacks
from ramac_jax.population.chunks import choose_chunk, train_chunk
from ramac_jax.population.history import join
from ramac_jax.population.members import Members
from ramac_jax.population.numerics import KEY, arithmetic, check_arithmetic
from ramac_jax.population.phases import Chunk
from ramac_jax.population.pretraining import Pretrainer
from ramac_jax.population.programs import Programs, SharedPrograms
from ramac_jax.population.schedule import (
    InitialStates,
    Pretraining,
    Schedule,
    Start,
    Storage,
    Trained,
    check_inputs,
    describe,
)
from ramac_jax.types import Agent, Transition

SETTINGS = "settings.json"  # of the run in a folder
CHUNK = "chunk.json"  # its chunk size
LATEST = 30.0  # seconds until another host sees a file
NO_CALLBACKS = Callbacks()


def train_population(
    agent: Agent,
    dataset: Transition,
    members: Members,
    schedule: Schedule,
    *,
    start: Pretraining | InitialStates | None = None,
    callbacks: Callbacks = NO_CALLBACKS,
    storage: Storage | None = None,
    memory: int | None = None,
    shared: SharedPrograms | None = None,
) -> Trained:
    """Train every member of a population, on all devices of all hosts.

    One program is compiled, with an axis of members that is divided among the devices.
    Members that do not fit the memory train in equal chunks, one after another. A
    member that diverges keeps its last finite state and does not affect the others.

    With a storage the run is saved on the way. After a crash or a stop the same call
    resumes from the newest undamaged checkpoint and returns the same numbers, bit for
    bit. The run of a member depends on its seed and hyperparameters, and in the last
    bits on how members, pretrained ones included, and batches are divided among the
    devices.

    The function installs no signal handler and changes no setting of JAX.

    Args:
      agent: the agent that every member is.
      dataset: [D, ...], the same for all members.
      members: P seeds and hyperparameters. The seed alone decides the first weights and
        the batches.
      schedule: length and intervals, in updates.
      start: behaviour cloning before training, or states to start from; None: fresh
        members.
      callbacks: evaluation, reports, warnings, and the poll that stops the run.
      storage: folder and settings of the run; None: nothing is saved.
      memory: bytes that each device may use, all cores of a CPU together; None: nine
        tenths of what is free.
      shared: programs that other calls with the same agent use too; None: new ones, of
        as many members as there are.

    Returns the members with their states, their history and those that diverged.

    Raises `InputError` for bad data, members, lengths or initial states, for a folder
    that another run uses or that holds a run of other settings, and where one member
    alone does not fit the memory; `Interrupted` once `callbacks.should_stop` returns a
    number, after everything is saved.
    """
    on_every_host(lambda: check_inputs(agent, members, dataset, schedule, start))
    dataset = jax.tree.map(lambda x: np.asarray(x, np.float32), dataset)

    def compile_for(size: int, devices: int) -> Programs:
        mesh = make_mesh(size, schedule.batch_size, devices)
        make = Programs if shared is None else shared.of
        return make(agent, dataset, size, mesh, schedule.batch_size)

    with contextlib.ExitStack() as stack:
        folder = None
        if storage is not None:
            folder = Path(storage.folder).absolute()
        if folder is not None or jax.process_count() > 1:
            settings = {} if storage is None else storage.settings
            record = describe(members, dataset, schedule, start, settings)
            record |= {KEY: arithmetic()}
            check_same({"folder": folder, **record})
            first_host_first(lambda: reserve(stack, folder, record))
        size, programs = choose_chunk(
            compile_for,
            max(len(members.seed), shared.size if shared else 0),
            schedule.batch_size,
            memory,
            stored=None if folder is None else folder / CHUNK,
        )
        data = spread(dataset, programs.mesh, None)
        chunks = make_chunks(members, size, programs.mesh, data, schedule, callbacks)
        trained = [
            train_chunk(
                chunk,
                programs,
                start_of_chunk(start, chunk, programs, shared),
                None if folder is None else folder / f"chunk-{chunk.index}",
            )
            for chunk in chunks
        ]
    history = join([history for _, history in trained])
    return Trained(
        members=members,
        states=jax.tree.map(
            lambda *x: np.concatenate(x), *(states for states, _ in trained)
        ),
        history=history,
        frozen=history.frozen(),
    )


def reserve(
    stack: contextlib.ExitStack, folder: Path | None, record: dict[str, Any]
) -> None:
    """Check the folder of a run; on the first host, lock it and store the settings."""
    if folder is None:
        return
    path = folder / SETTINGS
    check_settings(path, {k: v for k, v in record.items() if k != KEY})
    check_arithmetic(path)
    if is_first_host():
        stack.enter_context(lock_folder(folder))
        write_json(path, record)
    elif not appears(path):
        raise InputError(
            f"this host does not see {path}, which the first host wrote: give a folder "
            "that all hosts share"
        )


def appears(path: Path) -> bool:
    """Whether a file of another host appears; a network may show it late."""
    end = time.monotonic() + LATEST
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.2)
    return path.exists()


def make_chunks(
    members: Members,
    size: int,
    mesh: Mesh,
    dataset: Transition,
    schedule: Schedule,
    callbacks: Callbacks,
) -> list[Chunk]:
    """Divide the members into chunks; copies of the last member fill the last chunk."""
    population = len(members.seed)
    num_chunks = math.ceil(population / size)
    if num_chunks > 1:
        callbacks.warn(
            f"{population} members do not fit the memory at once: they train in "
            f"{num_chunks} chunks of {size}"
        )
    return [
        Chunk(
            index=index,
            num_chunks=num_chunks,
            members=pick(members, chunk_rows(index, size, population)),
            num_real=min(size, population - index * size),
            dataset=dataset,
            mesh=mesh,
            schedule=schedule,
            callbacks=callbacks,
        )
        for index in range(num_chunks)
    ]


def chunk_rows(index: int, size: int, population: int) -> np.ndarray:
    """The rows [size] of the population that a chunk trains."""
    return np.minimum(np.arange(index * size, (index + 1) * size), population - 1)


def start_of_chunk(
    start: Start, chunk: Chunk, programs: Programs, shared: SharedPrograms | None
) -> Pretrainer | InitialStates | None:
    """The start of the members of one chunk."""
    if isinstance(start, InitialStates):
        population = len(jax.tree.leaves(start.states)[0])
        rows = chunk_rows(chunk.index, programs.size, population)
        return start._replace(states=pick(start.states, rows))
    if start is None or not start.num_steps:
        return None
    return Pretrainer(
        pretraining=start, programs_for=pretraining_programs(start, programs, shared)
    )


def pretraining_programs(
    pretraining: Pretraining, programs: Programs, shared: SharedPrograms | None
) -> Callable[[int], Programs]:
    """Number of members -> their programs for pretraining, on the same devices."""

    def programs_for(size: int) -> Programs:
        make = Programs if shared is None else shared.of
        return make(
            pretraining.agent,
            programs.dataset,
            size,
            programs.mesh,
            programs.batch_size,
            pretraining=True,
        )

    return programs_for
