"""Members that train together: from their first update to the last."""

import contextlib
import dataclasses
import math
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.sharding import Mesh

from ramac_jax.devices.hosts import agree
from ramac_jax.devices.mesh import AXIS, gather, pick, spread
from ramac_jax.population import checkpoints as saving
from ramac_jax.population.callbacks import CheckpointWriter, Lookout
from ramac_jax.population.checkpoints import Carry, Saved
from ramac_jax.population.history import EMPTY, History, take
from ramac_jax.population.interrupts import Interrupted, noted_signals
from ramac_jax.population.members import Members
from ramac_jax.population.programs import Programs
from ramac_jax.population.schedule import Progress, Report, Say, Schedule, Watch
from ramac_jax.types import State, Transition

SLICE_SECONDS = 1.0  # of training between two looks at the clock and for signals


class Cloning(NamedTuple):
    """The phase before the training proper."""

    programs_for: Callable[[int], Programs]  # of a number of members
    cloned_by: Sequence[str]  # hyperparameters that it reads


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Members that train together, and all that this asks for."""

    index: int
    num_chunks: int
    members: Members  # some again where the chunk has room for more
    num_real: int  # how many of them, the first ones, are asked for
    dataset: Transition  # on every device
    mesh: Mesh
    schedule: Schedule
    watch: Watch | None
    report: Report
    say: Say


def train_chunk(
    chunk: Chunk,
    programs: Programs,
    cloning: Cloning | None,
    given: State | None,
    folder: Path | None,
) -> tuple[State, History]:
    """Train a chunk to its end; its states in NumPy, and what it told."""
    with opened(folder, "training") as manager:
        length = chunk.schedule.num_steps
        saved = restored(manager, programs, chunk, length)
        if saved is None:
            carry = begin(chunk, programs)
            if given is not None:
                carry = carry._replace(states=spread(given, chunk.mesh))
            elif cloning is not None:
                carry = clone(chunk, cloning, carry, folder)
            saved = Saved(chunk.schedule.start, carry, EMPTY)
        ended = run(chunk, programs, saved, manager, "training", length)
    states = pick(gather(ended.carry.states), slice(chunk.num_real))
    return states, take(ended.history, chunk.num_real)


def clone(
    chunk: Chunk,
    cloning: Cloning,
    carry: Carry,
    folder: Path | None,
) -> Carry:
    """The carry with actors that have cloned the behaviour; their step stays 0.

    Members that differ in nothing but what cloning does not know share a clone.
    """
    rows, places = distinct_clones(chunk.members, cloning.cloned_by)
    num_rows = chunk.mesh.shape[AXIS]
    size = num_rows * math.ceil(len(rows) / num_rows)
    members = pick(chunk.members, np.resize(rows, size))
    forever: Any = np.full(size, np.inf, np.float32)
    knobs = members.hyperparams._replace(decay_steps=forever)
    members = members._replace(hyperparams=knobs)
    few = dataclasses.replace(chunk, members=members, num_real=len(rows))
    programs = cloning.programs_for(size)
    with opened(folder, "cloning") as manager:
        length = chunk.schedule.bc_steps
        saved = restored(manager, programs, few, length)
        if saved is None:
            saved = Saved(0, begin(few, programs), EMPTY)
        ended = run(few, programs, saved, manager, "cloning", length)
    clones = ended.carry.states
    cloned = ("actor_params", "target_actor_params", "actor_opt_state")
    taken = {name: getattr(clones, name) for name in cloned}
    everyone = spread(pick(gather(taken), places), chunk.mesh)
    states = carry.states._replace(**everyone)
    # Who diverged has no start to train from: without a rate every update is refused.
    frozen = np.isin(places, list(ended.history.frozen()))
    knobs = chunk.members.hyperparams
    rate: Any = np.where(frozen, np.nan, knobs.actor_learning_rate)
    stopped = spread(knobs._replace(actor_learning_rate=rate), chunk.mesh)
    return carry._replace(states=states, hyperparams=stopped)


def distinct_clones(
    members: Members, cloned_by: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of members that clone differently, and which of these each member takes."""
    knobs = [getattr(members.hyperparams, name) for name in cloned_by]
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
    manager: ocp.CheckpointManager | None,
    programs: Programs,
    chunk: Chunk,
    num_steps: int,
) -> Saved | None:
    """The newest checkpoint of a phase of so many updates, if there is any."""
    if manager is None:
        return None
    saved = saving.restore_newest(manager, programs.like, chunk.say)
    here = saving.machine(chunk.mesh)
    if saved is not None and saved.step < num_steps and saved.written_by != here:
        chunk.say(
            f"{manager.directory} was written by {saved.written_by}, and {here} goes "
            "on: the last bits are not those of an undisturbed run"
        )
    return saved


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
    step, carry, history, _ = saved
    speed = math.nan  # updates/s
    schedule, keeper = chunk.schedule, CheckpointWriter(manager, chunk.mesh)
    watch = chunk.watch if phase == "training" else None
    lookout = Lookout(watch, schedule.watch_every, chunk.members, chunk.num_real)

    def tell() -> None:
        told = take(history, chunk.num_real)
        standing = (phase, step, num_steps, speed, lookout.members, told)
        chunk.report(Progress(*standing, chunk.index, chunk.num_chunks, lookout.step))

    def over() -> bool:
        return step >= num_steps or len(history.frozen()) == len(chunk.members.seed)

    tell()  # what was told before
    with noted_signals() as received, lookout:
        length = 1
        while not over():
            length = min(length, updates_to_next_event(schedule, step, num_steps))
            # The least of all hosts' numbers: the shortest slice, and any signal.
            length, signalled = (int(x) for x in agree([length, -received()]))
            carry, speed = go_on(chunk, programs, carry, length)
            step += length
            length = max(1, min(int(SLICE_SECONDS * speed), 4 * length))
            if step % schedule.log_every == 0 or step == num_steps:
                history, carry = add_row(chunk, step, history, carry)
            if lookout.is_due(step):
                history = lookout.heard(history, wait=True)
                lookout.look(step, carry)
            ends = signalled != 0 or over()
            history = lookout.heard(history, wait=ends)
            tell()
            due = ends or step % schedule.save_every == 0
            keeper.keep(due, step, carry, history, lookout.step)
            if signalled:
                stop(-signalled, phase, step, manager)
        keeper.finish(step, carry, history)
        if signalled := int(agree([-received()])[0]):  # meanwhile
            stop(-signalled, phase, step, manager)
    return Saved(step, carry, history)


