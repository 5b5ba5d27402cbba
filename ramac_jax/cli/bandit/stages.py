"""One stage of the training on the bandit: a population of seeds with a checkpoint."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import ramac_jax as rj
from ramac_jax import population as populations
from ramac_jax.acting import ActingParams
from ramac_jax.cli import console
from ramac_jax.cli.progress import open_progress
from ramac_jax.cli.runs.agents import training_in
from ramac_jax.cli.signals import noted_signals

NUM_SNAPSHOTS = 16  # of an animated stage
SNAPSHOT_SIZE = 500  # actions of each member in a snapshot


class Stage(NamedTuple):
    """What is trained, with which hyperparameters, and for how long."""

    title: str  # of the progress and of the folder of checkpoints
    agent: rj.Agent
    hyperparams: rj.Hyperparams
    num_steps: int
    phase: str  # a name in `settings.PHASES`; decides the seeds
    batch_size: int = 256
    snapshot: Callable[..., Any] | None = None  # samples the actions to be drawn


def train_stage(
    stage: Stage,
    dataset: rj.Transition,
    seeds: np.ndarray,
    folder: Path,
    precision: str,
    states: rj.State | None,
) -> populations.Trained:
    """Train one member for each seed, or resume; learning rates fall to 0.

    Args:
      stage: what to train.
      dataset: transitions [D, ...].
      seeds: of the members [P].
      folder: of the checkpoints of all stages.
      precision: name of the precision of training.
      states: initial states, with a leading axis [P]; None: untrained ones.
    """
    hyperparams = stage.hyperparams._replace(decay_steps=float(stage.num_steps))
    snapshots = None
    every = None
    if stage.snapshot is not None:
        snapshots = snapshot_callback(stage.snapshot)
        every = max(stage.num_steps // NUM_SNAPSHOTS, 1)
    schedule = populations.Schedule(
        stage.num_steps,
        stage.batch_size,
        log_every=stage.num_steps,
        eval_every=every,
    )
    with (
        open_progress() as display,
        training_in(precision),
        noted_signals() as noted_signal,
    ):
        task = display.add(stage.title, stage.num_steps)
        return populations.train_population(
            stage.agent,
            dataset,
            populations.cross(hyperparams, seeds.tolist()),
            schedule,
            start=None if states is None else populations.InitialStates(states=states),
            callbacks=populations.Callbacks(
                evaluate=snapshots,
                report=lambda progress: display.update(task, progress.step),
                warn=console.warn,
                should_stop=noted_signal,
            ),
            storage=populations.Storage(
                folder=folder / stage.title,
                settings={"agent": stage.title, "batch_size": stage.batch_size},
            ),
        )


def snapshot_callback(sample: Callable[..., Any]) -> populations.EvalCallback:
    """Return an eval callback that keeps `SNAPSHOT_SIZE` actions of each member."""
    act = jax.jit(jax.vmap(sample, in_axes=(0, None, 0)))

    def callback(
        step: int,
        params: ActingParams,
        members: populations.Members,
        cancelled: threading.Event,
    ) -> dict[str, np.ndarray]:
        keys = jax.vmap(jax.random.key)(members.seed)
        observation = jnp.zeros((SNAPSHOT_SIZE, 1))
        return {"actions": np.asarray(act(params.actor, observation, keys))}

    return callback
