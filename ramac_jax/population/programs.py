"""The two compiled programs of a population: one begins, one goes on."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from ramac_jax.compute import data_parallel
from ramac_jax.devices.mesh import are_cores, per_member, sharding, shares_axis
from ramac_jax.population.checkpoints import Carry
from ramac_jax.training import advance, zero_metric_sums
from ramac_jax.types import Agent, Array, Hyperparams, Key, Transition

# Beginning runs once: to optimise it takes three times as long as all the rest of it.
HASTY: dict[str, Any] = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
}

# Cores that share a batch wait for each other: for a day, and not for 40 seconds, after
# which XLA would end the process.
PATIENT: dict[str, Any] = {
    "xla_cpu_collective_call_terminate_timeout_seconds": 24 * 60 * 60,
}


@dataclasses.dataclass(frozen=True)
class Programs:
    """What `size` members run, each program compiled when it is first asked for."""

    agent: Agent  # that all members are
    dataset: Transition  # of which the shapes matter
    size: int  # P, a multiple of the rows of devices
    mesh: Mesh  # where the members live
    batch_size: int  # transitions of an update
    cloning: bool = False  # whether this is the phase before the training proper

    @functools.cached_property
    def traced(self) -> Agent:
        """The agent, its update traced once though both programs need it."""
        update = jax.jit(self.agent.update_from_noise, static_argnums=4)
        agent = self.agent._replace(update_from_noise=update)
        axis_name = shares_axis(self.mesh)
        return agent if axis_name is None else data_parallel(agent, axis_name)

    @functools.cached_property
    def begin(self) -> Any:
        """(seeds [P] uint32, hyperparams [P], dataset) -> `Carry`."""
        seeds, knobs, data, _ = self.shapes()
        return self.beginning.lower(seeds, knobs, data).compile(HASTY)

    @functools.cached_property
    def go_on(self) -> Any:
        """(`Carry`, its fields apart, dataset, num_steps) -> (states, metric_sums)."""
        return self.going_on.compile(PATIENT if are_cores() else None)

    @property
    def going_on(self) -> Any:
        """`go_on` before it is compiled, for the devices of the mesh."""
        data, count = self.shapes()[2:]
        axes = (0, 0, 0, 0, None, None)
        jitted = self.jit(self.advance_one, axes, donate_argnums=(0, 1))
        return jitted.lower(*self.like, data, count)

    @functools.cached_property
    def like(self) -> Carry:
        """Shapes, types and placement of a `Carry`."""
        seeds, knobs, data, _ = self.shapes()
        shapes = jax.eval_shape(self.beginning, seeds, knobs, data)
        return jax.tree.map(self.placed, shapes)

    @functools.cached_property
    def beginning(self) -> Any:
        """`begin` before it is compiled."""
        return self.jit(self.begin_one, (0, 0, None))

    def jit(
        self, function: Callable, in_axes: Sequence[int | None], **options: Any
    ) -> Any:
        """A function of one member, jitted for all; see `per_member`.

        Where the results lie is said outright: XLA's own choice differs from where a
        checkpoint's arrays lie, so that what reads both would compile twice.
        """
        mapped = per_member(function, self.mesh, in_axes)
        return jax.jit(mapped, out_shardings=sharding(self.mesh), **options)

    def begin_one(
        self, seed: Array, hyperparams: Hyperparams, dataset: Transition
    ) -> Carry:
        """A fresh member, its metric_sums empty."""
        init_key, train_key = member_keys(seed, self.cloning)
        state = self.agent.init(init_key, jax.tree.map(lambda x: x[:1], dataset))
        arguments = (self.traced, state, dataset, hyperparams, self.batch_size)
        metric_sums = zero_metric_sums(*arguments)
        return Carry(state, metric_sums, jax.random.key_data(train_key), hyperparams)

    def advance_one(
        self, state, metric_sums, key_data, hyperparams, dataset, num_steps
    ):
        """`advance` for one member."""
        key = jax.random.wrap_key_data(key_data)
        arguments = (self.traced, state, metric_sums, dataset, key, hyperparams)
        return advance(
            *arguments,
            num_steps=num_steps,
            batch_size=self.batch_size,
        )

    def placed(self, leaf: Any, axis: int | None = 0) -> jax.ShapeDtypeStruct:
        """The shape of a leaf and where it lives."""
        where = sharding(self.mesh, axis)
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=where)

    def shapes(self) -> tuple[Any, Any, Any, Any]:
        """Of seeds, hyperparameters, dataset and number of updates."""
        one_each: Any = jax.ShapeDtypeStruct((self.size,), jnp.float32)
        seeds = jax.ShapeDtypeStruct((self.size,), jnp.uint32)
        knobs = jax.tree.map(lambda _: self.placed(one_each), Hyperparams())
        data = jax.tree.map(lambda x: self.placed(x, None), self.dataset)
        count = self.placed(jax.ShapeDtypeStruct((), jnp.int32), None)
        return self.placed(seeds), knobs, data, count


def member_keys(seed: Array, cloning: bool) -> tuple[Key, Key]:
    """The keys to initialise and to train a member with, for each phase its own."""
    key, cloning_key = jax.random.split(jax.random.key(seed))
    init_key, train_key = jax.random.split(cloning_key if cloning else key)
    return init_key, train_key
