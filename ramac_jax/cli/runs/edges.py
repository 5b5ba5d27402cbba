"""Whether the best of the values that were tried lies at their edge."""

from collections.abc import Sequence
from typing import Any

from ramac_jax.cli.reporting.figures.effect import are_numbers
from ramac_jax.hyperparams import POSITIVE_FRACTION, RANGES, Range

FEWEST = 3
"""Of fewer values most are an edge."""
BOUNDS = RANGES | {"risk_level": POSITIVE_FRACTION}
"""Range of each hyperparameter; CVaR has these levels."""
COUNT = Range(1.0)
"""Range of every other option that has numbers."""


def remark_on_edge(name: str, values: Sequence[Any], best: Any) -> str | None:
    """Say that the best value of a parameter is the least or the largest one tried.

    Returns None where it is not, where none can lie beyond, for values that are no
    numbers, and for fewer than `FEWEST`.
    """
    if not are_numbers(values) or len(tried := sorted(set(values))) < FEWEST:
        return None
    bounds = BOUNDS.get(name, COUNT)
    if best not in (tried[0], tried[-1]) or best in (bounds.low, bounds.high):
        return None
    words = ("least", "lower") if best == tried[0] else ("largest", "larger")
    return (
        f"The best {name} is the {words[0]} that was tried, {best:g}: {words[1]} ones "
        "were not."
    )
