"""The figure of a sweep: the mean return of each setting against its CVaR."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D

from ramac_jax.cli.reporting.figures.labels import Label, write_labels
from ramac_jax.cli.reporting.figures.style import COLOURS, WIDTH, make_figure, reach
from ramac_jax.cli.reporting.sweep_tables import called
from ramac_jax.evaluation import Interval, Ranked
from ramac_jax.evaluation.ranking import pareto_front

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

AXES = ("cvar", "mean")
STYLES = {  # colour, marker, size of the marker, order of drawing
    "chosen": (COLOURS[5], "*", 10.0, 5),
    "front": (COLOURS[0], "o", 4.0, 4),
    "other": ("0.65", "o", 3.0, 3),
}
LETTERS = 62  # in a line of the legend
FARTHEST = 0.6  # of the points' span: largest reach of the frame beyond the points


def draw_frontier(ranked: Sequence[Ranked], level: float) -> "Figure":
    """Draw the mean of each setting against its CVaR, both on held-out seeds.

    A line joins the Pareto front; the star is the selected setting. The legend explains
    the numbers of these settings.
    """
    points = np.array([[x.score[name].value for name in AXES] for x in ranked])
    shown: list[int] = np.flatnonzero(np.isfinite(points).all(axis=1)).tolist()
    front: list[int] = front_of(points).tolist()
    roles = {index: "chosen" for index in shown if index == 0}
    roles |= {index: "front" for index in front if index not in roles}
    roles |= {index: "other" for index in shown if index not in roles}
    legend = legend_of(ranked, roles)
    num_lines = sum(str(line.get_label()).count("\n") + 1 for line in legend)
    figure = make_figure(WIDTH, 2.6 + 0.12 * num_lines)
    axis = figure.subplots()
    axis.plot(*points[front].T, color=STYLES["front"][0], linewidth=1.0, zorder=3.5)
    for index, role in roles.items():
        draw_setting(axis, ranked[index], role)
    if shown:
        cvars, means = ([ranked[i].score[name] for i in shown] for name in AXES)
        axis.set(xlim=limits(cvars), ylim=limits(means))
    else:
        axis.set(xticks=(), yticks=())
    axis.set_title(notes(ranked, shown), fontsize=6, color="0.4", loc="left")
    axis.set_xlabel(f"CVaR$_{{{level:g}}}$ of the returns", fontsize=8)
    axis.set_ylabel("mean return", fontsize=8)
    axis.tick_params(labelsize=7)
    if legend:
        figure.legend(
            handles=legend, loc="outside lower left", fontsize=6, frameon=False
        )
    named = [i for i in roles if roles[i] != "other"]
    named.sort(key=lambda index: points[index, 0])
    figure.draw_without_rendering()  # computes the layout
    write_labels(axis, [number_of(ranked[i], STYLES[roles[i]][0]) for i in named])
    return figure


def front_of(points: np.ndarray) -> np.ndarray:
    """Return the indices of the Pareto front of points [S, 2], by rising x.

    Points that are not finite are left out.
    """
    finite = np.flatnonzero(np.isfinite(points).all(axis=1))
    front = finite[pareto_front(points[finite])]
    return front[np.argsort(points[front, 0], kind="stable")]


def draw_setting(axis: "Axes", entry: Ranked, role: str) -> None:
    """Draw a setting with its intervals; hollow if agents lack a finite score."""
    colour, marker, size, order = STYLES[role]
    x, y = (entry.score[name] for name in AXES)
    axis.errorbar(
        x.value,
        y.value,
        xerr=reach(x._asdict()),
        yerr=reach(y._asdict()),
        fmt=marker,
        markersize=size,
        color=colour,
        ecolor=(colour, 0.4),
        elinewidth=0.6,
        markerfacecolor="white" if entry.unscored else colour,
        markeredgecolor=colour if entry.unscored else "white",
        markeredgewidth=0.8 if entry.unscored else 0.4,
        zorder=order,
    )


def number_of(entry: Ranked, colour: str) -> Label:
    """Return the number of a setting, at the point of the setting."""
    point = (entry.score["cvar"].value, entry.score["mean"].value)
    return Label(text=str(entry.setting), point=point, colour=colour)


def limits(intervals: Sequence[Interval]) -> tuple[float, float]:
    """Return limits that hold all values, and all intervals that are not wide."""
    values, low, high = np.array(intervals).T
    farthest = FARTHEST * np.ptp(values) or np.inf
    start = max(np.nanmin([*values, *low]), values.min() - farthest)
    stop = min(np.nanmax([*values, *high]), values.max() + farthest)
    margin = 0.1 * (stop - start) or 1.0
    return start - margin, stop + margin


def legend_of(ranked: Sequence[Ranked], roles: Mapping[int, str]) -> list[Line2D]:
    """Return the legend: the chosen setting, the front by rising CVaR, the rest."""
    labels: dict[str, str] = {}
    for index, role in roles.items():
        name = called(*ranked[index][:2]) + " (chosen)" * (role == "chosen")
        other = "other settings, each dominated by one on the line"
        labels[other if role == "other" else name] = role
    return [
        Line2D(
            [],
            [],
            color=STYLES[role][0],
            marker=STYLES[role][1],
            markersize=0.7 * STYLES[role][2],
            markeredgewidth=0.0,
            linewidth=1.0 if role == "front" else 0.0,
            label=textwrap.fill(label, LETTERS, subsequent_indent=" " * 5),
        )
        for label, role in labels.items()
    ]


def notes(ranked: Sequence[Ranked], shown: Sequence[int]) -> str:
    """Return remarks about hollow settings and about settings that are not drawn."""
    remarks = []
    if len(shown) < len(ranked):
        missing = len(ranked) - len(shown)
        remarks.append(f"{missing} of {len(ranked)} settings left out: no finite score")
    if any(ranked[index].unscored for index in shown):
        remarks.append("hollow: some agents have no finite score")
    return "\n".join(remarks)
