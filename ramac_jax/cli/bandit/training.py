"""Training of the agents of the bandit in stages, which agents share.

Behaviour models, distilled students and critics are trained first, each by the cheapest
program that can. On the bandit a critic depends on no policy, so all agents share the
critics, and an agent starts from the clone that is its behaviour model.
"""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import ramac_jax as rj
from ramac_jax import population as populations
from ramac_jax.cli.agents import AGENTS, AgentEntry
from ramac_jax.cli.bandit import agents, settings
from ramac_jax.cli.bandit.stages import Stage, train_stage
from ramac_jax.cli.options.agent import DEFAULT_PRECISION
from ramac_jax.cli.runs.agents import build_cloning_agent
from ramac_jax.registry import PRECISIONS

ANIMATED = ("radac", "rafmac")
"""Agents whose learning is drawn in dynamics.png."""


class TrainedAgent(NamedTuple):
    """An agent and what its training returned."""

    agent: rj.Agent
    trained: populations.Trained
    diverged: list[int]  # members that diverged, in any stage


@dataclasses.dataclass(frozen=True)
class Trainer:
    """Trains agents with the same seeds, and each shared stage once."""

    dataset: rj.Transition
    num_seeds: int
    seed: int
    lengths: settings.Lengths
    folder: Path  # of checkpoints
    precision: str = DEFAULT_PRECISION  # of training; a trained agent acts in float32
    finished: dict[str, populations.Trained] = dataclasses.field(default_factory=dict)

    @property
    def dtype(self) -> str | None:
        """The compute dtype of training."""
        return PRECISIONS[self.precision].dtype

    def train(self, name: str, radius: float = settings.RADIUS) -> TrainedAgent:
        """Train an agent by its name; `radius` is that of perturbed actors."""
        config = AGENTS[name]
        if config.critic is None:
            model = str(config.behaviour_model)
            clone = self.train_clone(model)
            cloning_agent = build_cloning_agent(agents.build_behaviour_model(model))
            return TrainedAgent(cloning_agent, clone, [*clone.frozen])
        actor = agents.build_actor(config, radius)
        agent = agents.build_agent(
            config, agents.build_actor(config, radius, self.dtype), self.dtype
        )
        scratch = config.behaviour_model is None
        hyperparams = settings.FROM_SCRATCH if scratch else settings.POLICIES
        stage = Stage(
            title=name if radius == settings.RADIUS else f"{name}-{radius:g}",
            agent=agent,
            hyperparams=hyperparams._replace(**(config.bandit or {})),
            num_steps=self.lengths.critics if scratch else self.lengths.policies,
            phase="policies",
            batch_size=128,
            snapshot=actor.sample if name in ANIMATED else None,
        )
        states, diverged = self.initial_states(agent, config)
        trained = self.run(stage, states)
        return TrainedAgent(
            agents.build_agent(config, actor),
            trained,
            sorted({*diverged, *trained.frozen}),
        )

    def initial_states(
        self, agent: rj.Agent, config: AgentEntry
    ) -> tuple[rj.State, set[int]]:
        """Return every seed's state before it learns from values.

        The second value holds the members that diverged in an earlier stage.
        """
        states = self.fresh_states(agent, "policies")
        if config.behaviour_model is None:
            return states, set()
        clone = self.train_clone(config.behaviour_model)
        critics = self.train_critics(str(config.critic))
        earlier = [clone, critics]
        params: Any = clone.states.actor_params
        if config.role == "teacher":
            earlier.append(self.train_student(config.behaviour_model))
            params = earlier[-1].states.actor_params
        elif config.role == "prior":
            params = states.actor_params | {"prior": params}
        states = states._replace(
            actor_params=params,
            target_actor_params=jax.tree.map(np.copy, params),
            critic_params=critics.states.critic_params,
            target_critic_params=critics.states.target_critic_params,
            critic_opt_state=critics.states.critic_opt_state,
        )
        return states, {member for each in earlier for member in each.frozen}

    def train_clone(self, model: str) -> populations.Trained:
        """Train a behaviour model to clone the data."""
        animated = model in [AGENTS[name].behaviour_model for name in ANIMATED]
        sample = agents.build_behaviour_model(model).sample if animated else None
        stage = Stage(
            title=f"bc-{model}",
            agent=build_cloning_agent(agents.build_behaviour_model(model, self.dtype)),
            hyperparams=settings.CLONING,
            num_steps=self.lengths.cloning,
            phase="cloning",
            snapshot=sample,
        )
        return self.run(stage)

    def train_student(self, model: str) -> populations.Trained:
        """Distil the clone of a model into a student, before any value is known."""
        agent = build_cloning_agent(agents.build_student(model, self.dtype))
        states = self.fresh_states(agent, "cloning")
        teacher = self.train_clone(model).states.actor_params
        params: Any = states.actor_params | {"teacher": teacher}
        states = states._replace(
            actor_params=params, target_actor_params=jax.tree.map(np.copy, params)
        )
        stage = Stage(
            title=f"student-of-{model}",
            agent=agent,
            hyperparams=settings.CLONING,
            num_steps=self.lengths.distilling,
            phase="cloning",
        )
        return self.run(stage, states)

    def train_critics(self, critic: str) -> populations.Trained:
        """Train critics to know the returns of the data's actions."""
        stage = Stage(
            title=f"{critic}-critic",
            agent=agents.build_critic_trainer(critic, self.dtype),
            hyperparams=settings.CRITICS,
            num_steps=self.lengths.critics,
            phase="critics",
        )
        return self.run(stage)

    def fresh_states(self, agent: rj.Agent, phase: str) -> rj.State:
        """Return one untrained state for each seed of a phase."""
        keys = jax.vmap(jax.random.key)(self.seeds(phase))
        return jax.jit(jax.vmap(agent.init, in_axes=(0, None)))(keys, self.dataset)

    def seeds(self, phase: str) -> np.ndarray:
        """Return the seeds of a phase; no two phases share a seed."""
        first = self.seed + settings.SEEDS_APART * settings.PHASES.index(phase)
        return np.arange(first, first + self.num_seeds)

    def run(self, stage: Stage, states: rj.State | None = None) -> populations.Trained:
        """Train every seed of a stage, unless the stage is finished already.

        Args:
          stage: what to train.
          states: initial states; None: untrained ones.
        """
        if stage.title not in self.finished:
            self.finished[stage.title] = train_stage(
                stage,
                self.dataset,
                self.seeds(stage.phase),
                self.folder,
                self.precision,
                states,
            )
        return self.finished[stage.title]
