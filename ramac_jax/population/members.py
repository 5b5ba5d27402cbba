"""The members of a population: hyperparameter settings times seeds."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from ramac_jax.errors import InputError, check_names
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


def random_search(
    settings: Hyperparams,
    ranges: Mapping[str, tuple[float, float]],
    num_settings: int,
    *,
    seed: int,
) -> Hyperparams:
    """Draw values of some hyperparameters, log-uniformly, for each given setting.

    All given settings are combined with the same `num_settings` draws; the draws vary
    fastest. The first draws of a seed do not depend on their number.

    Args:
      settings: leaves [S], or scalars for one setting.
      ranges: the lowest and the highest value of each hyperparameter to draw.
      num_settings: number of draws.
      seed: seed of the draws.

    Returns NumPy leaves [S * num_settings].

    Raises `InputError` for an unknown hyperparameter, an empty `ranges`, a range that
    is not positive, finite and in order, no draw, or a negative seed.
    """
    columns = as_columns(settings)
    check_names("hyperparameter", ranges, columns)
    if not ranges:
        raise InputError("no hyperparameter has a range: give at least one")
    if num_settings < 1 or seed < 0:
        raise InputError(
            f"num_settings is {num_settings} and seed {seed}: give 1 or more, and a "
            "seed of 0 or more"
        )
    for name, (low, high) in ranges.items():
        if not 0.0 < low <= high < math.inf:
            raise InputError(
                f"the range of {name} is {low:g} to {high:g}: give two positive, "
                "finite numbers, the lower first"
            )
    low_log, high_log = np.log(list(ranges.values())).T
    share = np.random.default_rng(seed).random((num_settings, len(ranges)))
    drawn = np.exp(low_log + share * (high_log - low_log))
    size = len(columns["discount"])
    crossed: dict[str, Any] = {
        name: np.repeat(x, num_settings) for name, x in columns.items()
    }
    for name, values in zip(ranges, drawn.astype(np.float32).T, strict=True):
        crossed[name] = np.tile(values, size)
    return Hyperparams(**crossed)


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
