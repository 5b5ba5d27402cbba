"""Whether the best of the values that were tried lies at their edge."""

from collections.abc import Sequence
from typing import Any

from ramac_jax.cli.reporting.figures.effect import are_numbers

FEWEST = 3
"""Values below which most of them lie at an edge."""


def remark_on_edge(name: str, values: Sequence[Any], best: Any) -> str | None:
    """Say that the best value of a parameter is the least or the largest one tried.

    Returns None where it is not, for values that are no numbers, and for fewer than
    `FEWEST`.
    """
    if not are_numbers(values) or len(tried := sorted(set(values))) < FEWEST:
        return None
    if best not in (tried[0], tried[-1]):
        return None
    words = ("least", "lower") if best == tried[0] else ("largest", "larger")
    return (
        f"The best {name} is the {words[0]} that was tried, {best:g}: {words[1]} ones "
        "were not."
    )
