"""Observations of several parts, as one vector in the order of Gymnasium's rule.

`gymnasium.spaces.flatten` flattens one observation. Here any number of them is
flattened at once, as NumPy or JAX arrays, and the rule is data that a policy stores.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ramac_jax.errors import InputError
from ramac_jax.types import Array


class Part(NamedTuple):
    """One array of an observation, such as the goal of a maze."""

    path: tuple[str | int, ...]  # keys and positions that lead to it
    shape: tuple[int, ...]  # of one observation
    categories: tuple[int, ...] = ()
    """Of each number, how many values it has: it becomes that many zeros and ones. ():
    numbers stay as they are."""
    first: tuple[int, ...] = ()
    """Of each number with categories, the first value."""

    @property
    def name(self) -> str:
        """The path in words."""
        return "/".join(map(str, self.path))

    @property
    def width(self) -> int:
        """Numbers of the vector that this part takes."""
        return sum(self.categories) if self.categories else int(np.prod(self.shape))


Layout = tuple[Part, ...]
"""The parts of an observation, in the order of the vector."""


def is_structured(observation: Any) -> bool:
    """Return whether an observation has parts, and is no array yet."""
    return isinstance(observation, Mapping | tuple)


def flatten(layout: Sequence[Part], observation: Any) -> Array:
    """Return observations [..., O] in the environment's units, one vector each.

    Args:
      layout: of the observations.
      observation: dictionaries and tuples of arrays [..., *shape], all with the same
        leading axes.

    Raises `InputError` for a part that is missing or has another shape.
    """
    parts = [take(part, observation) for part in layout]
    on_device = any(isinstance(x, jax.Array) for x in parts)
    xp: Any = jnp if on_device else np
    rows = [flatten_part(xp, x, part) for x, part in zip(parts, layout, strict=True)]
    lengths = {row.shape[:-1] for row in rows}
    if len(lengths) > 1:
        named = zip(layout, parts, strict=True)
        listed = ", ".join(f"{part.name} {list(x.shape)}" for part, x in named)
        raise InputError(f"parts of the observation differ in number: {listed}")
    return xp.concatenate(rows, axis=-1)


def take(part: Part, observation: Any) -> Any:
    """Return the array of a part, whose last axes have the part's shape."""
    found = observation
    for key in part.path:
        try:
            found = found[key]
        except (KeyError, IndexError, TypeError):
            raise InputError(
                f"the observation has no part {part.name}: give the observation as the "
                "environment returns it"
            ) from None
    found = found if isinstance(found, jax.Array) else np.asarray(found)
    lead = found.ndim - len(part.shape)
    if lead < 0 or found.shape[lead:] != part.shape:
        raise InputError(
            f"part {part.name} of the observation has shape {list(found.shape)}: it "
            f"must be [..., {', '.join(map(str, part.shape))}]"
        )
    return found


def flatten_part(xp: Any, value: Any, part: Part) -> Any:
    """Return a part [..., *shape] as vectors [..., width]."""
    lead = value.shape[: value.ndim - len(part.shape)]
    numbers = value.reshape(*lead, int(np.prod(part.shape)))
    if not part.categories:
        return numbers
    columns = [
        numbers[..., index, None] == first + xp.arange(count)
        for index, (count, first) in enumerate(
            zip(part.categories, part.first, strict=True)
        )
    ]
    return xp.concatenate(columns, axis=-1)


def width(layout: Sequence[Part]) -> int:
    """Return O, the length of the vector."""
    return sum(part.width for part in layout)
