"""The figure of acting options: the mean return of each setting against its CVaR."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from ramac_jax.cli.reporting.figures.style import WIDTH, point, reach


def draw_settings(
    settings: Sequence[tuple[str, Mapping[str, Any]]], level: float
) -> Figure:
    """Draw the mean of each setting against its CVaR, with intervals over episodes.

    Args:
      settings: names, and the figures "mean" and "pooled_cvar" of each; one without
        them, whose episodes all failed, is left out.
      level: of the CVaR.
    """
    figure = Figure(figsize=(WIDTH, 2.4 + 0.15 * len(settings)), layout="constrained")
    axis = figure.subplots()
    for index, (name, figures) in enumerate(settings):
        x, y = figures["pooled_cvar"], figures["mean"]
        if None in (x["value"], y["value"]):
            continue
        axis.errorbar(
            x["value"],
            y["value"],
            xerr=reach(x),
            yerr=reach(y),
            elinewidth=0.6,
            label=name,
            **point(index),
        )
    axis.set_xlabel(f"CVaR$_{{{level:g}}}$ of the returns", fontsize=8)
    axis.set_ylabel("mean return", fontsize=8)
    axis.tick_params(labelsize=7)
    handles, labels = axis.get_legend_handles_labels()
    columns = math.ceil(len(labels) / 20) or 1
    figure.legend(
        handles,
        labels,
        loc="outside lower left",
        fontsize=6,
        frameon=False,
        ncols=columns,
    )
    return figure
