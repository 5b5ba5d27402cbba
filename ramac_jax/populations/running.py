"""A population trained to its end, whatever happens on the way."""

import contextlib
import dataclasses
import functools
import math
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.sharding import Mesh

from ramac_jax.populations import saving
from ramac_jax.populations.interrupts import Interrupted, noted_signals
from ramac_jax.populations.journal import EMPTY, Journal, join, take
from ramac_jax.populations.memory import choose_chunk
from ramac_jax.populations.placement import (
    agree,
    gather,
    is_first_host,
    make_mesh,
    spread,
)
from ramac_jax.populations.programs import Programs
from ramac_jax.populations.saving import Carry, Saved
from ramac_jax.populations.search import Members
from ramac_jax.types import Agent, Params, State, Transition
from ramac_jax.validation import InputError, check_hyperparams, check_transitions

# All that behaviour cloning depends on; who has it in common is cloned once.
CLONED_BY = ("actor_learning_rate", "max_grad_norm", "ema_rate", "bc_weight")
SETTINGS = "settings.json"  # of the run that a folder holds
SLICE_SECONDS = 1.0  # of training between two looks at the clock and for signals


class Schedule(NamedTuple):
    """How long a population trains, and what happens how often; all in updates."""

    num_steps: int
    """Updates that each member has tried at the end."""
    batch_size: int = 256
    """Transitions of each."""
    bc_steps: int = 0
    """Updates of behaviour cloning alone, before all others and not counted."""
    log_every: int = 500
    """Updates between two rows of metrics."""
    save_every: int = 1000
    """Updates between two checkpoints."""
    watch_every: int | None = None
    """Updates between two calls of the watcher; None: never."""
    start: int = 0
    """Updates that the given states have behind them."""


class Progress(NamedTuple):
    """Where a population stands, as it is reported."""

    phase: str  # "cloning" or "training"
    step: int
    num_steps: int
    updates_per_s: float  # lately, of every member of the chunk; NaN before the first
    members: Members  # of the chunk
    journal: Journal  # of these members, in this phase
    chunk: int
    num_chunks: int


class Trained(NamedTuple):
    """What became of a population of P members."""

    members: Members
    states: State  # NumPy, every leaf [P, ...]
    journal: Journal
    frozen: dict[int, int]  # member -> the step at which it diverged


Watch = Callable[[int, Params, Members], Mapping[str, np.ndarray]]
"""(step, actor params in NumPy [P, ...], members) -> figures, each [P]."""
Report = Callable[[Progress], None]
Say = Callable[[str], None]


