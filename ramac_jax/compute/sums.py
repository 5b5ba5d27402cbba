"""Sums of many terms, without an array of all terms."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

Term = Callable[[Any], Any]
"""A tree of arrays, one row of each, to a tree of arrays."""


def sum_of(term: Term, values: Any) -> Any:
    """sum_m term(values_m): leaves [M, ...] to the leaves of one term.

    On a CPU a loop adds the terms one by one, so that the sum and one term stay in the
    cache. Elsewhere, where a loop costs a launch for each term, it is `sum_at_once`.
    Only forward: a caller that differentiates writes its gradient as a sum, too.
    """
    return jax.lax.platform_dependent(
        values, cpu=partial(sum_in_a_loop, term), default=partial(sum_at_once, term)
    )


def sum_at_once(term: Term, values: Any) -> Any:
    """The plain form of `sum_of`: all terms, and their sum."""
    return jax.tree.map(lambda x: jnp.sum(x, axis=0), jax.vmap(term)(values))


def sum_in_a_loop(term: Term, values: Any) -> Any:
    """`sum_of`, one term after another; in float32 where terms have fewer bits."""
    result = jax.eval_shape(lambda x: sum_at_once(term, x), values)
    zero = jax.tree.map(lambda x: jnp.zeros(x.shape, wide(x.dtype)), result)

    def add(total: Any, value: Any) -> tuple[Any, None]:
        return jax.tree.map(
            lambda x, y: x + y.astype(x.dtype), total, term(value)
        ), None

    total = jax.lax.scan(add, zero, values)[0]
    return jax.tree.map(lambda x, like: x.astype(like.dtype), total, result)


def wide(dtype: Any) -> Any:
    """Return the type in which numbers of a type are added."""
    if jnp.issubdtype(dtype, jnp.floating):
        return jnp.promote_types(dtype, jnp.float32)
    return dtype
