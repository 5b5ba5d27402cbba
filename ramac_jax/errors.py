"""The one error of bad input, and how its messages are made.

This module imports no JAX, so that a command refuses a wrong name at once.
"""

import difflib
import operator
from collections.abc import Iterable, Sequence
from typing import Any

LONGEST = 60
"""Characters of a value that a message shows."""
MOST, FEW = 15, 5
"""A message lists up to MOST names, of more the first FEW and the number of others."""


class InputError(ValueError):
    """Input that cannot be worked with; the one-line message says what to change."""


def check_names(kind: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise `InputError` for an unknown name, with the nearest ones or else a list."""
    known = list(known)
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3)
            hint = f"did you mean {', '.join(near)}?"
            if not near:
                hint = f"give one of {list_names(known)}"
            raise InputError(f"unknown {kind} {name!r}: {hint}")


def list_names(names: Iterable[str]) -> str:
    """Return the names in their order, of many the first ones and a number."""
    names = sorted(names)
    if len(names) <= MOST:
        return ", ".join(names)
    return f"{', '.join(names[:FEW])} and {len(names) - FEW} others"


def check_counts(**counts: int | Sequence[int] | None) -> None:
    """Raise `InputError` for a named number that is no integer or below 1.

    `widths` is a sequence of such numbers. None, which stands for a default, passes.
    """
    for name, count in counts.items():
        if name != "widths":
            several: Sequence[Any] = [] if count is None else [count]
        elif isinstance(count, Sequence):
            several = count
        else:
            raise InputError(f"{name} is {show(count)}: give a sequence of integers")
        if not all(map(is_integer, several)):
            wanted = "integers alone" if name == "widths" else "an integer"
            raise InputError(f"{name} is {show(count)}: give {wanted}")
        if any(x < 1 for x in several):
            raise InputError(f"{name} is {count}: give 1 or more")


def is_integer(value: Any) -> bool:
    """Whether a value is an integer of Python or of an array library."""
    try:
        operator.index(value)
    except TypeError:
        return False
    return True


def check_kind(name: str, part: Any, kind: type | None = None) -> None:
    """Raise `InputError` for a part that is not of a type; None: not a function."""
    right = callable(part) if kind is None else isinstance(part, kind)
    if not right:
        wanted = "a function" if kind is None else f"one of type {kind.__name__}"
        raise InputError(
            f"{name} is of type {type(part).__name__} ({show(part)}): give {wanted}"
        )


def show(value: Any) -> str:
    """Return a value as one short line."""
    return shorten(" ".join(repr(value).split()))


def shorten(text: str) -> str:
    """Cut a line to `LONGEST` characters."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def first_line(error: BaseException) -> str:
    """The first line of an error of another library, or the name of its class."""
    return next(iter(str(error).splitlines()), type(error).__name__)
