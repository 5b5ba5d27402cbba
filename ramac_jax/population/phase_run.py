"""The run of one phase: it advances, logs, evaluates, reports, saves and stops."""

import contextlib
import math
import signal
import time

import jax
import numpy as np

from ramac_jax.devices.hosts import agree
from ramac_jax.devices.placement import gather, spread
from ramac_jax.population.callbacks import EvalRunner, Interrupted
from ramac_jax.population.checkpoint_writer import CheckpointWriter
from ramac_jax.population.checkpoints import Saved
from ramac_jax.population.history import take
from ramac_jax.population.phases import TRAINING, Chunk, Phase
from ramac_jax.population.schedule import Progress

SLICE_SECONDS = 1.0  # of training between two polls of the clock and `should_stop`


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
