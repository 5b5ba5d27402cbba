"""A population in training: fresh states, and one compiled program under a live bar."""

import functools
from collections.abc import Iterator

import jax
import numpy as np

import ramac_jax as rj
from experiments import console

HASTY = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


def init_population(
    agent: rj.Agent, example: rj.Transition, keys: jax.Array
) -> tuple[rj.State, jax.Array]:
    """Fresh states of a population, one per key, and the keys to train them with."""
    init_keys, train_keys = jax.vmap(jax.random.split, out_axes=1)(keys)
    init = jax.vmap(agent.init, in_axes=(0, None))
    # It runs once: optimising it takes three times as long as all the rest of it.
    states = jax.jit(init, compiler_options=HASTY)(init_keys, example)
    return states, train_keys


def train_population(
    agent: rj.Agent,
    states: rj.State,
    dataset: rj.Transition,
    keys: jax.Array,
    hyperparams: rj.Hyperparams,
    *,
    num_steps: int,
    batch_size: int,
    title: str,
    updates_per_call: int = 500,
) -> Iterator[tuple[rj.State, dict[str, np.ndarray]]]:
    """Train with a live bar; yield (states, metrics [population]) after each call.

    The states are donated to the next call: keep a copy of what must outlive it. One
    program is compiled, and a second where `num_steps` is no multiple of the call.
    """

    @functools.partial(jax.jit, static_argnames="num_steps", donate_argnums=0)
    def advance(states, dataset, keys, hyperparams, num_steps):
        def run(state, dataset, key, h):
            return rj.train(
                agent,
                state,
                dataset,
                key,
                h,
                num_steps=num_steps,
                batch_size=batch_size,
            )

        return jax.vmap(run, in_axes=(0, None, 0, 0))(
            states, dataset, keys, hyperparams
        )

    with console.LiveProgress() as bar:
        task = bar.add_task(title, total=num_steps)
        for done in range(0, num_steps, updates_per_call):
            length = min(updates_per_call, num_steps - done)
            states, metrics = advance(states, dataset, keys, hyperparams, length)
            metrics = jax.device_get(metrics)
            bar.advance(task, length)
            yield states, metrics
