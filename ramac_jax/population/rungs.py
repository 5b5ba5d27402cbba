"""The rungs of successive halving: how many settings train for how many updates."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from ramac_jax.errors import InputError


class Rung(NamedTuple):
    """One stage of successive halving."""

    num_settings: int
    """Settings that the rung trains."""
    num_steps: int
    """Updates that each member has tried at the end of the rung."""


def halving_rungs(num_settings: int, num_steps: int, factor: int) -> list[Rung]:
    """The rungs of successive halving (Jamieson and Talwalkar 2016).

    There are R = floor(log_factor num_settings) + 1 of them. Rung k keeps
    num_settings / factor^k settings and ends after num_steps / factor^(R-1-k) updates,
    both rounded down, so that all rungs cost about the same. Raises `InputError` for
    a factor below 2, no setting, or too few updates for the first rung to have one.
    """
    if factor < 2 or num_settings < 1:
        raise InputError(
            f"factor is {factor} and num_settings {num_settings}: give a factor of 2 "
            "or more and at least one setting"
        )
    powers = [1]  # integers: a logarithm may be just below a whole number
    while powers[-1] * factor <= num_settings:
        powers.append(powers[-1] * factor)
    if num_steps < powers[-1]:
        raise InputError(
            f"num_steps is {num_steps}: halving {num_settings} settings by {factor} "
            f"needs {powers[-1]} updates or more; give more updates or fewer settings"
        )
    return [
        Rung(num_settings=num_settings // kept, num_steps=num_steps // left)
        for kept, left in zip(powers, reversed(powers), strict=True)
    ]


def check_rungs(rungs: Sequence[Rung]) -> None:
    """Raise `InputError` unless every rung has fewer settings and more updates."""
    if not rungs:
        raise InputError("there is no rung: give those of `halving_rungs`")
    for one, later in itertools.pairwise(rungs):
        narrows = 1 <= later.num_settings <= one.num_settings
        if not narrows or later.num_steps <= one.num_steps:
            raise InputError(
                f"{one} precedes {later}: each rung needs at least one setting, no "
                "more settings than the one before, and more updates"
            )
