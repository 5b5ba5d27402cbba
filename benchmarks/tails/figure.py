"""The figure: true and learned quantile functions, one panel for each law."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.tails.truth import LEVEL

COLUMNS = 3
PANEL_INCHES = 3.4, 2.8
LEGEND_INCHES = 0.2  # of a row


def draw(path: Path, found: Sequence[dict[str, Any]]) -> None:
    """Write the figure as PNG.

    Args:
      path: of the file.
      found: records of laws, as in the JSON file.
    """
    columns = min(COLUMNS, len(found))
    rows = -(-len(found) // columns)
    width, height = PANEL_INCHES
    names = dict.fromkeys(row["name"] for x in found for row in x["critics"])
    colours = {name: f"C{index}" for index, name in enumerate(names)}  # in every panel
    below = LEGEND_INCHES * (1 + -(-(1 + len(names)) // columns))
    total = height * rows + below
    figure = Figure(figsize=(width * columns, total))
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels[len(found) :]:
        panel.remove()
    for panel, record in zip(panels, found, strict=False):
        exact = record["truth_quantiles"]
        fraction = (np.arange(len(exact)) + 0.5) / len(exact)
        panel.axvspan(0.0, LEVEL, color="0.92")
        for row in record["critics"]:
            name, quantiles = row["name"], row["quantiles"]
            panel.plot(fraction, quantiles, colours[name], label=name, linewidth=1.0)
        panel.plot(fraction, exact, "k--", label="truth", linewidth=1.5)
        panel.set_title(record["law"], fontsize=9)
        panel.tick_params(labelsize=8)
        panel.set_xlabel("fraction", fontsize=8)
        panel.set_ylabel("return", fontsize=8)
    lines = {
        line.get_label(): line for panel in figure.axes for line in panel.get_lines()
    }
    ordered = [lines[name] for name in (*names, "truth")]
    figure.legend(handles=ordered, loc="lower center", ncols=columns, fontsize=8)
    figure.tight_layout(rect=(0.0, below / total, 1.0, 1.0))
    figure.savefig(path, dpi=150)
