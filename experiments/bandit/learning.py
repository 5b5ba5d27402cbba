"""How the agents of the bandit learn: in stages, those that many share done once.

Clones, distilled students and critics are trained first, each in the cheapest program
that can. On the bandit a critic depends on no policy, so that every agent listens to
the same ones, and goes on from the clone that is its behaviour model.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import ramac_jax as rj
from experiments import console
from experiments.bandit.agents import (
    RADIUS,
    RECIPES,
    RISK_LEVEL,
    Recipe,
    actor_of,
    agent_of,
    behaviour_models,
    cloner,
    reader,
)
from ramac_jax import populations

CLONING = rj.Hyperparams(actor_learning_rate=1e-2, max_grad_norm=0.3)
READING = rj.Hyperparams(critic_learning_rate=1e-2)
LISTENING = rj.Hyperparams(
    actor_learning_rate=3e-3,
    critic_learning_rate=1e-3,
    max_grad_norm=1.0,
    risk_level=RISK_LEVEL,
    risk_ramp=100.0,
)
# Who has no clone to go on from, and a critic of its own, learns both together.
ALONE = LISTENING._replace(
    critic_learning_rate=1e-2, bc_weight=0.0, conservative_weight=1.0
)
APART = 10**6  # between the seeds of one stage and of the next
STAGES = ("reading", "cloning", "listening")
SNAPSHOT = 500  # actions of each agent that a snapshot keeps
DYNAMIC = ("radac", "rafmac")  # agents whose learning is shown
NUM_SNAPSHOTS = 16  # of a stage that is watched


class Lengths(NamedTuple):
    """Updates of each stage."""

    cloning: int
    reading: int
    listening: int

    @property
    def distilling(self) -> int:
        """A student follows a teacher who has learned already."""
        return max(self.cloning // 6, 1)


class Learned(NamedTuple):
    """What became of an agent."""

    agent: rj.Agent
    trained: populations.Trained


@dataclasses.dataclass(frozen=True)
class School:
    """Trains agents with some seeds; what is trained once is kept."""

    dataset: rj.Transition
    num_seeds: int
    seed: int
    lengths: Lengths
    folder: Path  # for checkpoints
    watched: frozenset[str] = frozenset()  # agents whose learning is to be seen
    done: dict[str, populations.Trained] = dataclasses.field(default_factory=dict)

    def learn(self, name: str, radius: float = RADIUS) -> Learned:
        """Train an agent by its name; `radius` is that of perturbed actors."""
        recipe = RECIPES[name]
        if recipe.critic is None:
            return Learned(cloner(self.model(recipe)), self.clone(str(recipe.model)))
        actor = actor_of(recipe, radius)
        agent = agent_of(recipe, actor)
        title = name if radius == RADIUS else f"{name}-{radius:g}"
        alone = recipe.model is None
        hyperparams = ALONE if alone else LISTENING
        trained = self.train(
            title,
            agent,
            hyperparams._replace(risk_weight=recipe.risk_weight),
            self.lengths.reading if alone else self.lengths.listening,
            "listening",
            states=self.begin(agent, recipe),
            batch_size=128,
            acting=actor.sample if name in self.watched else None,
        )
        return Learned(agent, trained)

    def model(self, recipe: Recipe) -> rj.Actor:
        """The behaviour model of an agent."""
        return behaviour_models()[str(recipe.model)]

    def begin(self, agent: rj.Agent, recipe: Recipe) -> rj.State:
        """Every seed's agent before it listens: its clone, and who it listens to."""
        keys = jax.vmap(jax.random.key)(self.seeds("listening"))
        states = jax.jit(jax.vmap(agent.init, in_axes=(0, None)))(keys, self.dataset)
        if recipe.model is None:
            return states
        params: Any = self.clone(recipe.model).states.actor_params
        if recipe.part == "teacher":
            params = self.student(recipe.model).states.actor_params
        elif recipe.part is not None:
            params = states.actor_params | {recipe.part: params}
        read = self.read(str(recipe.critic)).states
        return states._replace(
            actor_params=params,
            target_actor_params=jax.tree.map(np.copy, params),
            critic_params=read.critic_params,
            target_critic_params=read.target_critic_params,
            critic_opt_state=read.critic_opt_state,
        )

    def clone(self, model: str) -> populations.Trained:
        """Clones of the behaviour by one of the models."""
        actor = behaviour_models()[model]
        of_watched = {RECIPES[name].model for name in self.watched}
        return self.train(
            f"bc-{model}",
            cloner(actor),
            CLONING,
            self.lengths.cloning,
            "cloning",
            acting=actor.sample if model in of_watched else None,
        )

    def student(self, model: str) -> populations.Trained:
        """Students of the clones, before they know of any value."""
        recipe = Recipe("", model, "teacher")
        agent = cloner(actor_of(recipe))
        keys = jax.vmap(jax.random.key)(self.seeds("cloning"))
        states = jax.jit(jax.vmap(agent.init, in_axes=(0, None)))(keys, self.dataset)
        taught = self.clone(model).states.actor_params
        params: Any = states.actor_params | {"teacher": taught}
        states = states._replace(
            actor_params=params, target_actor_params=jax.tree.map(np.copy, params)
        )
        return self.train(
            f"student-of-{model}",
            agent,
            CLONING,
            self.lengths.distilling,
            "cloning",
            states=states,
        )

    def read(self, critic: str) -> populations.Trained:
        """Critics that know what the data's actions earn."""
        return self.train(
            f"{critic}-critic",
            reader(critic),
            READING,
            self.lengths.reading,
            "reading",
        )

    def seeds(self, stage: str) -> np.ndarray:
        """Those of a stage: each has keys of its own."""
        first = self.seed + APART * STAGES.index(stage)
        return np.arange(first, first + self.num_seeds)

    def train(
        self,
        title: str,
        agent: rj.Agent,
        hyperparams: rj.Hyperparams,
        num_steps: int,
        stage: str,
        *,
        states: rj.State | None = None,
        batch_size: int = 256,
        acting: Callable[..., Any] | None = None,
    ) -> populations.Trained:
        """Train every seed, rates falling to 0; with `acting`, watched on the way."""
        if title in self.done:
            return self.done[title]
        hyperparams = hyperparams._replace(decay_steps=float(num_steps))
        members = populations.cross(hyperparams, self.seeds(stage).tolist())
        every = max(num_steps // NUM_SNAPSHOTS, 1)
        schedule = populations.Schedule(
            num_steps,
            batch_size,
            log_every=num_steps,
            watch_every=every if acting is not None else None,
        )
        with console.LiveProgress() as bar:
            task = bar.add_task(title, total=num_steps)
            self.done[title] = populations.train_population(
                agent,
                self.dataset,
                members,
                schedule,
                states=states,
                folder=self.folder / title,
                settings={"agent": title, "batch_size": batch_size},
                watch=None if acting is None else snapshots(acting),
                report=lambda progress: bar.update(task, completed=progress.step),
                say=console.warn,
            )
        return self.done[title]


def snapshots(sample: Callable[..., Any]) -> Any:
    """A watcher that keeps `SNAPSHOT` actions of each agent."""
    act = jax.jit(jax.vmap(sample, in_axes=(0, None, 0)))

    def watch(step: int, params: Any, members: populations.Members):
        keys = jax.vmap(jax.random.key)(members.seed)
        return {"actions": np.asarray(act(params, jnp.zeros((SNAPSHOT, 1)), keys))}

    return watch


def draw_actions(learned: Learned, size: int, seed: int) -> np.ndarray:
    """Actions [num_seeds, size, 2] of every seed's agent."""
    states = learned.trained.states
    keys = jax.random.split(jax.random.key(seed), len(states.step))
    act = jax.jit(jax.vmap(learned.agent.act, in_axes=(0, None, 0)))
    return np.asarray(act(states, jnp.zeros((size, 1)), keys))
