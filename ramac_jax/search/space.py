"""What a search varies, and the distributions of Optuna that stand for it."""

import dataclasses
import itertools
import math
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from ramac_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of several values: numbers, names, or tuples of integers such as widths."""

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        """Raise `InputError` for no value, or equal ones, such as 1 and True."""
        if not self.values:
            raise InputError("a choice has no value: give one or more")
        for one, other in itertools.combinations(map(encode, self.values), 2):
            if repr(one) == repr(other):
                raise InputError(f"a choice has {one!r} twice: give each value once")
            if one == other:
                raise InputError(
                    f"a choice has {one!r} and {other!r}, which are equal: give one of "
                    "them"
                )


@dataclasses.dataclass(frozen=True)
class Range:
    """A number from `low` to `high`, both included."""

    low: float
    high: float
    log: bool = True
    """Draw on a logarithmic scale; False: on a linear one."""
    whole: bool = False
    """Draw whole numbers alone."""

    def __post_init__(self) -> None:
        """Raise `InputError` for a range that is empty or not finite."""
        text = f"{self.low:g}..{self.high:g}"
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise InputError(f"the range {text} is not finite: give two numbers")
        if not self.low < self.high:
            raise InputError(f"the range {text} is empty: give the lower number first")
        if self.log and self.low <= 0.0:
            raise InputError(
                f"the range {text} is on a logarithmic scale: give positive numbers, "
                "or make it linear"
            )
        if self.whole and not (
            float(self.low).is_integer() and float(self.high).is_integer()
        ):
            raise InputError(f"the range {text} is of whole numbers: give whole ends")


Space = Mapping[str, Choice | Range]
"""Name -> what a search may choose for it."""


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Return the distribution of each parameter; `InputError` for an empty space."""
    if not space:
        raise InputError("the space is empty: give a parameter to vary")
    return {name: distribution(parameter) for name, parameter in space.items()}


def distribution(parameter: Choice | Range) -> BaseDistribution:
    """Return the distribution of Optuna that stands for a parameter."""
    if isinstance(parameter, Choice):
        return CategoricalDistribution([encode(x) for x in parameter.values])
    low, high, log = parameter.low, parameter.high, parameter.log
    if parameter.whole:
        return IntDistribution(int(low), int(high), log=log)
    return FloatDistribution(low, high, log=log)


def suggest(trial: optuna.Trial, name: str, parameter: Choice | Range) -> None:
    """Let a trial choose a value of a parameter, unless it has one."""
    if isinstance(parameter, Choice):
        trial.suggest_categorical(name, [encode(x) for x in parameter.values])
        return
    low, high, log = parameter.low, parameter.high, parameter.log
    if parameter.whole:
        trial.suggest_int(name, int(low), int(high), log=log)
    else:
        trial.suggest_float(name, low, high, log=log)


def encode(value: Any) -> Any:
    """Return a value as a storage holds it: a tuple as text, such as 256x256."""
    return "x".join(map(str, value)) if isinstance(value, tuple) else value


def decode(space: Space, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a trial's parameters, in the order of the space.

    A parameter that the trial lacks is left out.
    """
    found = {}
    for name, parameter in space.items():
        if name not in params:
            continue
        value = params[name]
        if isinstance(parameter, Choice):
            value = next(x for x in parameter.values if encode(x) == value)
        found[name] = value
    return found


def describe(space: Space) -> dict[str, Any]:
    """Return a space for JSON."""
    found: dict[str, Any] = {}
    for name, parameter in space.items():
        if isinstance(parameter, Choice):
            found[name] = [encode(x) for x in parameter.values]
        else:
            found[name] = dataclasses.asdict(parameter)
    return found
