"""Many updates as one compiled program, and many agents as one more axis."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from ramac_jax.compute.data_parallel import own_rows
from ramac_jax.types import (
    Agent,
    Array,
    Hyperparams,
    Key,
    Metrics,
    MetricSums,
    State,
    Transition,
    UpdateFn,
)
from ramac_jax.validation import InputError, check_names


def sample_batch(
    dataset: Transition, key: Key, batch_size: int, axis_name: str | None = None
) -> Transition:
    """Draw `batch_size` rows of a dataset [D, ...] uniformly with replacement.

    A row's chance is 1 / D within D / 2^32 of it.
    Given the name of a mapped axis that shares the batch, of these rows its share.
    """
    drawn = jax.random.bits(key, (batch_size,))
    size = jnp.uint32(dataset.reward.shape[0])
    rows = own_rows((drawn % size).astype(jnp.int32), axis_name)
    return jax.tree.map(lambda x: x[rows], dataset)


def all_finite(tree: Any) -> Array:
    """Whether no number of any leaf is NaN or infinite, as a scalar."""
    alike: dict[tuple[int, ...], Array] = {}
    for leaf in jax.tree.leaves(tree):
        nothing = 0.0 * leaf  # but of what is not finite, of which it is NaN
        shape = leaf.shape
        alike[shape] = alike[shape] + nothing if shape in alike else nothing
    # One sum for all leaves of a shape, and no chain of "and"s: XLA would copy that
    # into everything that depends on it.
    spoilt = jnp.stack([jnp.sum(x) for x in alike.values()])
    return jnp.dot(spoilt, spoilt) == 0.0


def update_along(agent: Agent, axis_name: str | None) -> UpdateFn:
    """The agent's update, of a share of a batch where an axis is named."""
    if axis_name is None:
        return agent.update
    if agent.shared_update is None:
        raise InputError(
            "this agent has no shared_update: its actor keeps its noise to itself, so "
            f"that its batches cannot be shared along {axis_name!r}"
        )
    return partial(agent.shared_update, axis_name=axis_name)


def zero_metric_sums(
    agent: Agent,
    state: State,
    dataset: Transition,
    hyperparams: Hyperparams,
    batch_size: int,
    axis_name: str | None = None,
) -> MetricSums:
    """Zeros for the metrics that one update of this agent tells."""
    key = jax.eval_shape(lambda: jax.random.key(0))
    draw = partial(sample_batch, batch_size=batch_size, axis_name=axis_name)
    batch = jax.eval_shape(draw, dataset, key)
    update = update_along(agent, axis_name)
    metrics = jax.eval_shape(update, state, batch, key, hyperparams)[1]
    sums = {
        name: jnp.zeros(x.shape, jnp.promote_types(x.dtype, jnp.float32))
        for name, x in metrics.items()
    }
    return MetricSums(sums, jnp.zeros((), jnp.int32))


def advance(
    agent: Agent,
    state: State,
    metric_sums: MetricSums,
    dataset: Transition,
    key: Key,
    hyperparams: Hyperparams,
    *,
    num_steps: int | Array,
    batch_size: int,
    axis_name: str | None = None,
) -> tuple[State, MetricSums]:
    """Try `num_steps` updates, a number or traced, adding their metrics to the metric_sums.

    Update number i draws its batch and noise from `fold_in(key, i)`, so a run cut into
    several calls with the same key is the same run. An update that would leave a NaN or
    an infinity in the state or the metrics is refused: the state stays as it was, its
    `step` included, so that the same update is tried, and refused, ever after.

    Given the name of a mapped axis, its members share every batch: all else is the same
    for all of them, and so is what comes of it.
    """
    update = update_along(agent, axis_name)

    def one_update(_, carried):
        state, sums, updates = carried
        batch_key, update_key = jax.random.split(jax.random.fold_in(key, state.step))
        batch = sample_batch(dataset, batch_key, batch_size, axis_name)
        updated, metrics = update(state, batch, update_key, hyperparams)
        told = ravel_pytree(metrics)[0]
        finite = all_finite((updated, told))
        state = jax.tree.map(
            lambda new, old: jnp.where(finite, new, old), updated, state
        )
        return state, sums + jnp.where(finite, told, 0.0), updates + finite

    sums, unravel = ravel_pytree(
        metric_sums.sums
    )  # one vector is added to, not many numbers
    carried = state, sums, metric_sums.updates
    state, sums, updates = jax.lax.fori_loop(0, num_steps, one_update, carried)
    return state, MetricSums(unravel(sums), updates)


def train(
    agent: Agent,
    state: State,
    dataset: Transition,
    key: Key,
    hyperparams: Hyperparams,
    *,
    num_steps: int,
    batch_size: int = 256,
    axis_name: str | None = None,
) -> tuple[State, Metrics]:
    """Run `num_steps` updates in one loop; metrics are means over those made.

    Pure: jit it once, vmap it over states, keys and hyperparameters for a population
    (`in_axes=(0, None, 0, 0)` after `agent`). Given the name of a mapped axis, its
    members share every batch (see `SharedUpdateFn`). A run that diverges stops at its
    last finite state (see `advance`): its `step` then tells less than `num_steps`, and
    its metrics are NaN once no update is made. Raises `InputError` for an empty dataset
    or a length below 1.
    """
    if num_steps < 1 or batch_size < 1:
        raise InputError(
            f"num_steps is {num_steps} and batch_size {batch_size}: give 1 or more"
        )
    if not dataset.reward.shape[0]:
        raise InputError("the dataset is empty: train needs at least one transition")
    state, metric_sums = advance(
        agent,
        state,
        zero_metric_sums(agent, state, dataset, hyperparams, batch_size, axis_name),
        dataset,
        key,
        hyperparams,
        num_steps=num_steps,
        batch_size=batch_size,
        axis_name=axis_name,
    )
    return state, jax.tree.map(
        lambda total: total / metric_sums.updates, metric_sums.sums
    )


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
