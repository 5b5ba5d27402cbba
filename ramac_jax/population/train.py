"""A population trained to its end, whatever happens on the way."""

import contextlib
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ramac_jax.devices.hosts import first_host_first, is_first_host
from ramac_jax.devices.memory import choose_chunk
from ramac_jax.devices.mesh import make_mesh, pick, spread
from ramac_jax.population import checkpoints as saving
from ramac_jax.population.chunks import Chunk, Cloning, train_chunk
from ramac_jax.population.history import join
from ramac_jax.population.members import Members
from ramac_jax.population.programs import Programs
from ramac_jax.population.schedule import (
    Report,
    Say,
    Schedule,
    Trained,
    Watch,
    check,
    describe,
)
from ramac_jax.types import Agent, Hyperparams, State, Transition

SETTINGS = "settings.json"  # of the run that a folder holds


def warn_user(text: str) -> None:
    """Say something by way of Python's warnings."""
    warnings.warn(text, stacklevel=3)


def train_population(
    agent: Agent,
    dataset: Transition,
    members: Members,
    schedule: Schedule,
    *,
    cloner: Agent | None = None,
    cloned_by: Sequence[str] = Hyperparams._fields,
    states: State | None = None,
    folder: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    watch: Watch | None = None,
    report: Report = lambda progress: None,
    say: Say = warn_user,
    memory: int | None = None,
) -> Trained:
    """Train every member of a population, on all devices of all hosts.

    One program is compiled, its axis of members shared out among the devices. Where the
    members do not fit the memory they train in equal chunks, one after another. A
    member that diverges keeps its last finite state and touches no other.

    With a folder the run is saved as it goes. After an end of any kind the same call
    goes on from the newest whole checkpoint and comes to the same numbers, bit by bit.
    SIGTERM and Ctrl-C are heeded within about a second of training, or once the watcher
    has ended what it is about and what falls due by then; a second Ctrl-C at once. A
    member's run depends on its seed and hyperparameters, and in its last bits on how
    members, clones included, and batches are dealt to devices.

    Args:
      agent: that every member is.
      dataset: [D, ...], the same for all.
      members: their seeds and hyperparameters; a seed decides a member's start and its
        batches, whatever its hyperparameters.
      schedule: how long.
      cloner: an agent with the same actor that clones alone, for `schedule.bc_steps`.
      cloned_by: the hyperparameters that the cloner reads: members that have these and
        the seed in common share a clone.
      states: to go on from, leaves [P, ...]; None: fresh ones.
      folder: for checkpoints; None: nothing is saved. Hosts must share it.
      settings: what else makes this run what it is, as JSON holds it.
      watch: called every `schedule.watch_every` updates; its figures are kept. In a
        single process it works in a thread of its own, on the CPU, while training goes
        on: a checkpoint waits for the figures up to its step, and a look for the one
        before. Several hosts wait for it.
      report: called about once a second, and at every row.
      say: told what a person should know: chunks, damaged checkpoints, another machine.
      memory: bytes that each device may use, the cores of a CPU together; None: what is
        free, less a tenth.

    Raises `InputError` for bad data, hyperparameters or lengths, for a folder where
    another run is at work or one of other settings was, and for members that do not
    fit one by one; `Interrupted` after a signal.
    """
    check(members, dataset, schedule, states)
    dataset = jax.tree.map(lambda x: np.asarray(x, np.float32), dataset)
    population, batch_size = len(members.seed), schedule.batch_size

    def compile_for(size: int, devices: int) -> Programs:
        mesh = make_mesh(size, batch_size, devices)
        return Programs(agent, dataset, size, mesh, batch_size)

    with contextlib.ExitStack() as stack:
        home = None
        if folder is not None:
            home = Path(folder).absolute()
            record = describe(members, dataset, schedule, settings or {})
            saving.check_settings(home / SETTINGS, record)
            first_host_first(lambda: hold(stack, home, record))
        size, programs = choose_chunk(
            compile_for,
            population,
            batch_size,
            memory,
            kept=None if home is None else home / "chunk.json",
        )
        mesh = programs.mesh
        cloning = None
        if cloner is not None and schedule.bc_steps and states is None:
            cloning = Cloning(
                lambda size: Programs(
                    cloner, dataset, size, mesh, batch_size, cloning=True
                ),
                cloned_by,
            )
        num_chunks = math.ceil(population / size)
        if num_chunks > 1:
            say(
                f"{population} members do not fit the memory at once: they train in "
                f"{num_chunks} chunks of {size}"
            )
        placed = spread(dataset, mesh, None)
        trained = []
        for index in range(num_chunks):
            rows = np.arange(index * size, (index + 1) * size)
            padded = np.minimum(rows, population - 1)
            chunk = Chunk(
                index,
                num_chunks,
                pick(members, padded),
                int((rows < population).sum()),
                placed,
                mesh,
                schedule,
                watch,
                report,
                say,
            )
            given = None if states is None else pick(states, padded)
            place = None if home is None else home / f"chunk-{index}"
            trained.append(train_chunk(chunk, programs, cloning, given, place))
    history = join([history for _, history in trained])
    ended = jax.tree.map(
        lambda *x: np.concatenate(x), *(states for states, _ in trained)
    )
    return Trained(members, ended, history, history.frozen())


def hold(stack: contextlib.ExitStack, home: Path, record: Mapping[str, Any]) -> None:
    """Hold the folder of a run and keep its settings there; the first host does."""
    if is_first_host():
        stack.enter_context(saving.lock(home))
        saving.keep_settings(home / SETTINGS, record)
