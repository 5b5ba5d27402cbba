"""Checks of the options that several benchmarks share."""

from collections.abc import Mapping, Sequence
from typing import Any

import ramac_jax as rj


def flag(name: str) -> str:
    """Return the option of a field: `num_steps` is `--num-steps`."""
    return "--" + name.replace("_", "-")


def check_at_least(arguments: Any, least: Mapping[str, int]) -> None:
    """Raise `InputError` for a number that is too small.

    Args:
      arguments: a dataclass of options.
      least: the smallest number that an option accepts, by the name of its field; the
        field is a number or a tuple of numbers.
    """
    for name, bound in least.items():
        value = getattr(arguments, name)
        several = isinstance(value, tuple)
        for number in value if several else (value,):
            if number < bound:
                verb = "holds" if several else "is"
                raise rj.InputError(
                    f"{flag(name)} {verb} {number}: give {bound} or more"
                )


def check_not_empty(arguments: Any, names: Sequence[str]) -> None:
    """Raise `InputError` for an option without values."""
    for name in names:
        if not getattr(arguments, name):
            raise rj.InputError(f"{flag(name)} has no value: give at least one")
