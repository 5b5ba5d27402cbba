"""The members of a population: hyperparameter settings times seeds."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from ramac_jax.errors import InputError
from ramac_jax.hyperparams import Hyperparams
from ramac_jax.validation import as_numbers

LARGEST_SEED = 2**31 - 1


class Members(NamedTuple):
    """The P members of a population, as NumPy arrays."""

    setting: np.ndarray
    """[P] int32, the number of each member's setting."""
    seed: np.ndarray
    """[P] int64; the seed decides the first weights and the batches."""
    hyperparams: Hyperparams
    """Every leaf [P] float32."""


def cross(settings: Hyperparams, seeds: Sequence[int]) -> Members:
    """Give every setting every seed: member s * len(seeds) + i is (s, seeds[i]).

    The leaves of `settings` are [S], or scalars for one setting. Raises `InputError`
    for leaves of different lengths, and for seeds that are missing, repeated or outside
    0 to `LARGEST_SEED`.
    """
    columns = as_columns(settings)
    if not len(seeds):
        raise InputError("a population has no seed: give at least one")
    for i, seed in enumerate(seeds):
        if not 0 <= seed <= LARGEST_SEED:
            raise InputError(f"seed {seed}: give one from 0 to {LARGEST_SEED}")
        if seed in seeds[:i]:
            raise InputError(f"seed {seed} occurs twice: give each seed once")
    size = len(columns["discount"])
    repeated: dict[str, Any] = {
        name: np.repeat(x, len(seeds)) for name, x in columns.items()
    }
    return Members(
        setting=np.repeat(np.arange(size, dtype=np.int32), len(seeds)),
        seed=np.tile(np.asarray(seeds, np.int64), size),
        hyperparams=Hyperparams(**repeated),
    )


def select_settings(
    settings: Hyperparams, numbers: np.ndarray, seeds: Sequence[int]
) -> Members:
    """Give every seed to the settings with these numbers.

    Args:
      settings: each leaf [S].
      numbers: [K] of the settings, each below S.
      seeds: N seeds; see `cross`.

    Returns K * N members; `setting` holds the given numbers.
    """
    chosen = jax.tree.map(lambda x: np.asarray(x)[numbers], settings)
    members = cross(chosen, seeds)
    return members._replace(setting=numbers[members.setting].astype(np.int32))


def as_columns(settings: Hyperparams) -> dict[str, np.ndarray]:
    """Each leaf as float32 [S], a scalar as [1].

    Raises `InputError` for leaves of different lengths, with more axes, no values or
    anything but numbers.
    """
    columns = {
        name: np.atleast_1d(as_numbers(name, leaf).astype(np.float32))
        for name, leaf in settings._asdict().items()
    }
    first, size = next((name, x.size) for name, x in columns.items())
    for name, x in columns.items():
        if x.shape != (size,) or not size:
            raise InputError(
                f"hyperparameter {name} has shape {list(x.shape)} and {first} {size} "
                "values: give every field one axis of the same length, as grid does"
            )
    return columns