def warn_user(text: str) -> None:
    """Say something by way of Python's warnings."""
    warnings.warn(text, stacklevel=3)


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Members that train together, and all that this asks for."""

    index: int
    num_chunks: int
    members: Members  # the last one repeated where the chunk has room for more
    num_real: int  # how many of them are asked for
    dataset: Transition  # on every device
    mesh: Mesh
    schedule: Schedule
    watch: Watch | None
    report: Report
    say: Say


def train_population(
    agent: Agent,
    dataset: Transition,
    members: Members,
    schedule: Schedule,
    *,
    cloner: Agent | None = None,
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
    SIGTERM and Ctrl-C are heeded within about a second of training.

    Args:
      agent: that every member is.
      dataset: [D, ...], the same for all.
      members: their seeds and hyperparameters; a seed decides a member's start and its
        batches, whatever its hyperparameters.
      schedule: how long.
      cloner: an agent with the same actor that clones alone, for `schedule.bc_steps`,
        and of the hyperparameters knows those in `CLONED_BY`.
      states: to go on from, leaves [P, ...]; None: fresh ones.
      folder: for checkpoints; None: nothing is saved. Hosts must share it.
      settings: what else makes this run what it is, as JSON holds it.
      watch: called every `schedule.watch_every` updates; its figures are kept.
      report: called about once a second, and at every row.
      say: told what a person should know: chunks, damaged checkpoints.
      memory: bytes that each device may use; None: what is free, less a tenth.

    Raises `InputError` for bad data, hyperparameters or lengths, for a folder where
    another run is at work or one of other settings was, and for members that do not
    fit one by one; `Interrupted` after a signal.
    """
    check(members, dataset, schedule)
    mesh = make_mesh()
    dataset = jax.tree.map(lambda x: np.asarray(x, np.float32), dataset)
    population, batch_size = len(members.seed), schedule.batch_size
    with contextlib.ExitStack() as stack:
        home = None
        if folder is not None:
            home = Path(folder).absolute()
            record = describe(members, dataset, schedule, settings or {})
            saving.check_settings(home / SETTINGS, record)
            if is_first_host():
                stack.enter_context(saving.lock(home))
                saving.keep_settings(home / SETTINGS, record)
        size, programs = choose_chunk(
            lambda size: Programs(agent, dataset, size, mesh, batch_size),
            population,
            mesh.size,
            memory,
            kept=None if home is None else home / "chunk.json",
        )
        cloning = None
        if cloner is not None and schedule.bc_steps and states is None:
            cloning = functools.partial(
                Programs,
                cloner,
                dataset,
                mesh=mesh,
                batch_size=batch_size,
                cloning=True,
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
    journal = join([journal for _, journal in trained])
    ended = jax.tree.map(
        lambda *x: np.concatenate(x), *(states for states, _ in trained)
    )
    return Trained(members, ended, journal, journal.frozen())


def check(members: Members, dataset: Transition, schedule: Schedule) -> None:
    """Raise `InputError` for anything that no run could be made of."""
    for name, value in schedule._asdict().items():
        low = 0 if name in ("bc_steps", "start") else 1
        if value is not None and value < low:
            raise InputError(f"{name} is {value}: give {low} or more")
    if not len(members.seed):
        raise InputError("the population is empty: give at least one member")
    check_hyperparams(members.hyperparams)
    check_transitions(dataset)


def describe(
    members: Members,
    dataset: Transition,
    schedule: Schedule,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """What a run must have in common with the one that it goes on with, as JSON."""
    lengths = schedule._asdict()
    del lengths["save_every"]  # changes no number
    return {
        **lengths,
        "seeds": members.seed.tolist(),
        "hyperparams": {
            name: [float(x) for x in values]
            for name, values in members.hyperparams._asdict().items()
        },
        "settings": dict(settings),
        "dataset": saving.dataset_digest(dataset),
    }


def pick(tree: Any, rows: np.ndarray | slice) -> Any:
    """Rows of the first axis of every leaf, in NumPy."""
    return jax.tree.map(lambda x: np.asarray(x)[rows], tree)


def train_chunk(
    chunk: Chunk,
    programs: Programs,
    cloning: Callable[[int], Programs] | None,
    given: State | None,
    folder: Path | None,
) -> tuple[State, Journal]:
    """Train a chunk to its end; its states in NumPy, and what it told."""
    with opened(folder, "training") as manager:
        saved = restored(manager, programs, chunk)
        if saved is None:
            carry = begin(chunk, programs)
            if given is not None:
                carry = carry._replace(states=spread(given, chunk.mesh))
            elif cloning is not None:
                carry = clone(chunk, cloning, carry, folder)
            saved = Saved(chunk.schedule.start, carry, EMPTY)
        length = chunk.schedule.num_steps
        ended = run(chunk, programs, saved, manager, "training", length)
    states = pick(gather(ended.carry.states), slice(chunk.num_real))
    return states, take(ended.journal, chunk.num_real)


def clone(
    chunk: Chunk,
    programs_for: Callable[[int], Programs],
    carry: Carry,
    folder: Path | None,
) -> Carry:
    """The carry with actors that have cloned the behaviour; their step stays 0.

    Members that differ in nothing but what cloning does not know share a clone.
    """
    rows, places = distinct_clones(chunk.members)
    num_devices = chunk.mesh.size
    size = num_devices * math.ceil(len(rows) / num_devices)
    members = pick(chunk.members, np.resize(rows, size))
    forever: Any = np.full(size, np.inf, np.float32)
    knobs = members.hyperparams._replace(decay_steps=forever)
    members = members._replace(hyperparams=knobs)
    few = dataclasses.replace(chunk, members=members, num_real=len(rows))
    programs = programs_for(size)
    with opened(folder, "cloning") as manager:
        saved = restored(manager, programs, few)
        if saved is None:
            saved = Saved(0, begin(few, programs), EMPTY)
        length = chunk.schedule.bc_steps
        clones = run(few, programs, saved, manager, "cloning", length).carry.states
    cloned = ("actor_params", "target_actor_params", "actor_opt_state")
    taken = {name: getattr(clones, name) for name in cloned}
    everyone = spread(pick(gather(taken), places), chunk.mesh)
    return carry._replace(states=carry.states._replace(**everyone))


def distinct_clones(members: Members) -> tuple[np.ndarray, np.ndarray]:
    """Rows of members that clone differently, and which of these each member takes."""
    knobs = [getattr(members.hyperparams, name) for name in CLONED_BY]
    decisive = np.stack([members.seed, *knobs], axis=1)
    found = np.unique(decisive, axis=0, return_index=True, return_inverse=True)
    return found[1], found[2].ravel()


@contextlib.contextmanager
def opened(folder: Path | None, phase: str) -> Iterator[ocp.CheckpointManager | None]:
    """The checkpoints of a phase; None without a folder."""
    if folder is None:
        yield None
        return
    with saving.open_manager(folder / phase) as manager:
        yield manager


def restored(
    manager: ocp.CheckpointManager | None, programs: Programs, chunk: Chunk
) -> Saved | None:
    """The newest checkpoint of a phase, if there is any."""
    if manager is None:
        return None
    return saving.restore_newest(manager, programs.like, chunk.say)


def begin(chunk: Chunk, programs: Programs) -> Carry:
    """A fresh population on the devices."""
    seeds = spread(chunk.members.seed.astype(np.uint32), chunk.mesh)
    knobs = spread(chunk.members.hyperparams, chunk.mesh)
    return programs.begin(seeds, knobs, chunk.dataset)


def run(
    chunk: Chunk,
    programs: Programs,
    saved: Saved,
    manager: ocp.CheckpointManager | None,
    phase: str,
    num_steps: int,
) -> Saved:
    """Advance to `num_steps`, telling, watching and saving on the way."""
    step, carry, journal = saved
    speed = math.nan  # updates/s

    def tell() -> None:
        known = take(journal, chunk.num_real)
        members = pick(chunk.members, slice(chunk.num_real))
        where = (chunk.index, chunk.num_chunks)
        chunk.report(Progress(phase, step, num_steps, speed, members, known, *where))

    tell()  # what was told before
    with noted_signals() as received:
        length = 1
        while step < num_steps and len(journal.frozen()) < len(chunk.members.seed):
            length = min(length, updates_to_next_event(chunk.schedule, step, num_steps))
            # The least of all hosts' numbers: the shortest slice, and any signal.
            length, signalled = (int(x) for x in agree([length, -received()]))
            began = time.perf_counter()
            carry = go_on(chunk, programs, carry, length)
            speed = length / (time.perf_counter() - began)
            step += length
            length = max(1, min(int(SLICE_SECONDS * speed), 4 * length))
            if step % chunk.schedule.log_every == 0 or step == num_steps:
                journal, carry = add_row(chunk, step, journal, carry)
            every = chunk.schedule.watch_every
            if phase == "training" and chunk.watch and every and step % every == 0:
                journal = add_watched(chunk, chunk.watch, step, journal, carry)
            tell()
            due = step % chunk.schedule.save_every == 0
            if manager is not None and (due or signalled):
                saving.save(manager, step, carry, journal)
            if signalled:
                stop(-signalled, phase, step, manager)
        if manager is not None:
            saving.save(manager, step, carry, journal)
            manager.wait_until_finished()
        if signalled := int(agree([-received()])[0]):  # meanwhile
            stop(-signalled, phase, step, manager)
    return Saved(step, carry, journal)


def updates_to_next_event(schedule: Schedule, step: int, num_steps: int) -> int:
    """How far it is to the next row, look, checkpoint or end."""
    every = (schedule.log_every, schedule.save_every, schedule.watch_every)
    return min(num_steps - step, *(n - step % n for n in every if n is not None))


def go_on(chunk: Chunk, programs: Programs, carry: Carry, length: int) -> Carry:
    """Advance by some updates, and wait for them."""
    states, tally = programs.go_on(*carry, chunk.dataset, np.int32(length))
    jax.block_until_ready(tally)
    return carry._replace(states=states, tally=tally)


def add_row(
    chunk: Chunk, step: int, journal: Journal, carry: Carry
) -> tuple[Journal, Carry]:
    """Move the tally into the journal: means, and how far each member has come."""
    tally, made = gather((carry.tally, carry.states.step))
    count = np.where(tally.updates, tally.updates, np.nan).astype(np.float32)
    means = {name: total / count for name, total in tally.sums.items()}
    empty = spread(jax.tree.map(np.zeros_like, tally), chunk.mesh)
    journal = journal.add_metrics(step, {"member_step": made, **means})
    return journal, carry._replace(tally=empty)


def add_watched(
    chunk: Chunk, watch: Watch, step: int, journal: Journal, carry: Carry
) -> Journal:
    """Let the watcher look at the members, and keep what it tells."""
    params = pick(gather(carry.states.actor_params), slice(chunk.num_real))
    members = pick(chunk.members, slice(chunk.num_real))
    figures = watch(step, params, members)
    repeated = np.minimum(np.arange(len(chunk.members.seed)), chunk.num_real - 1)
    return journal.add_watched(step, {k: x[repeated] for k, x in figures.items()})


def stop(
    number: int, phase: str, step: int, manager: ocp.CheckpointManager | None
) -> None:
    """Raise `Interrupted`, once all is saved."""
    where = "nothing is saved, for no folder was given"
    if manager is not None:
        manager.wait_until_finished()
        where = "all is saved, and the same call goes on from there"
    name = signal.Signals(number).name
    raise Interrupted(f"{name} after update {step} of {phase}: {where}", number)
