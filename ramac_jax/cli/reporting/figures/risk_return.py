"""The mean return of runs, or of settings of one run, against their CVaR."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from ramac_jax.cli.reporting.figures.style import WIDTH, point, reach

LETTERS = 66  # of a line of the legend, the markers of its columns included
MARKER = 8  # letters that a marker and the space around it take


def draw_risk_return(
    points: Sequence[tuple[str, Mapping[str, Any]]], level: float, title: str = ""
) -> Figure:
    """Draw mean against CVaR with 95 % confidence intervals; best is top right.

    Args:
      points: names, and the figures "mean" and "pooled_cvar" of each; one without
        them, whose episodes all failed, is left out.
      level: of the CVaR.
      title: of the figure.
    """
    longest = max(len(name) for name, _ in points)
    columns = min(max(LETTERS // (longest + MARKER), 1), 3)
    lines = -(-len(points) // columns)
    figure = Figure(figsize=(WIDTH, 2.7 + 0.13 * lines), layout="constrained")
    axis = figure.subplots()
    for index, (name, figures) in enumerate(points):
        x, y = figures["pooled_cvar"], figures["mean"]
        if None in (x["value"], y["value"]):
            continue
        axis.errorbar(
            x["value"],
            y["value"],
            xerr=reach(x),
            yerr=reach(y),
            elinewidth=0.8,
            capsize=2,
            label=name,
            **point(index),
        )
    axis.set_xlabel(f"CVaR$_{{{level:g}}}$ of the returns", fontsize=8)
    axis.set_ylabel("mean return", fontsize=8)
    axis.set_title(title, fontsize=8)
    axis.tick_params(labelsize=7)
    if (known := axis.get_legend_handles_labels())[0]:
        figure.legend(
            *known,
            loc="outside lower center",
            ncols=columns,
            fontsize=6,
            frameon=False,
        )
    return figure
