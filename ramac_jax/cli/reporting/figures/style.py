"""Colours, markers and sizes that all figures share."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The palette of Okabe and Ito, for colour-blind readers.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
MARKERS = "osD^vP*"
WIDTH = 3.4  # inches: one column of a paper
DPI = 200


def make_figure(width: float, height: float) -> "Figure":
    """Return an empty figure of a size in inches.

    Matplotlib takes half a second to import, for which no training waits.
    """
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def point(index: int) -> dict[str, Any]:
    """Return the colour and the marker of a run; no two runs share both."""
    shift = index // len(COLOURS)
    return {
        "color": COLOURS[index % len(COLOURS)],
        "marker": MARKERS[(index + shift) % len(MARKERS)],
        "linestyle": "none",
        "markersize": 4,
    }


def cycle(runs: Sequence[Any]) -> list[str]:
    """Return one colour per run; colours repeat after the last one."""
    return [COLOURS[index % len(COLOURS)] for index in range(len(runs))]


def reach(figure: Mapping[str, float | None]) -> list[list[float]]:
    """Return the lengths of an interval below and above its value, at least 0.

    They are NaN, and nothing is drawn, where there are no bounds.
    """
    known = {name: math.nan if x is None else x for name, x in figure.items()}
    value, low, high = known["value"], known["low"], known["high"]
    return [[max(value - low, 0.0)], [max(high - value, 0.0)]]
