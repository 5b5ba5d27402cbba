"""The two compiled programs of a population: one begins, one goes on."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from ramac_jax.populations.placement import per_member, sharding
from ramac_jax.populations.saving import Carry
from ramac_jax.training import advance, empty_tally
from ramac_jax.types import Agent, Array, Hyperparams, Key, Transition

# Beginning runs once: to optimise it takes three times as long as all the rest of it.
HASTY: dict[str, Any] = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
}


class Programs(NamedTuple):
    """Compiled for one number of members; what they take is on the mesh."""

    begin: Any  # (seeds [P], hyperparams, dataset) -> Carry
    go_on: Any  # (states, tally, key_data, hyperparams, dataset, num_steps) -> first 2
    like: Carry  # shapes, types and placement of a Carry


def member_keys(seed: Array, cloning: bool) -> tuple[Key, Key]:
    """The keys to initialise and to train a member with, for each phase its own."""
    key, cloning_key = jax.random.split(jax.random.key(seed))
    init_key, train_key = jax.random.split(cloning_key if cloning else key)
    return init_key, train_key


def make_programs(
    agent: Agent,
    dataset: Transition,
    size: int,
    mesh: Mesh,
    batch_size: int,
    *,
    cloning: bool = False,
) -> Programs:
    """Compile for `size` members, of the dataset the shapes alone.

    Args:
      agent: that all members are.
      dataset: to train on.
      size: P, a multiple of the number of devices.
      mesh: where they live.
      batch_size: transitions of an update.
      cloning: whether this is the phase before the training proper.
    """

    def begin(seed: Array, hyperparams: Hyperparams, dataset: Transition) -> Carry:
        init_key, train_key = member_keys(seed, cloning)
        state = agent.init(init_key, jax.tree.map(lambda x: x[:1], dataset))
        tally = empty_tally(agent, state, dataset, hyperparams)
        return Carry(state, tally, jax.random.key_data(train_key), hyperparams)

    def go_on(state, tally, key_data, hyperparams, dataset, num_steps):
        return advance(
            agent,
            state,
            tally,
            dataset,
            jax.random.wrap_key_data(key_data),
            hyperparams,
            num_steps=num_steps,
            batch_size=batch_size,
        )

    def placed(leaf, axis: int | None = 0):
        return jax.ShapeDtypeStruct(
            leaf.shape, leaf.dtype, sharding=sharding(mesh, axis)
        )

    data = jax.tree.map(lambda x: placed(x, None), dataset)
    number = jax.ShapeDtypeStruct((size,), jnp.float32, sharding=sharding(mesh))
    knobs = Hyperparams(*[number] * len(Hyperparams._fields))  # type: ignore[arg-type]
    seeds = jax.ShapeDtypeStruct((size,), jnp.uint32, sharding=sharding(mesh))
    count = jax.ShapeDtypeStruct((), jnp.int32, sharding=sharding(mesh, None))

    beginning = jax.jit(per_member(begin, mesh, (0, 0, None)))
    like = jax.tree.map(placed, jax.eval_shape(beginning, seeds, knobs, data))
    going_on = jax.jit(
        per_member(go_on, mesh, (0, 0, 0, 0, None, None)), donate_argnums=(0, 1)
    )
    return Programs(
        beginning.lower(seeds, knobs, data).compile(HASTY),
        going_on.lower(*like, data, count).compile(),
        like,
    )
