"""Many updates as one compiled program, and many agents as one more axis."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from ramac_jax.errors import InputError, check_counts, check_names
from ramac_jax.hyperparams import Hyperparams
from ramac_jax.types import (
    Agent,
    Array,
    Key,
    Metrics,
    MetricSums,
    Scalar,
    State,
    Transition,
)
from ramac_jax.validation import as_numbers, known_steps

TrainFn = Callable[[State, Transition, Key, Hyperparams], tuple[State, Metrics]]


def sample_batch(
    dataset: Transition,
    key: Key,
    batch_size: int,
    target_steps: int = 1,
    target_lambda: Scalar = 1.0,
) -> Transition:
    """Draw `batch_size` rows of a dataset [D, ...] uniformly with replacement.

    The probability of a row is 1 / D within D / 2^32 of it.

    A row joins k steps or more with probability lambda^(k - 1), so that the law of the
    targets is that of lambda-returns: the critic learns the law of a policy that takes
    the data's action with probability lambda in each later step, and the agent's own
    else (Sutton and Barto, 2018, section 12.1, on laws instead of means).

    Args:
      dataset: rows in the order of time where `target_steps` is above 1.
      key: of the draw.
      batch_size: B.
      target_steps: n, steps that a row of the batch joins at most: fewer where its
        episode ends before. 1: the rows are the dataset's own.
      target_lambda: lambda, 0 to 1. 1: every row joins n steps.

    Raises `InputError` where steps are to be joined and the dataset has no `steps`.
    """
    drawn = jax.random.bits(key, (batch_size,))
    size = dataset.reward.shape[0]
    first = (drawn % jnp.uint32(size)).astype(jnp.int32)
    batch: Transition = jax.tree.map(lambda x: x[first], dataset._replace(steps=None))
    if target_steps == 1:
        return batch
    left = known_steps(target_steps, dataset)
    offset = jnp.arange(target_steps)[None, :]
    chance = jax.random.uniform(jax.random.fold_in(key, 1), (batch_size, 1))
    goes_on = chance < target_lambda ** offset[:, 1:]  # [B, n - 1]
    steps = jnp.minimum(left[first], 1 + jnp.sum(goes_on, axis=1)).astype(jnp.int32)
    reward = dataset.reward[jnp.minimum(first[:, None] + offset, size - 1)]  # [B, n]
    last = first + steps - 1
    return batch._replace(
        reward=jnp.where(offset < steps[:, None], reward, 0.0),
        next_observation=dataset.next_observation[last],
        terminated=dataset.terminated[last],
        steps=steps.astype(reward.dtype),
    )


def draw_batch(
    agent: Agent,
    dataset: Transition,
    key: Key,
    hyperparams: Hyperparams,
    batch_size: int,
) -> Transition:
    """`sample_batch` for the targets of this agent and these hyperparameters."""
    if agent.target_steps == 1:
        return sample_batch(dataset, key, batch_size)
    return sample_batch(
        dataset, key, batch_size, agent.target_steps, hyperparams.target_lambda
    )


def all_finite(tree: Any) -> Array:
    """Whether no number of any leaf is NaN or infinite, as a scalar.

    Leaves of other types than floating-point numbers are finite: counts, flags, and
    the keys that an optimizer may carry.
    """
    alike: dict[tuple[int, ...], Array] = {}
    for leaf in jax.tree.leaves(tree):
        if not jnp.issubdtype(leaf.dtype, jnp.inexact):
            continue
        zeros = 0.0 * leaf  # NaN where the leaf is not finite
        shape = leaf.shape
        alike[shape] = alike[shape] + zeros if shape in alike else zeros
    # One sum for the leaves of each shape, and no chain of "and"s, which XLA would copy
    # into everything that depends on it.
    sums = jnp.stack([jnp.sum(x) for x in alike.values()])
    return jnp.dot(sums, sums) == 0.0


def zero_metric_sums(
    agent: Agent,
    state: State,
    dataset: Transition,
    hyperparams: Hyperparams,
    batch_size: int,
) -> MetricSums:
    """Zeros for the metrics of one update of this agent."""
    key = jax.eval_shape(lambda: jax.random.key(0))
    draw = partial(draw_batch, agent, batch_size=batch_size)
    batch = jax.eval_shape(draw, dataset, key, hyperparams)
    metrics = jax.eval_shape(agent.update, state, batch, key, hyperparams)[1]
    sums = {
        name: jnp.zeros(x.shape, jnp.promote_types(x.dtype, jnp.float32))
        for name, x in metrics.items()
    }
    return MetricSums(sums=sums, updates=jnp.zeros((), jnp.int32))


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
    active: bool | Array = True,
) -> tuple[State, MetricSums]:
    """Try `num_steps` updates and add their metrics to the sums.

    Update number i draws its batch and noise from `fold_in(key, i)`, so a run cut into
    several calls with the same key is the same run. An update that would leave a NaN or
    an infinity in the state or the metrics is refused: the state keeps its values, its
    `step` included, so the same update is tried, and refused, from then on.

    Args:
      agent: the algorithm.
      state: of one agent.
      metric_sums: of the updates so far.
      dataset: leaves [D, ...].
      key: of the whole run.
      hyperparams: scalars.
      num_steps: a number, or a traced one.
      batch_size: transitions of an update.
      active: whether to update at all; False refuses every update.
    """

    def one_update(_: Any, carry: tuple[Any, ...]) -> tuple[Any, ...]:
        state, sums, updates = carry
        batch_key, update_key = jax.random.split(jax.random.fold_in(key, state.step))
        batch = draw_batch(agent, dataset, batch_key, hyperparams, batch_size)
        updated, metrics = agent.update(state, batch, update_key, hyperparams)
        flat = ravel_pytree(metrics)[0]
        accepted = all_finite((updated, flat)) & active
        state = jax.tree.map(
            lambda new, old: jnp.where(accepted, new, old), updated, state
        )
        return state, sums + jnp.where(accepted, flat, 0.0), updates + accepted

    sums, unravel = ravel_pytree(metric_sums.sums)  # one vector, not many numbers
    carry = state, sums, metric_sums.updates
    state, sums, updates = jax.lax.fori_loop(0, num_steps, one_update, carry)
    return state, MetricSums(sums=unravel(sums), updates=updates)


def make_train(agent: Agent, *, num_steps: int, batch_size: int = 256) -> TrainFn:
    """Build the function that makes `num_steps` updates in one loop.

    It is `(state, dataset, key, hyperparams) -> (state, metrics)`, without static
    arguments: jit it, vmap it over states, keys and hyperparameters for a population
    (`in_axes=(0, None, 0, 0)`). Metrics are means over the updates made. A run that
    diverges stops at its last finite state (see `advance`): its `step` is then less
    than `num_steps`, and its metrics are NaN if it made no update.

    Raises `InputError` for a length below 1; the function raises it for an empty
    dataset.
    """
    check_counts(num_steps=num_steps, batch_size=batch_size)

    def train(
        state: State, dataset: Transition, key: Key, hyperparams: Hyperparams
    ) -> tuple[State, Metrics]:
        """Make the updates; see `make_train`."""
        if not dataset.reward.shape[0]:
            raise InputError("the dataset is empty: train needs at least 1 transition")
        sums = zero_metric_sums(agent, state, dataset, hyperparams, batch_size)
        state, sums = advance(
            agent,
            state,
            sums,
            dataset,
            key,
            hyperparams,
            num_steps=num_steps,
            batch_size=batch_size,
        )
        return state, jax.tree.map(lambda total: total / sums.updates, sums.sums)

    return train


def grid(base: Hyperparams, **axes: Sequence[float] | Array) -> Hyperparams:
    """Stack the Cartesian product of `axes` over `base` along a leading axis.

    The last axis varies fastest. Raises `InputError` for an unknown field, no value,
    and anything but one axis of numbers.
    """
    check_names("hyperparameter", axes, base._fields)
    for name, values in axes.items():
        shape = as_numbers(name, values).shape
        if len(shape) != 1:
            raise InputError(
                f"hyperparameter {name} has shape {list(shape)}: give a list of values"
            )
        if not shape[0]:
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
