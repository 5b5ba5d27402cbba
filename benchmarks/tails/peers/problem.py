"""What is the same for every peer: the data, the target actions and the reading."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import ramac_jax as rj
from benchmarks.tails.laws import Law
from benchmarks.tails.training import (
    NUM_FRACTIONS,
    draw_actions,
    encode_action,
    encode_state,
)

FRACTIONS = (np.arange(NUM_FRACTIONS) + 0.5) / NUM_FRACTIONS
"""Midpoints at which a quantile function is read."""
CHUNK = 200
"""Batches that are drawn together, which takes less time."""


class Settings(NamedTuple):
    """What is set for every critic; everything else is the peer's own default."""

    learning_rate: float = 1e-3  # of Adam
    target_rate: float = 0.05
    batch_size: int = 128
    num_quantiles: int = 32
    width: int = 64  # of every layer
    target_steps: int = 1


class Problem(NamedTuple):
    """A law and steps that were recorded from it."""

    law: Law
    dataset: rj.Transition

    @property
    def starts(self) -> tuple[jax.Array, jax.Array]:
        """States [starts, S] and actions [starts, 1] at which critics are read."""
        _, state, action = zip(*self.law.starts, strict=True)
        return encode_state(self.law, np.array(state)), encode_action(np.array(action))


class Batch(NamedTuple):
    """Rows of the data, each field with one row for each."""

    observation: Any  # [B, S]
    action: Any  # [B, 1]
    reward: Any  # [B, 1], the discounted sum over the steps that a row joins
    next_observation: Any  # [B, S], after the last of them
    next_action: Any  # [B, 1], drawn by the policy of the law
    terminated: Any  # [B, 1]
    discount: Any  # [B, 1], of what follows


def draw_batch(problem: Problem, settings: Settings, key: jax.Array) -> Batch:
    """Draw rows of the data, of `target_steps` steps each, and their next actions."""
    row_key, action_key = jax.random.split(key)
    size, discount = settings.batch_size, problem.law.discount
    rows = rj.sample_batch(problem.dataset, row_key, size, settings.target_steps)
    reward = rows.reward.reshape(size, -1)  # [B, n]
    weights = discount ** jnp.arange(reward.shape[1])
    steps = jnp.ones(size) if rows.steps is None else rows.steps
    return Batch(
        observation=rows.observation,
        action=rows.action,
        reward=jnp.sum(reward * weights, axis=1, keepdims=True),
        next_observation=rows.next_observation,
        next_action=draw_actions(problem.law, action_key, (size, 1)),
        terminated=rows.terminated[:, None],
        discount=(discount**steps)[:, None],
    )


def batches(
    problem: Problem, settings: Settings, num_batches: int, seed: int
) -> Iterator[Batch]:
    """Yield batches of NumPy arrays."""

    @jax.jit
    def draw(dataset: rj.Transition, keys: jax.Array) -> Batch:
        here = problem._replace(dataset=dataset)
        return jax.lax.map(lambda key: draw_batch(here, settings, key), keys)

    keys = jax.random.split(jax.random.key(seed), num_batches)
    for first in range(0, num_batches, CHUNK):
        drawn = draw(problem.dataset, keys[first : first + CHUNK])
        for rows in zip(*map(np.array, drawn), strict=True):
            yield Batch(*rows)


def read_steps(values: np.ndarray) -> np.ndarray:
    """Read quantiles [..., K], each of a fraction of 1 / K, at the fractions."""
    return values[..., (FRACTIONS * values.shape[-1]).astype(int)]


def read_atoms(atoms: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Read the quantiles of atoms [K] with probabilities [..., K] at the fractions."""
    cumulated = np.cumsum(probabilities, axis=-1)[..., None, :]
    first = np.sum(cumulated < FRACTIONS[:, None], axis=-1)
    return atoms[np.minimum(first, len(atoms) - 1)]
