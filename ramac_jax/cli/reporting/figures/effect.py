"""The figure of a sweep of one parameter: what the parameter does to each measure."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ramac_jax.cli.reporting.figures.style import COLOURS, WIDTH, make_figure, reach
from ramac_jax.cli.reporting.figures.sweep import limits
from ramac_jax.cli.reporting.sweep_tables import COLUMNS
from ramac_jax.evaluation.intervals import Interval, seeds_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL = 0.75 * WIDTH
"""Inches."""
DECADE = 10.0
"""Least ratio of the greatest to the least value on a logarithmic axis."""


def draw_effect(
    name: str,
    values: Sequence[Any],
    agents: Sequence[Mapping[str, Sequence[float]]],
    level: float,
) -> "Figure":
    """Draw each measure against the values of one parameter.

    A small circle is an agent, a large one the mean of the agents with a value, with
    its interval over their seeds. A measure that no agent has is left out.

    Args:
      name: of the parameter.
      values: of the parameter, numbers or texts, of V settings.
      agents: of each setting, measure -> the figure of each reported agent; nan: none.
        At least one is finite.
      level: of the CVaR.
    """
    order = [*range(len(values))]
    if are_numbers(values):
        order.sort(key=values.__getitem__)
    shown = [x for x in COLUMNS if any(np.isfinite(one[x]).any() for one in agents)]
    figure = make_figure(PANEL * len(shown), 2.2)
    axes = figure.subplots(1, len(shown), squeeze=False)[0]
    for axis, measure in zip(axes, shown, strict=True):
        title, factor = COLUMNS[measure]
        rows = [factor * np.asarray(agents[i][measure], float) for i in order]
        found = [
            seeds_interval(measure, np.asarray(agents[i][measure])).scaled(factor)
            for i in order
        ]
        draw_measure(axis, [values[i] for i in order], rows, found)
        axis.set_xlabel(name, fontsize=8)
        axis.set_ylabel(title.replace("CVaR", f"CVaR {level:g}"), fontsize=8)
        axis.tick_params(labelsize=7)
    return figure


def draw_measure(
    axis: "Axes",
    values: Sequence[Any],
    rows: Sequence[np.ndarray],
    found: Sequence[Interval],
) -> None:
    """Draw the agents' figures of one measure; a line joins the means of numbers.

    Args:
      axis: to draw on.
      values: of the parameter [V].
      rows: figures of the agents with each value [V].
      found: their mean and its interval [V].
    """
    joined = are_numbers(values)
    places = list(values) if joined else [*range(len(values))]
    for place, row, interval in zip(places, rows, found, strict=True):
        axis.plot([place] * len(row), row, "o", markersize=2.5, color="0.65")
        axis.errorbar(
            place,
            interval.value,
            yerr=reach(interval._asdict()),
            color=COLOURS[0],
            elinewidth=0.8,
        )
    means = [x.value for x in found]
    line = "-" if joined else "none"
    axis.plot(places, means, "o", linestyle=line, markersize=4.0, color=COLOURS[0])
    low, high = limits([x for x in found if np.isfinite(x.value)])
    seen = np.concatenate(rows)
    seen = seen[np.isfinite(seen)]
    axis.set_ylim(min(low, seen.min()), max(high, seen.max()))
    if not joined:
        axis.set_xticks(places, values)
        axis.set_xlim(-0.5, len(places) - 0.5)
        return
    if places[0] > 0.0 and places[-1] >= DECADE * places[0]:
        axis.set_xscale("log")
    axis.set_xticks(places, [f"{x:g}" for x in places])
    axis.minorticks_off()


def are_numbers(values: Sequence[Any]) -> bool:
    """Return whether the values have places on an axis; inf and True have none."""
    return all(
        isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x)
        for x in values
    )
