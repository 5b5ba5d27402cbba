"""One phase of a chunk of members, pretraining or training, from start to end."""

import contextlib
import dataclasses
import math
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.sharding import Mesh

from ramac_jax.devices.hosts import agree
from ramac_jax.devices.mesh import gather, spread
from ramac_jax.population import checkpoints
from ramac_jax.population.callbacks import Callbacks, EvalRunner, Interrupted
from ramac_jax.population.checkpoint_writer import CheckpointWriter
from ramac_jax.population.checkpoints import Carry, Saved
from ramac_jax.population.history import EMPTY, take
from ramac_jax.population.members import Members
from ramac_jax.population.programs import Programs
from ramac_jax.population.schedule import Progress, Schedule
from ramac_jax.types import Transition

PRETRAINING, TRAINING = "pretraining", "training"
SLICE_SECONDS = 1.0  # of training between two polls of the clock and `should_stop`


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Members that train together."""

    index: int
    num_chunks: int
    members: Members
    """The last members may be copies that fill the chunk."""
    num_real: int
    """How many of the members, the first ones, are no copies."""
    dataset: Transition
    """On every device."""
    mesh: Mesh
    schedule: Schedule
    callbacks: Callbacks


class Phase(NamedTuple):
    """Pretraining or training."""

    name: str
    num_steps: int
    programs: Programs
    manager: ocp.CheckpointManager | None
    """Manager of the checkpoints of this phase; None: nothing is saved."""


@contextlib.contextmanager
def open_phase(
    name: str, num_steps: int, programs: Programs, folder: Path | None
) -> Iterator[Phase]:
    """A phase whose checkpoints are in a folder of its name; None: not saved."""
    if folder is None:
        yield Phase(name, num_steps, programs, None)
        return
    with checkpoints.open_manager(folder / name) as manager:
        yield Phase(name, num_steps, programs, manager)


def restore_phase(chunk: Chunk, phase: Phase) -> Saved | None:
    """The newest checkpoint of a phase; None where there is none."""
    if phase.manager is None:
        return None
    warn = chunk.callbacks.warn
    saved = checkpoints.restore_newest(phase.manager, phase.programs.like, warn)
    here = checkpoints.machine(chunk.mesh)
    if saved is None or saved.step >= phase.num_steps or saved.written_by == here:
        return saved
    warn(
        f"{phase.manager.directory} was written by {saved.written_by}, and {here} "
        "resumes it: the last bits differ from those of an uninterrupted run"
    )
    return saved


def init_carry(chunk: Chunk, programs: Programs) -> Carry:
    """Fresh members on the devices."""
    seeds = spread(chunk.members.seed.astype(np.uint32), chunk.mesh)
    hyperparams = spread(chunk.members.hyperparams, chunk.mesh)
    carry: Carry = programs.init(seeds, hyperparams, chunk.dataset)
    return carry


def fresh(chunk: Chunk, programs: Programs) -> Saved:
    """Fresh members at step 0, with an empty history."""
    return Saved(step=0, carry=init_carry(chunk, programs), history=EMPTY)


def run_phase(chunk: Chunk, phase: Phase, saved: Saved) -> Saved:
    """Advance to the end of a phase; report, evaluate and save on the way.

    Raises `Interrupted` where the caller stops the run, once it is saved.
    """
    return PhaseRun(chunk, phase, saved).run()


class PhaseRun:
    """A running phase: what training continues from, and its helpers."""

    def __init__(self, chunk: Chunk, phase: Phase, saved: Saved) -> None:
        self.chunk, self.phase = chunk, phase
        self.step, self.carry, self.history = saved.step, saved.carry, saved.history
        self.speed = math.nan  # updates/s
        self.writer = CheckpointWriter(phase.manager, chunk.mesh)
        self.evals = EvalRunner(
            chunk.callbacks.evaluate if phase.name == TRAINING else None,
            chunk.schedule.eval_every,
            chunk.members,
            chunk.num_real,
        )

    def run(self) -> Saved:
        """Run to the end; see `run_phase`."""
        self.report()  # the history of earlier processes
        with self.evals:
            length = 1
            while not self.is_over():
                length = min(length, self.updates_to_next_event())
                # The minimum over the hosts: the shortest slice, and any stop.
                length, stop = (int(x) for x in agree([length, -self.should_stop()]))
                self.advance(length)
                length = max(1, min(int(SLICE_SECONDS * self.speed), 4 * length))
                self.record(ends=stop != 0 or self.is_over())
                self.raise_if_stopped(-stop)
            self.writer.finish(self.step, self.carry, self.history)
            (last_stop,) = agree([-self.should_stop()])  # since the last slice
            self.raise_if_stopped(-int(last_stop))
        return Saved(step=self.step, carry=self.carry, history=self.history)

    def is_over(self) -> bool:
        """Whether all updates are tried, or all members have diverged."""
        all_frozen = len(self.history.frozen()) == len(self.chunk.members.seed)
        return self.step >= self.phase.num_steps or all_frozen

    def should_stop(self) -> int:
        """The caller's answer whether to stop."""
        return self.chunk.callbacks.should_stop()

    def updates_to_next_event(self) -> int:
        """Updates to the next row, evaluation, checkpoint or end."""
        schedule = self.chunk.schedule
        every = (schedule.log_every, schedule.save_every, schedule.eval_every)
        to_events = (n - self.step % n for n in every if n is not None)
        return min(self.phase.num_steps - self.step, *to_events)

    def advance(self, length: int) -> None:
        """Try some updates of every member, wait for them, and measure the speed."""
        start = time.perf_counter()
        states, metric_sums = self.phase.programs.advance(
            *self.carry, self.chunk.dataset, np.int32(length)
        )
        jax.block_until_ready(metric_sums)
        self.speed = length / (time.perf_counter() - start)
        self.carry = self.carry._replace(states=states, metric_sums=metric_sums)
        self.step += length

    def record(self, *, ends: bool) -> None:
        """Log, evaluate, report and save what is due after this slice."""
        schedule = self.chunk.schedule
        if self.step % schedule.log_every == 0 or self.step == self.phase.num_steps:
            self.add_row()
        if self.evals.is_due(self.step):
            self.history = self.evals.collect(self.history, wait=True)
            self.evals.start(self.step, self.carry)
        self.history = self.evals.collect(self.history, wait=ends)
        self.report()
        self.writer.update(
            self.step,
            self.carry,
            self.history,
            due=ends or self.step % schedule.save_every == 0,
            evaluating=self.evals.step,
        )

    def add_row(self) -> None:
        """Move the metric sums into the history, as means over the updates made."""
        metric_sums, made = gather((self.carry.metric_sums, self.carry.states.step))
        count = np.where(metric_sums.updates, metric_sums.updates, np.nan)
        count = count.astype(np.float32)
        means = {name: total / count for name, total in metric_sums.sums.items()}
        zeros = spread(jax.tree.map(np.zeros_like, metric_sums), self.chunk.mesh)
        self.history = self.history.add_metrics(
            self.step, {"member_step": made, **means}
        )
        self.carry = self.carry._replace(metric_sums=zeros)

    def report(self) -> None:
        """Call the caller's report."""
        chunk = self.chunk
        chunk.callbacks.report(
            Progress(
                phase=self.phase.name,
                step=self.step,
                num_steps=self.phase.num_steps,
                updates_per_s=self.speed,
                members=self.evals.members,
                history=take(self.history, chunk.num_real),
                chunk=chunk.index,
                num_chunks=chunk.num_chunks,
                evaluating=self.evals.step,
            )
        )

    def raise_if_stopped(self, number: int) -> None:
        """Raise `Interrupted` for a number other than 0, once everything is saved."""
        if number == 0:
            return
        self.writer.wait()
        where = "nothing is saved, since no folder was given"
        if self.phase.manager is not None:
            where = "everything is saved, and the same call resumes the run"
        raise Interrupted(
            f"{stop_name(number)} after update {self.step} of {self.phase.name}: "
            f"{where}",
            number,
        )


def stop_name(number: int) -> str:
    """The name of a signal, or a phrase for another number."""
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return f"stop {number}"
