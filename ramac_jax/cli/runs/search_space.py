"""The words of the command line as a space of settings."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

import ramac_jax as rj
from ramac_jax.errors import check_names, first_line
from ramac_jax.hyperparams import RANGES

WHOLE = ("risk_warmup", "risk_ramp", "decay_steps")
"""Hyperparameters that count updates: a range of them has whole numbers alone."""


class Span(NamedTuple):
    """The numbers between two ends."""

    low: float
    high: float
    log: bool = True
    """On a logarithmic scale; False: on a linear one."""


class Space(NamedTuple):
    """Names and values that a search varies; a name is in one field alone."""

    traced: dict[str, tuple[float, ...]]
    """Values of hyperparameters, which share one compiled program."""
    static: dict[str, tuple[Any, ...]]
    """Values of options, each of which needs a program of its own."""
    ranges: dict[str, Span]
    """Ranges of hyperparameters that a sampler chooses from."""

    @property
    def names(self) -> list[str]:
        """All names."""
        return [*self.traced, *self.static, *self.ranges]


def parse_space(
    grid: Sequence[str],
    ranges: Sequence[str],
    static: Mapping[str, Callable[[str], Any]],
) -> Space:
    """Read words such as `risk-weight=0.1,0.3`, `actor=diffusion,flow`.

    Args:
      grid: words NAME=VALUE,VALUE of hyperparameters and static options.
      ranges: words NAME=LOW..HIGH or NAME=LOW..HIGH:linear of hyperparameters.
      static: each static option's reader of one value; it may raise `ValueError`.

    Raises `InputError` for a malformed word, an unknown or repeated name, and a value
    that is missing, repeated, unreadable or not allowed.
    """
    known = [*rj.Hyperparams._fields, *static]
    listed = [split_word(word, known, "VALUE,VALUE") for word in grid]
    spanned = [split_word(word, known, "LOW..HIGH") for word in ranges]
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


def settings_of(space: Space, base: rj.Hyperparams) -> rj.Hyperparams:
    """Return the grid over `base`: NumPy leaves [S].

    A range stands for its ends. Raises `InputError` for a setting outside `RANGES`.
    """
    ends = {name: (span.low, span.high) for name, span in space.ranges.items()}
    leaves: list[Any] = [np.asarray(x) for x in rj.grid(base, **space.traced, **ends)]
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


def read_range(name: str, text: str) -> Span:
    """Return a range LOW..HIGH, or LOW..HIGH:linear."""
    inner, colon, scale = text.partition(":")
    ends = [end.strip() for end in inner.split("..", maxsplit=1)]
    if len(ends) < 2 or not all(ends) or (colon and scale.strip() != "linear"):
        raise rj.InputError(
            f"{name} is {text!r}: write {name}=LOW..HIGH or {name}=LOW..HIGH:linear"
        )
    low, high = (read_one(name, end, number_reader(name)) for end in ends)
    if not -math.inf < low < high < math.inf:
        raise rj.InputError(
            f"{name} is {text}: the range is empty; give two finite numbers, the lower "
            "first"
        )
    if not colon and low <= 0.0:
        raise rj.InputError(
            f"{name} is {text}: a range is logarithmic, so both ends must be positive; "
            f"{name}={text}:linear is not"
        )
    if name in WHOLE and not (low.is_integer() and high.is_integer()):
        raise rj.InputError(f"{name} is {text}: it counts updates, give whole numbers")
    return Span(low, high, log=not colon)


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
