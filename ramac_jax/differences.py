"""The first difference of two JSON values, in words."""

import json
import os
from typing import Any

from ramac_jax.errors import shorten

MISSING = "nothing"  # in place of a value that one side does not have
CONTEXT = 20  # characters before the difference of long values


def first_difference(
    held: Any, wanted: Any, name: str = ""
) -> tuple[str, str, str] | None:
    """The first difference of two JSON values: dotted name, and both values in short.

    None where the values are equal.
    """
    if isinstance(held, dict) and isinstance(wanted, dict):
        for key in dict.fromkeys([*wanted, *held]):
            inner = f"{name}.{key}" if name else str(key)
            pair = held.get(key, MISSING), wanted.get(key, MISSING)
            if (found := first_difference(*pair, inner)) is not None:
                return found
        return None
    if isinstance(held, list) and isinstance(wanted, list) and len(held) == len(wanted):
        return first_difference(dict(enumerate(held)), dict(enumerate(wanted)), name)
    return None if held == wanted else (name, *to_lines(held, wanted))


def to_lines(one: Any, other: Any) -> tuple[str, str]:
    """Two JSON values in one short line each, which show where they differ."""
    lines = [MISSING if x == MISSING else json.dumps(x) for x in (one, other)]
    if shorten(lines[0]) == shorten(lines[1]):  # long values that begin alike
        start = len(os.path.commonprefix(lines)) - CONTEXT
        lines = [f"...{line[start:]}" for line in lines]
    return shorten(lines[0]), shorten(lines[1])
