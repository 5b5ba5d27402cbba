"""How the agents of the bandit are trained: in stages, those that many share once.

Clones, distilled students and critics come first, each in the cheapest program that
can. On the bandit a critic depends on no policy, so that every agent has the same ones,
and goes on from the clone that is its behaviour model.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import ramac_jax as rj
from ramac_jax import population as populations
from ramac_jax.cli import console
from ramac_jax.cli.bandit.agents import (
    RADIUS,
    RECIPES,
    RISK_LEVEL,
    Recipe,
    actor_of,
    agent_of,
    behaviour_models,
    cloner,
    critic_alone,
)
from ramac_jax.cli.options.precision import DEFAULT, training_in
from ramac_jax.cli.progress import LiveProgress
from ramac_jax.registry import PRECISIONS

CLONING = rj.Hyperparams(actor_learning_rate=1e-2, max_grad_norm=0.3)
CRITICS = rj.Hyperparams(critic_learning_rate=1e-2)
POLICIES = rj.Hyperparams(
    actor_learning_rate=3e-3,
    critic_learning_rate=1e-3,
    max_grad_norm=1.0,
    risk_level=RISK_LEVEL,
    risk_ramp=100.0,
)
# Who has no clone to go on from learns actor and critic together.
FROM_NOTHING = POLICIES._replace(
    critic_learning_rate=1e-2, bc_weight=0.0, conservative_weight=1.0
)
STAGES = ("critics", "cloning", "policies")
SEEDS_APART = 10**6  # between one stage and the next
DYNAMIC = ("radac", "rafmac")  # agents whose learning is shown
NUM_SNAPSHOTS = 16  # of a stage that is shown
SNAPSHOT = 500  # actions of each agent that a snapshot keeps


class Lengths(NamedTuple):
    """Updates of each stage."""

    cloning: int
    critics: int
    policies: int

    @property
    def distilling(self) -> int:
        """A student follows a teacher who has learned already."""
        return max(self.cloning // 6, 1)


class Learned(NamedTuple):
    """What became of an agent."""

    agent: rj.Agent
    trained: populations.Trained
    frozen: list[int]  # members that diverged, in whatever stage


@dataclasses.dataclass(frozen=True)
class Trainer:
    """Trains agents with some seeds, and remembers the stages that it went through."""

    dataset: rj.Transition
    num_seeds: int
    seed: int
    lengths: Lengths
    folder: Path  # for checkpoints
    precision: str = DEFAULT  # of training; what has learned acts in float32
    stages: dict[str, populations.Trained] = dataclasses.field(default_factory=dict)

    @property
    def dtype(self) -> str | None:
        """That networks learn in, as `ramac_jax.cli.bandit.agents` has it."""
        return PRECISIONS[self.precision].dtype

    def train(self, name: str, radius: float = RADIUS) -> Learned:
        """Train an agent by its name; `radius` is that of perturbed actors."""
        recipe = RECIPES[name]
        if recipe.critic is None:
            model = str(recipe.model)
            clone = self.clone(model)
            return Learned(cloner(behaviour_models()[model]), clone, [*clone.frozen])
        acting = actor_of(recipe, radius)
        agent = agent_of(recipe, actor_of(recipe, radius, self.dtype), self.dtype)
        alone = recipe.model is None
        states, frozen = self.begin(agent, recipe)
        trained = self.stage(
            name if radius == RADIUS else f"{name}-{radius:g}",
            agent,
            (FROM_NOTHING if alone else POLICIES)._replace(
                risk_weight=recipe.risk_weight
            ),
            self.lengths.critics if alone else self.lengths.policies,
            "policies",
            states=states,
            batch_size=128,
            shown=acting.sample if name in DYNAMIC else None,
        )
        agent = agent_of(recipe, acting)
        return Learned(agent, trained, sorted({*frozen, *trained.frozen}))

    def begin(self, agent: rj.Agent, recipe: Recipe) -> tuple[rj.State, set[int]]:
        """Every seed's agent before it seeks value, and who diverged before that."""
        states = self.fresh(agent, "policies")
        if recipe.model is None:
            return states, set()
        clone, critics = self.clone(recipe.model), self.critics(str(recipe.critic))
        before = [clone, critics]
        params: Any = clone.states.actor_params
        if recipe.model_is == "teacher":
            before.append(self.student(recipe.model))
            params = before[-1].states.actor_params
        elif recipe.model_is == "prior":
            params = states.actor_params | {"prior": params}
        states = states._replace(
            actor_params=params,
            target_actor_params=jax.tree.map(np.copy, params),
            critic_params=critics.states.critic_params,
            target_critic_params=critics.states.target_critic_params,
            critic_opt_state=critics.states.critic_opt_state,
        )
        return states, {member for each in before for member in each.frozen}

    def clone(self, model: str) -> populations.Trained:
        """Clones of the behaviour by one of the models."""
        shown = model in [RECIPES[name].model for name in DYNAMIC]
        return self.stage(
            f"bc-{model}",
            cloner(behaviour_models(self.dtype)[model]),
            CLONING,
            self.lengths.cloning,
            "cloning",
            shown=behaviour_models()[model].sample if shown else None,
        )

    def student(self, model: str) -> populations.Trained:
        """Students distilled from the clones, before they know of any value."""
        agent = cloner(actor_of(Recipe("", model, "teacher"), dtype=self.dtype))
        states = self.fresh(agent, "cloning")
        taught = self.clone(model).states.actor_params
        params: Any = states.actor_params | {"teacher": taught}
        states = states._replace(
            actor_params=params, target_actor_params=jax.tree.map(np.copy, params)
        )
        return self.stage(
            f"student-of-{model}",
            agent,
            CLONING,
            self.lengths.distilling,
            "cloning",
            states=states,
        )

    def critics(self, critic: str) -> populations.Trained:
        """Critics that know what the data's actions earn."""
        return self.stage(
            f"{critic}-critic",
            critic_alone(critic, self.dtype),
            CRITICS,
            self.lengths.critics,
            "critics",
        )

    def fresh(self, agent: rj.Agent, stage: str) -> rj.State:
        """The states of agents that have learned nothing, one for each seed."""
        keys = jax.vmap(jax.random.key)(self.seeds(stage))
        return jax.jit(jax.vmap(agent.init, in_axes=(0, None)))(keys, self.dataset)

    def seeds(self, stage: str) -> np.ndarray:
        """Those of a stage: each has keys of its own."""
        first = self.seed + SEEDS_APART * STAGES.index(stage)
        return np.arange(first, first + self.num_seeds)

    def stage(
        self,
        title: str,
        agent: rj.Agent,
        hyperparams: rj.Hyperparams,
        num_steps: int,
        stage: str,
        *,
        states: rj.State | None = None,
        batch_size: int = 256,
        shown: Callable[..., Any] | None = None,
    ) -> populations.Trained:
        """Train every seed, rates falling to 0; `shown` samples what is kept of it."""
        if title in self.stages:
            return self.stages[title]
        hyperparams = hyperparams._replace(decay_steps=float(num_steps))
        members = populations.cross(hyperparams, self.seeds(stage).tolist())
        every = max(num_steps // NUM_SNAPSHOTS, 1)
        schedule = populations.Schedule(
            num_steps,
            batch_size,
            log_every=num_steps,
            watch_every=every if shown is not None else None,
        )
        with LiveProgress() as bar, training_in(self.precision):
            task = bar.add_task(title, total=num_steps)
            self.stages[title] = populations.train_population(
                agent,
                self.dataset,
                members,
                schedule,
                states=states,
                folder=self.folder / title,
                settings={"agent": title, "batch_size": batch_size},
                watch=None if shown is None else take_snapshots(shown),
                report=lambda progress: bar.update(task, completed=progress.step),
                say=console.warn,
            )
        return self.stages[title]


def take_snapshots(sample: Callable[..., Any]) -> Any:
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
