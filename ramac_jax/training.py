"""Many updates as one compiled program, and many agents as one more axis."""

from typing import Any

import jax
import jax.numpy as jnp

from ramac_jax.types import Agent, Hyperparams, Key, Metrics, State, Transition
from ramac_jax.validation import InputError, check_names


def sample_batch(dataset: Transition, key: Key, batch_size: int) -> Transition:
    """Draw `batch_size` rows of a dataset [D, ...] uniformly with replacement."""
    rows = jax.random.randint(key, (batch_size,), 0, dataset.reward.shape[0])
    return jax.tree.map(lambda x: x[rows], dataset)


def train(
    agent: Agent,
    state: State,
    dataset: Transition,
    key: Key,
    hyperparams: Hyperparams,
    *,
    num_steps: int,
    batch_size: int = 256,
) -> tuple[State, Metrics]:
    """Run `num_steps` updates in one scan; metrics are means over them.

    Pure: jit it once, vmap it over states, keys and hyperparameters for a population
    (`in_axes=(0, None, 0, 0)` after `agent`). Update number i draws its batch and noise
    from `fold_in(key, i)`, so a run cut into several calls with the same key is the
    same run. Raises `InputError` for an empty dataset or a length below 1.
    """
    if num_steps < 1 or batch_size < 1:
        raise InputError(
            f"num_steps is {num_steps} and batch_size {batch_size}: give 1 or more"
        )
    if not dataset.reward.shape[0]:
        raise InputError("the dataset is empty: train needs at least one transition")

    def one_update(state, _):
        step_key = jax.random.fold_in(key, state.step)
        batch_key, update_key = jax.random.split(step_key)
        batch = sample_batch(dataset, batch_key, batch_size)
        return agent.update(state, batch, update_key, hyperparams)

    state, metrics = jax.lax.scan(one_update, state, length=num_steps)
    return state, jax.tree.map(lambda x: jnp.mean(x, axis=0), metrics)


def grid(base: Hyperparams, **axes) -> Hyperparams:
    """Stack the Cartesian product of `axes` over `base` along a leading axis.

    The last axis varies fastest. Raises `InputError` for an unknown field or no value.
    """
    check_names("hyperparameter", axes, base._fields)
    for name, values in axes.items():
        if not len(values):
            raise InputError(f"hyperparameter {name} has no value: give at least one")
    columns = [jnp.asarray(values, jnp.float32) for values in axes.values()]
    crossed = jnp.meshgrid(*columns, indexing="ij")
    varied: dict[str, Any] = {
        name: x.ravel() for name, x in zip(axes, crossed, strict=True)
    }
    size = crossed[0].size if crossed else 1
    constant: dict[str, Any] = {
        name: jnp.full(size, value, jnp.float32)
        for name, value in base._asdict().items()
    }
    return Hyperparams(**(constant | varied))
