"""The figures of a study: importances, slices, and the Pareto front of two objectives.

All scores are those that the study knows: of the agents and episodes that select.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib
import numpy as np

from ramac_jax.cli.reporting.figures.labels import Label, write_labels
from ramac_jax.cli.reporting.figures.style import COLOURS, WIDTH, make_figure
from ramac_jax.search import Choice, Range, TrialResult, pareto_front
from ramac_jax.search.space import encode

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STAR = COLOURS[5]
NAMED = 3
"""Trials whose numbers a slice shows: the best ones."""
COLUMNS = 2
"""Panels next to each other."""


class Drawn(NamedTuple):
    """What the figures of a study need to know of it."""

    trials: Sequence[TrialResult]
    """Those with scores, by rising number."""
    space: Mapping[str, Choice | Range]
    objectives: Sequence[str]
    """The title of each score; more is better."""
    shares: Mapping[str, float]
    """Importance of each parameter; empty where it is unknown."""


def draw_importances(shares: Mapping[str, float]) -> "Figure":
    """Draw a bar for each parameter, the most important one on top."""
    names = sorted(shares, key=lambda name: shares[name])
    height = 0.9 + 0.25 * len(names)
    figure = make_figure(WIDTH, height)
    axis = figure.subplots()
    bars = axis.barh(names, [shares[name] for name in names], color=COLOURS[0])
    axis.bar_label(bars, [f"{shares[x]:.0%}" for x in names], fontsize=7, padding=2)
    axis.set_xlim(0.0, 1.15 * max(shares.values()))
    axis.set_xlabel("importance (PED-ANOVA)", fontsize=8)
    axis.tick_params(labelsize=7)
    return figure


def draw_slices(drawn: Drawn) -> "Figure":
    """Draw each score against each parameter; later trials are darker.

    The star is the best trial; the numbers are those of the best three. A hollow trial
    breaks a constraint.
    """
    names = [*drawn.space]
    rows = [(name, k) for k in range(len(drawn.objectives)) for name in names]
    columns = min(COLUMNS, len(rows))
    lines = -(-len(rows) // columns)
    figure = make_figure(WIDTH * columns, 2.2 * lines)
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    panels = list(zip(axes, rows, strict=False))
    for axis in axes[len(rows) :]:
        axis.remove()
    for axis, (name, objective) in panels:
        draw_slice(axis, drawn, name, objective)
    figure.draw_without_rendering()  # computes the layout
    for axis, (name, objective) in panels:
        best = best_first(drawn.trials, objective)[:NAMED]
        points = [
            (place_of(drawn.space[name], x.setting[name]), x.scores[objective])
            for x in best
        ]
        write_labels(axis, labels_of(best, points))
    return figure


def draw_slice(axis: "Axes", drawn: Drawn, name: str, objective: int) -> None:
    """Draw one score against one parameter."""
    parameter = drawn.space[name]
    shades = matplotlib.colormaps["Blues"](np.linspace(0.35, 1.0, len(drawn.trials)))
    best = best_first(drawn.trials, objective)[:1]
    for trial, shade in zip(drawn.trials, shades, strict=True):
        x = place_of(parameter, trial.setting[name])
        draw_trial(axis, trial, (x, trial.scores[objective]), shade, star=trial in best)
    if isinstance(parameter, Choice):
        texts = [str(encode(value)) for value in parameter.values]
        axis.set_xticks(range(len(texts)), texts)
        axis.set_xlim(-0.5, len(texts) - 0.5)
    else:
        axis.set_xscale("log" if parameter.log else "linear")
        axis.set_xlim(*widened(parameter))
    axis.set_xlabel(name, fontsize=8)
    axis.set_ylabel(drawn.objectives[objective], fontsize=8)
    axis.margins(y=0.15)
    axis.tick_params(labelsize=7)


def draw_pareto(drawn: Drawn) -> "Figure":
    """Draw the first score against the second; a line joins the Pareto front.

    The numbers are those of the trials on the front, which all meet the constraints. A
    hollow trial breaks one.
    """
    figure = make_figure(WIDTH, 2.8)
    axis = figure.subplots()
    able = [x for x in drawn.trials if x.feasible]
    kept = pareto_front([x.scores for x in able])
    front = sorted(
        (x for x, keep in zip(able, kept, strict=True) if keep),
        key=lambda x: x.scores[0],
    )
    for trial in drawn.trials:
        colour = COLOURS[0] if trial in front else "0.65"
        draw_trial(axis, trial, (trial.scores[0], trial.scores[1]), colour)
    points = [(x.scores[0], x.scores[1]) for x in front]
    axis.plot(*zip(*points, strict=True), color=COLOURS[0], linewidth=1.0, zorder=2)
    axis.set_xlabel(drawn.objectives[0], fontsize=8)
    axis.set_ylabel(drawn.objectives[1], fontsize=8)
    axis.margins(0.15)
    axis.tick_params(labelsize=7)
    figure.draw_without_rendering()  # computes the layout
    write_labels(axis, labels_of(front, points))
    return figure


def draw_trial(
    axis: "Axes",
    trial: TrialResult,
    point: tuple[float, float],
    colour: Any,
    *,
    star: bool = False,
) -> None:
    """Draw a trial; hollow if it breaks a constraint."""
    colour = STAR if star else colour
    axis.plot(
        *point,
        marker="*" if star else "o",
        markersize=9.0 if star else 4.0,
        linestyle="none",
        color=colour,
        markerfacecolor=colour if trial.feasible else "white",
        markeredgewidth=0.6,
        zorder=4 if star else 3,
        gid=f"trial-{trial.number}",
    )


def labels_of(
    trials: Sequence[TrialResult], points: Sequence[tuple[float, float]]
) -> list[Label]:
    """Return the number of each trial, at its point."""
    return [
        Label(text=str(trial.number), point=point, colour=COLOURS[0])
        for trial, point in zip(trials, points, strict=True)
    ]


def best_first(trials: Sequence[TrialResult], objective: int) -> list[TrialResult]:
    """Return trials by falling score, those that meet the constraints first."""
    return sorted(trials, key=lambda x: (not x.feasible, -x.scores[objective]))


def place_of(parameter: Choice | Range, value: Any) -> float:
    """Return where a value lies on the axis of its parameter."""
    if isinstance(parameter, Choice):
        return float([encode(x) for x in parameter.values].index(encode(value)))
    return float(value)


def widened(span: Range) -> tuple[float, float]:
    """Return the ends of an axis that shows a range with a margin."""
    if span.log:
        factor = (span.high / span.low) ** 0.06
        return span.low / factor, span.high * factor
    margin = 0.06 * (span.high - span.low)
    return span.low - margin, span.high + margin
