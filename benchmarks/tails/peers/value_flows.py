"""The critics in JAX of the Value Flows repository: C51, IQN and the flow itself."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm

import ramac_jax as rj
from benchmarks.packages import import_from
from benchmarks.tails.peers.problem import (
    FRACTIONS,
    Problem,
    Settings,
    draw_batch,
    read_atoms,
)
from benchmarks.tails.training import draw_actions

CLASSES = {"c51": "C51Agent", "iqn": "IQNAgent", "value_flows": "ValueFlowsAgent"}
ACTOR_WIDTH = 8
"""The actor trains together with the critic, and nothing reads it."""


def learn_value_flows(
    problem: Problem,
    settings: Settings,
    updates: int,
    seed: int,
    clone: Path,
    name: str,
    normalised: bool = False,
    measured_range: bool = False,
) -> np.ndarray:
    """Train two critics by the `update` of their agent; read their mean.

    Args:
      problem: law and data.
      settings: of the critic.
      updates: number of them.
      seed: of networks and batches.
      clone: folder of the repository.
      name: module of `agents`.
      normalised: the network of C51 gives log-probabilities. Its loss, as released,
        takes the cross-entropy with outputs that are not normalised.
      measured_range: the range of returns is that of `rj.value_range`; otherwise the
        repository's own, the extreme rewards divided by 1 - discount.
    """
    module = import_from(clone, f"agents.{name}", "Value Flows")
    if normalised:
        module.Value = normalise(module.Value)
    agent = build_agent(module, problem, settings, seed, name, measured_range)

    @jax.jit
    def train(agent: Any, dataset: rj.Transition, keys: jax.Array) -> Any:
        def update(agent: Any, key: jax.Array) -> tuple[Any, None]:
            rows = draw_batch(problem._replace(dataset=dataset), settings, key)
            later = rows.discount / problem.law.discount  # 1 for a single step
            batch = {
                "observations": rows.observation,
                "actions": rows.action,
                "rewards": rows.reward[:, 0],
                "masks": ((1.0 - rows.terminated) * later)[:, 0],
                "next_observations": rows.next_observation,
            }
            return agent.update(batch)[0], None

        return jax.lax.scan(update, agent, keys)[0]

    keys = jax.random.split(jax.random.key(seed), updates)
    return read_quantiles(train(agent, problem.dataset, keys), problem, name)


def normalise(network_type: Any) -> Any:
    """Return a type of network whose outputs are log-probabilities."""

    def call(self: Any, *inputs: Any) -> Any:
        return jax.nn.log_softmax(network_type.__call__(self, *inputs))

    return type("Normalised", (network_type,), {"__call__": call})


def build_agent(
    module: Any,
    problem: Problem,
    settings: Settings,
    seed: int,
    name: str,
    measured_range: bool,
) -> Any:
    """Build an agent whose target actions are those of the law's policy."""

    def sample_actions(self: Any, observations: Any, seed: Any, **unused: Any) -> Any:
        del self, unused
        return draw_actions(problem.law, seed, (len(observations), 1))

    base = getattr(module, CLASSES[name])
    agent_class: Any = type(
        "Evaluation", (base,), {"sample_actions": sample_actions, "__annotations__": {}}
    )
    config, rest = module.get_config(), 1.0 - problem.law.discount
    sizes = {
        "lr": settings.learning_rate,
        "tau": settings.target_rate,
        "batch_size": settings.batch_size,
        "num_quantiles": settings.num_quantiles,
        "embedding_dim": settings.width,
        "value_hidden_dims": (settings.width, settings.width),
        "actor_hidden_dims": (ACTOR_WIDTH,),
        "discount": problem.law.discount,
    }
    config.update({key: value for key, value in sizes.items() if key in config})
    low, high = (float(f(problem.dataset.reward)) for f in (jnp.min, jnp.max))
    if measured_range:
        range_ = rj.value_range(problem.dataset, problem.law.discount)
        low, high = (rest * x for x in range_)
    example = {
        "observations": problem.dataset.observation[:1],
        "actions": problem.dataset.action[:1],
        "min_reward": low,
        "max_reward": high,
    }
    return agent_class.create(seed, example, config)


def read_quantiles(agent: Any, problem: Problem, name: str) -> np.ndarray:
    """Read the mean of the two critics at the fractions, [starts, NUM_FRACTIONS]."""
    state, action = problem.starts
    if name == "c51":
        logits = agent.network.select("critic")(state, action)
        probabilities = jax.nn.softmax(logits, axis=-1).mean(axis=0)
        return read_atoms(np.asarray(agent.config["atoms"]), np.asarray(probabilities))
    if name == "iqn":
        tau = jnp.tile(jnp.asarray(FRACTIONS, jnp.float32), (len(state), 1))
        read = agent.network.select("critic")(state, action, tau)
        return np.asarray(read[..., 0].mean(axis=0))
    noise = norm.ppf(jnp.asarray(FRACTIONS, jnp.float32))
    shape = (len(state), len(FRACTIONS))
    inputs = [
        jnp.broadcast_to(x[:, None], (*shape, x.shape[-1])) for x in (state, action)
    ]
    read = sum(
        agent.compute_flow_returns(
            jnp.broadcast_to(noise, shape)[..., None],
            *inputs,
            flow_network_name=f"critic_flow{member}",
        )
        for member in (1, 2)
    )
    return np.asarray(read[..., 0] / 2)
