"""The training of a population as a command asks for it."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import ramac_jax as rj
from ramac_jax import population as populations
from ramac_jax.cli import console
from ramac_jax.cli.options.agent import AgentSpec
from ramac_jax.cli.options.train import TrainOptions, lasting_options
from ramac_jax.cli.runs.agents import (
    build_agent,
    build_pretraining_agent,
    policy_spec,
    training_in,
)
from ramac_jax.cli.signals import noted_signals
from ramac_jax.data.loading import OfflineDataset
from ramac_jax.devices.hosts import is_first_host
from ramac_jax.normalization import Scaling

PRETRAINING_READS = ("actor_learning_rate", "max_grad_norm", "ema_rate", "bc_weight")
"""Hyperparameters that the agent of `build_pretraining_agent` reads."""

CLIPPED = 0.01
"""Share of clipped targets above which a command warns."""


@dataclasses.dataclass(frozen=True)
class TrainingPlan:
    """What members of a population have in common."""

    agent: AgentSpec
    """With a known value range, where its critic needs one."""
    schedule: populations.Schedule
    bc_steps: int
    """Updates of behaviour cloning before all others."""
    ood_weighted: bool
    """Some setting of the command has, or may get, an `ood_weight` above 0."""
    settings: Mapping[str, Any]
    """Options that a resumed run must have in common with the stored one."""
    memory: int | None
    """Bytes of each device to train in; None: what is free."""


def training_plan(options: TrainOptions) -> TrainingPlan:
    """Return the plan that the options of a command describe."""
    training, memory = options.training, options.training.memory
    return TrainingPlan(
        agent=options.agent,
        schedule=populations.Schedule(
            num_steps=training.num_steps,
            batch_size=training.batch_size,
            log_every=training.log_every,
            save_every=training.save_every,
            eval_every=options.evaluation.eval_every,
        ),
        bc_steps=training.bc_steps,
        ood_weighted=options.hyperparams.ood_weight > 0.0,
        settings=lasting_options(options),
        memory=None if memory is None else int(memory * 2**30),
    )


class Compiled:
    """Agents and their programs, which the populations of one command share."""

    def __init__(self) -> None:
        self.made: dict[AgentSpec, tuple[rj.Agent, rj.Agent]] = {}
        self.shared: dict[tuple[AgentSpec, int], populations.SharedPrograms] = {}

    def agents(self, plan: TrainingPlan, scaling: Scaling) -> tuple[rj.Agent, rj.Agent]:
        """Return the agent of a plan, and the one that pretrains it."""
        if plan.agent not in self.made:
            spec = policy_spec(plan.agent, scaling)
            built = build_agent(plan.agent, spec, ood_weighted=plan.ood_weighted)
            self.made[plan.agent] = (built, build_pretraining_agent(plan.agent, spec))
        return self.made[plan.agent]

    def has(self, agent: AgentSpec, size: int) -> bool:
        """Return whether programs of so many members are there."""
        return (agent, size) in self.shared

    def programs(self, agent: AgentSpec, size: int) -> populations.SharedPrograms:
        """Return the programs of so many members."""
        key = (agent, size)
        return self.shared.setdefault(key, populations.SharedPrograms(size))


def train_members(
    plan: TrainingPlan,
    dataset: OfflineDataset,
    members: populations.Members,
    folder: Path,
    callbacks: populations.Callbacks,
    initial: populations.InitialStates | None = None,
    *,
    compiled: Compiled | None = None,
    size: int = 0,
) -> populations.Trained:
    """Train members of a population; a signal saves the run and ends it.

    Args:
      plan: what the members have in common.
      dataset: data to train on.
      members: their seeds and hyperparameters.
      folder: for checkpoints; an unfinished run in it is resumed.
      callbacks: evaluation and report.
      initial: states to start from; None: fresh ones, pretrained as the plan says.
      compiled: agents and programs of other calls; None: new ones.
      size: members for which the programs are compiled, as many or more.
    """
    compiled = compiled or Compiled()
    schedule = plan.schedule
    if callbacks.evaluate is None:
        schedule = schedule._replace(eval_every=None)
    agent, pretraining_agent = compiled.agents(plan, dataset.scaling)
    pretraining = populations.Pretraining(
        agent=pretraining_agent,
        num_steps=plan.bc_steps,
        hyperparams_read=PRETRAINING_READS,
    )
    with training_in(plan.agent.precision), noted_signals() as noted_signal:
        trained = populations.train_population(
            agent,
            dataset.transitions,
            members,
            schedule,
            start=pretraining if initial is None else initial,
            callbacks=callbacks._replace(warn=console.warn, should_stop=noted_signal),
            storage=populations.Storage(folder=folder, settings=plan.settings),
            memory=plan.memory,
            shared=compiled.programs(plan.agent, max(size, len(members.seed))),
        )
    warn_of_clipping(trained)
    return trained


def warn_of_clipping(trained: populations.Trained) -> None:
    """Warn where targets of the critics lay outside of the range of values."""
    clipped = trained.history.metrics["target_clipped"][-1]
    worst = float(np.nanmax(clipped, initial=0.0))
    if worst > CLIPPED and is_first_host():
        members = f"{np.sum(clipped > CLIPPED)} of {len(clipped)} agents"
        console.warn(
            f"up to {worst:.1%} of the critics' targets of {members} lie outside of "
            "the range of values, so that their mean and tail are wrong: give a wider "
            "--value-range, or --value-min and --value-max"
        )
