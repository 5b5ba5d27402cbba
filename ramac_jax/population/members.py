"""Which settings the members of a population have, and how many of them go on."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from ramac_jax.types import Hyperparams
from ramac_jax.validation import InputError, check_names

LARGEST_SEED = 2**31 - 1


class Members(NamedTuple):
    """The P members of a population, as NumPy arrays."""

    setting: np.ndarray  # [P] int32, which setting each has
    seed: np.ndarray  # [P] int64
    hyperparams: Hyperparams  # every leaf [P] float32


class Rung(NamedTuple):
    """One stage of successive halving."""

    num_settings: int
    """Settings that are trained in it."""
    num_steps: int
    """Updates that a member has behind it when it ends."""


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
    """Draw the named fields anew, log-uniformly, for each of the given settings.

    Every given setting meets the same `num_settings` draws, and the given ones vary
    slowest. More draws from the same seed begin with the fewer. Returns NumPy leaves
    [S * num_settings].

    Args:
      settings: leaves [S], or scalars for one setting.
      ranges: the lowest and the highest value of each field to draw.
      num_settings: draws.
      seed: of the draws.

    Raises `InputError` for an unknown field, no range, one that is not positive, finite
    and in order, no draw, or a negative seed.
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


def halving(num_settings: int, num_steps: int, factor: int) -> list[Rung]:
    """The rungs of successive halving (Jamieson and Talwalkar 2016).

    There are R = floor(log_factor num_settings) + 1 of them. Rung k keeps
    num_settings / factor^k settings and ends after num_steps / factor^(R-1-k) updates,
    both rounded down, so that every rung costs about the same. Raises `InputError` for
    a factor below 2, no setting, or too few updates for the first rung to have one.
    """
    if factor < 2 or num_settings < 1:
        raise InputError(
            f"factor is {factor} and num_settings {num_settings}: give a factor of 2 "
            "or more and at least one setting"
        )
    powers = [1]  # integers: a logarithm may fall just short of a whole number
    while powers[-1] * factor <= num_settings:
        powers.append(powers[-1] * factor)
    if num_steps < powers[-1]:
        raise InputError(
            f"num_steps is {num_steps}: halving {num_settings} settings by {factor} "
            f"needs {powers[-1]} updates or more; give more updates or fewer settings"
        )
    return [
        Rung(num_settings // kept, num_steps // left)
        for kept, left in zip(powers, reversed(powers), strict=True)
    ]


def as_columns(settings: Hyperparams) -> dict[str, np.ndarray]:
    """Each leaf as float32 [S], a scalar as [1].

    Raises `InputError` for leaves of different lengths, of more axes or without values.
    """
    columns = {
        name: np.atleast_1d(np.asarray(leaf, np.float32))
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
