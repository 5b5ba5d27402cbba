"""Our agents, as `ramac train` trains them on a CPU, and as a policy acts."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.peers.cases import CASES
from benchmarks.peers.trainer import Trainer
from benchmarks.throughput.cases import Case
from benchmarks.throughput.measurement import Population
from benchmarks.throughput.operation_counts import update_flop
from ramac_jax.acting import ActingNoise
from ramac_jax.normalization import Scaling
from ramac_jax.policy import Policy, PolicySpec
from ramac_jax.types import Array, Params


def build_ours(name: str, agents: int) -> Trainer:
    """Return a population of a case; it acts as its first agent.

    A process whose cores are JAX's devices (`use_every_core`) trains as the command
    does: many updates in one compiled call, which reuses the memory of its state.
    """
    case = CASES[name]
    population = Population(case, agents)

    def params() -> dict[str, list[np.ndarray]]:
        states = population.carry.states
        parts = {"actor": states.actor_params, "critics": states.critic_params}
        return {
            part: [np.array(x[0]) for x in jax.tree.leaves(tree)]
            for part, tree in parts.items()
        }

    return Trainer(
        train=lambda seconds: agents * population.rate(seconds),
        act=build_acting(case, population.carry.states.actor_params),
        params=params,
        gigaflop=update_flop(case) / 1e9,
    )


def build_acting(case: Case, params: Params) -> Any:
    """Return a function of one observation [O], whose noise NumPy draws."""
    width, size = case.observation_dim, case.action_dim
    ones = jnp.ones(size)
    spec = PolicySpec(Scaling(jnp.zeros(width), jnp.ones(width), -ones, ones))
    params = jax.tree.map(lambda x: jnp.asarray(np.array(x[:1])), params)
    policy = Policy(spec, case.build_actor(), params)
    shapes = jax.eval_shape(
        policy.actor.draw_noise, jnp.zeros((1, width)), jax.random.key(0)
    )
    draw = np.random.default_rng(0)

    @jax.jit
    def compiled(observation: Array, noise: Any) -> Array:
        return policy.act_from_noise(observation, ActingNoise(noise))

    def act(observation: np.ndarray) -> np.ndarray:
        noise = jax.tree.map(lambda x: draw.standard_normal(x.shape, x.dtype), shapes)
        return np.asarray(compiled(observation[None], noise))[0]

    return act
