"""The two compiled programs of a population: `init` and `advance`."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from ramac_jax.compute import data_parallel
from ramac_jax.devices.mesh import are_cores, shard_axis
from ramac_jax.devices.placement import per_member, sharding
from ramac_jax.hyperparams import Hyperparams
from ramac_jax.population.checkpoints import Carry
from ramac_jax.training import advance, zero_metric_sums
from ramac_jax.types import (
    Agent,
    Array,
    Key,
    MetricSums,
    State,
    Transition,
)

# `init` runs once: its optimisation would take three times as long as all the rest.
FAST_COMPILATION: dict[str, Any] = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
}

# Cores that share a batch wait for each other: for a day, instead of the 40 seconds
# after which XLA ends the process.
LONG_WAITS: dict[str, Any] = {
    "xla_cpu_collective_call_terminate_timeout_seconds": 24 * 60 * 60,
}


@dataclasses.dataclass(frozen=True)
class Programs:
    """The programs of `size` members, each compiled at its first use."""

    agent: Agent
    """The agent that every member is."""
    dataset: Transition
    """[D, ...]; only its shapes matter."""
    size: int
    """P, a multiple of the rows of devices."""
    mesh: Mesh
    """The devices of the members."""
    batch_size: int
    """Transitions of an update."""
    pretraining: bool = False
    """Whether these are the programs of the pretraining."""

    @functools.cached_property
    def init(self) -> Any:
        """(seeds [P] uint32, hyperparams [P], dataset) -> `Carry`."""
        seeds, hyperparams, data, _ = self.shapes()
        return self.jitted_init.lower(seeds, hyperparams, data).compile(
            FAST_COMPILATION
        )

    @functools.cached_property
    def advance(self) -> Any:
        """(*`Carry`, dataset, number of updates) -> (states, metric sums)."""
        return self.lowered_advance.compile(LONG_WAITS if are_cores() else None)

    @property
    def lowered_advance(self) -> Any:
        """`advance` before compilation, for the devices of the mesh."""
        data, count = self.shapes()[2:]
        axes = (0,) * len(Carry._fields) + (None, None)
        jitted = self.jit(self.advance_one, axes, donate_argnums=(0, 1))
        return jitted.lower(*self.like, data, count)

    @functools.cached_property
    def like(self) -> Carry:
        """Shapes, types and placement of a `Carry`."""
        seeds, hyperparams, data, _ = self.shapes()
        shapes = jax.eval_shape(self.jitted_init, seeds, hyperparams, data)
        like: Carry = jax.tree.map(self.placed, shapes)
        return like

    @functools.cached_property
    def jitted_init(self) -> Any:
        """`init` before lowering."""
        return self.jit(self.init_one, (0, 0, None))

    @functools.cached_property
    def traced(self) -> Agent:
        """The agent, data parallel on the mesh; both programs trace its update once."""
        update = jax.jit(self.agent.update_from_noise, static_argnums=4)
        agent = self.agent._replace(update_from_noise=update)
        axis_name = shard_axis(self.mesh)
        return agent if axis_name is None else data_parallel(agent, axis_name)

    def jit(
        self,
        function: Callable[..., Any],
        in_axes: Sequence[int | None],
        **options: Any,
    ) -> Any:
        """Jit a function of one member for the population; see `per_member`.

        The explicit placement of the results is that of the arrays of a checkpoint.
        XLA's own choice differs, and readers of both would compile twice.
        """
        mapped = per_member(function, self.mesh, in_axes)
        return jax.jit(mapped, out_shardings=sharding(self.mesh), **options)

    def init_one(
        self, seed: Array, hyperparams: Hyperparams, dataset: Transition
    ) -> Carry:
        """A fresh, active member with empty metric sums."""
        init_key, train_key = member_keys(seed, self.pretraining)
        state = self.agent.init(init_key, jax.tree.map(lambda x: x[:1], dataset))
        arguments = (self.traced, state, dataset, hyperparams, self.batch_size)
        return Carry(
            states=state,
            metric_sums=zero_metric_sums(*arguments),
            key_data=jax.random.key_data(train_key),
            hyperparams=hyperparams,
            active=jnp.ones((), bool),
        )

    def advance_one(
        self,
        state: State,
        metric_sums: MetricSums,
        key_data: Array,
        hyperparams: Hyperparams,
        active: Array,
        dataset: Transition,
        num_steps: Array,
    ) -> tuple[State, MetricSums]:
        """`training.advance` of one member; the arguments are those of `advance`."""
        key = jax.random.wrap_key_data(key_data)
        arguments = (self.traced, state, metric_sums, dataset, key, hyperparams)
        return advance(
            *arguments,
            num_steps=num_steps,
            batch_size=self.batch_size,
            active=active,
        )

    def placed(self, leaf: Any, axis: int | None = 0) -> jax.ShapeDtypeStruct:
        """The shape, type and placement of a leaf."""
        where = sharding(self.mesh, axis)
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=where)

    def shapes(self) -> tuple[Any, Any, Any, Any]:
        """Placed shapes of seeds, hyperparameters, dataset and number of updates."""
        one_each: Any = jax.ShapeDtypeStruct((self.size,), jnp.float32)
        seeds = jax.ShapeDtypeStruct((self.size,), jnp.uint32)
        hyperparams = jax.tree.map(lambda _: self.placed(one_each), Hyperparams())
        data = jax.tree.map(lambda x: self.placed(x, None), self.dataset)
        count = self.placed(jax.ShapeDtypeStruct((), jnp.int32), None)
        return self.placed(seeds), hyperparams, data, count


class SharedPrograms:
    """Programs of `size` members that several populations train with in turn.

    Each is compiled once for an agent and a shape of the data. A population with fewer
    members is filled with copies of its last one.
    """

    def __init__(self, size: int):
        """Share programs of `size` members."""
        self.size = size
        self.made: dict[Any, Programs] = {}

    def of(
        self,
        agent: Agent,
        dataset: Transition,
        size: int,
        mesh: Mesh,
        batch_size: int,
        *,
        pretraining: bool = False,
    ) -> Programs:
        """Return the programs for these arguments of `Programs`."""
        shapes = tuple(np.shape(x) for x in jax.tree.leaves(dataset))
        key = (agent, shapes, size, mesh, batch_size, pretraining)
        if key not in self.made:
            arguments = (agent, dataset, size, mesh, batch_size)
            self.made[key] = Programs(*arguments, pretraining=pretraining)
        return self.made[key]


def member_keys(seed: Array, pretraining: bool) -> tuple[Key, Key]:
    """The keys to initialise and to train a member in one of the two phases."""
    key, pretraining_key = jax.random.split(jax.random.key(seed))
    init_key, train_key = jax.random.split(pretraining_key if pretraining else key)
    return init_key, train_key
