"""Timed training runs, with evaluations and checkpoints or without both."""

import dataclasses
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

import ramac_jax as rj
from benchmarks.evaluation import TimedEnvironments
from benchmarks.stalls.options import Arguments
from benchmarks.throughput.cases import CASES, Case
from ramac_jax import population as populations
from ramac_jax.acting import ActingParams
from ramac_jax.evaluation import evaluate
from ramac_jax.normalization import Scaling
from ramac_jax.policy import Policy, PolicySpec

Spans = Sequence[tuple[float, float]]
"""(start, end) in seconds of intervals that do not overlap each other."""


class Run(NamedTuple):
    """One timed run."""

    updates: int
    wall_s: float
    simulator_s: float = 0.0  # that evaluations waited for simulators
    evaluation_s: float = 0.0  # that evaluations took
    beside_s: float = 0.0  # of the evaluations, during which training continued


class TimedEvaluation:
    """An eval callback that plays the agents of a case and records its times."""

    def __init__(self, case: Case, environments: TimedEnvironments, episodes: int):
        scaling = Scaling(
            observation_mean=jnp.zeros(case.observation_dim),
            observation_std=jnp.ones(case.observation_dim),
            action_low=-jnp.ones(case.action_dim),
            action_high=jnp.ones(case.action_dim),
        )
        actor = case.build_actor()
        self.policy = Policy(spec=PolicySpec(scaling=scaling), actor=actor, params=None)
        self.environments, self.episodes = environments, episodes
        self.spans: list[tuple[float, float]] = []

    def __call__(
        self,
        step: int,
        params: ActingParams,
        members: populations.Members,
        cancelled: threading.Event,
    ) -> dict[str, np.ndarray]:
        """Return the mean return [P] of each member."""
        start = time.perf_counter()
        policy = dataclasses.replace(self.policy, params=params.actor)
        episodes = evaluate(policy, self.environments, num_episodes=self.episodes)
        self.spans.append((start, time.perf_counter()))
        return {"mean": episodes.returns.mean(axis=1)}


class UpdateTimes:
    """A report callback that records when a run makes updates."""

    def __init__(self) -> None:
        self.last_step, self.last_time = 0, 0.0  # of the last report
        self.first: tuple[int, float] | None = None  # step and time of the first update
        self.spans: list[tuple[float, float]] = []

    def __call__(self, progress: populations.Progress) -> None:
        """Record the updates since the last report."""
        now = time.perf_counter()
        if self.first is None and progress.step:
            self.first = progress.step, now
        elif progress.step > self.last_step:
            seconds = (progress.step - self.last_step) / progress.updates_per_s
            self.spans.append((self.last_time, min(self.last_time + seconds, now)))
        self.last_step, self.last_time = progress.step, now


def train(
    arguments: Arguments,
    schedule: populations.Schedule,
    evaluation: TimedEvaluation | None,
    report: Callable[[populations.Progress], None] = lambda progress: None,
) -> None:
    """Train the population; without an evaluation, save no checkpoints either."""
    case = CASES[arguments.case]
    with tempfile.TemporaryDirectory() as folder:
        populations.train_population(
            case.agent(),
            case.dataset(),
            populations.cross(rj.Hyperparams(), range(arguments.population)),
            schedule._replace(batch_size=case.batch_size),
            callbacks=populations.Callbacks(evaluate=evaluation, report=report),
            storage=None if evaluation is None else populations.Storage(folder=folder),
        )


def timed_run(arguments: Arguments, evaluation: TimedEvaluation | None) -> Run:
    """Train once, with evaluations and checkpoints, or without both: None."""
    schedule = populations.Schedule(
        num_steps=arguments.num_steps,
        save_every=arguments.save_every,
        eval_every=None if evaluation is None else arguments.eval_every,
    )
    times = UpdateTimes()
    if evaluation is not None:
        evaluation.spans, evaluation.environments.waited = [], 0.0
    train(arguments, schedule, evaluation, times)
    assert times.first is not None
    step, start = times.first
    run = Run(updates=arguments.num_steps - step, wall_s=time.perf_counter() - start)
    if evaluation is None:
        return run
    return run._replace(
        simulator_s=evaluation.environments.waited,
        evaluation_s=sum(end - start for start, end in evaluation.spans),
        beside_s=overlap(evaluation.spans, times.spans),
    )


def overlap(some: Spans, others: Spans) -> float:
    """Return the seconds that lie in both sets of intervals."""
    return sum(
        max(0.0, min(end, other_end) - max(start, other_start))
        for start, end in some
        for other_start, other_end in others
    )