def updates_to_next_event(schedule: Schedule, step: int, num_steps: int) -> int:
    """How far it is to the next row, look, checkpoint or end."""
    every = (schedule.log_every, schedule.save_every, schedule.watch_every)
    return min(num_steps - step, *(n - step % n for n in every if n is not None))


def go_on(
    chunk: Chunk, programs: Programs, carry: Carry, length: int
) -> tuple[Carry, float]:
    """Advance by some updates, and wait for them; how many in a second."""
    began = time.perf_counter()
    states, metric_sums = programs.go_on(*carry, chunk.dataset, np.int32(length))
    jax.block_until_ready(metric_sums)
    speed = length / (time.perf_counter() - began)
    return carry._replace(states=states, metric_sums=metric_sums), speed


def add_row(
    chunk: Chunk, step: int, history: History, carry: Carry
) -> tuple[History, Carry]:
    """Move the metric_sums into the history: means, and how far each member has come."""
    metric_sums, made = gather((carry.metric_sums, carry.states.step))
    count = np.where(metric_sums.updates, metric_sums.updates, np.nan).astype(
        np.float32
    )
    means = {name: total / count for name, total in metric_sums.sums.items()}
    empty = spread(jax.tree.map(np.zeros_like, metric_sums), chunk.mesh)
    history = history.add_metrics(step, {"member_step": made, **means})
    return history, carry._replace(metric_sums=empty)


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
