"""The words of the command line as a space of settings."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

import ramac_jax as rj
from ramac_jax.errors import check_names, first_line
from ramac_jax.hyperparams import RANGES
from ramac_jax.population.members import random_search


class Space(NamedTuple):
    """Names and values that a search varies; a name is in one field alone."""

    traced: dict[str, tuple[float, ...]]
    """Values of hyperparameters, which share one compiled program."""
    static: dict[str, tuple[Any, ...]]
    """Values of options, each of which needs a program of its own."""
    ranges: dict[str, tuple[float, float]]
    """Lowest and highest value of hyperparameters to draw."""


def parse_space(
    grid: Sequence[str],
    random: Sequence[str],
    static: Mapping[str, Callable[[str], Any]],
) -> Space:
    """Read words such as `risk-weight=0.1,0.3`, `actor=diffusion,flow`.

    Args:
      grid: words NAME=VALUE,VALUE of hyperparameters and static options.
      random: words NAME=LOW..HIGH of hyperparameters.
      static: each static option's reader of one value; it may raise `ValueError`.

    Raises `InputError` for a malformed word, an unknown or repeated name, and a value
    that is missing, repeated, unreadable or not allowed.
    """
    known = [*rj.Hyperparams._fields, *static]
    listed = [split_word(word, known, "VALUE,VALUE") for word in grid]
    spanned = [split_word(word, known, "LOW..HIGH") for word in random]
    names = [name for name, _ in listed + spanned]
    for name in names:
        if names.count(name) > 1:
            raise rj.InputError(f"{name} is given twice: name it once, with all values")
    space = Space({}, {}, {})
    for name, text in listed:
        if name in rj.Hyperparams._fields:
            space.traced[name] = read_values(name, text, number_reader(name))
        else:
            space.static[name] = read_values(name, text, static[name])
    for name, text in spanned:
        if name not in rj.Hyperparams._fields:
            raise rj.InputError(
                f"{name} has no range: list its values, as in {name}=VALUE,VALUE"
            )
        space.ranges[name] = read_range(name, text)
    return space


def settings_of(
    space: Space, base: rj.Hyperparams, *, num_draws: int, seed: int
) -> rj.Hyperparams:
    """Return the grid over `base`, each point with every draw: NumPy leaves [S].

    Raises `InputError` for a setting outside `RANGES`, or fewer than one draw where
    there are ranges.
    """
    settings = rj.grid(base, **space.traced)
    if space.ranges:
        settings = random_search(settings, space.ranges, num_draws, seed=seed)
    leaves: list[Any] = [np.asarray(leaf) for leaf in settings]
    for setting in zip(*leaves, strict=True):  # one by one: the message stays short
        rj.check_hyperparams(rj.Hyperparams(*setting))
    return rj.Hyperparams(*leaves)


def variants(space: Space) -> list[dict[str, Any]]:
    """Return every combination of the static values; the last name varies fastest."""
    return [
        dict(zip(space.static, values, strict=True))
        for values in itertools.product(*space.static.values())
    ]


def label(setting: Mapping[str, Any]) -> str:
    """Return a short name of a setting: `risk_weight=0.1 actor=flow`."""
    return " ".join(f"{k}={show(v)}" for k, v in setting.items()) or "preset"


def show(value: Any) -> str:
    """Return a value as the command line has it."""
    if isinstance(value, float | np.floating):
        return f"{value:g}"
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


def split_word(word: str, known: Sequence[str], form: str) -> tuple[str, str]:
    """Return the name before the = of a word, in Python's spelling, and the rest."""
    name, equals, text = word.partition("=")
    if not equals:
        raise rj.InputError(f"{word!r} has no =: write NAME={form}")
    name = name.replace("-", "_")
    check_names("option", [name], known)
    return name, text


def read_values(name: str, text: str, read: Callable[[str], Any]) -> tuple[Any, ...]:
    """Return the values between the commas."""
    values: list[Any] = []
    for part in map(str.strip, text.split(",")):
        if not part:
            raise rj.InputError(
                f"{name}={text} lacks a value: write {name}=VALUE or {name}=VALUE,VALUE"
            )
        value = read_one(name, part, read)
        if computed_with(value) in map(computed_with, values):
            raise rj.InputError(f"{name}={text} has {part} twice: give each value once")
        values.append(value)
    return tuple(values)


def computed_with(value: Any) -> Any:
    """Return a value in the precision of the computation."""
    return np.float32(value) if isinstance(value, float) else value


def read_range(name: str, text: str) -> tuple[float, float]:
    """Return both ends LOW..HIGH of a range to draw from on a logarithmic scale."""
    ends = [end.strip() for end in text.split("..", maxsplit=1)]
    if len(ends) < 2 or not all(ends):
        raise rj.InputError(f"{name} is {text!r}: write {name}=LOW..HIGH")
    low, high = (read_one(name, end, number_reader(name)) for end in ends)
    if not 0.0 < low < high < math.inf:
        raise rj.InputError(
            f"{name} is {text}: draws are log-uniform, so both ends must be positive "
            "and finite, the lower first"
        )
    return low, high


def read_one(name: str, text: str, read: Callable[[str], Any]) -> Any:
    """Read one value; `InputError` where the reader raises `ValueError`."""
    try:
        return read(text)
    except ValueError as error:
        raise rj.InputError(f"{name} is {text}: {first_line(error)}") from error


def number_reader(name: str) -> Callable[[str], float]:
    """Return the reader of a hyperparameter's value."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if math.isnan(value):
            raise ValueError("it must be a number")
        if value not in RANGES[name]:
            raise ValueError(f"it must be {RANGES[name]}")
        return value

    return read
