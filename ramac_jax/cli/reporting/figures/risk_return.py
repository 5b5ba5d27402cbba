"""The mean return of runs, or of settings of one run, against their CVaR."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ramac_jax.cli.reporting.figures.labels import Label, write_labels
from ramac_jax.cli.reporting.figures.style import WIDTH, make_figure, point, reach

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LETTERS = 66  # of a line of the legend, the markers of its columns included
MARKER = 8  # letters that a marker and the space around it take
LONGEST = 32  # letters of a name that is written next to its point
SHORT = 24  # letters of a name that a narrow figure has room for
OURS = {"radac": "#D55E00", "rafmac": "#0072B2", "rafmac-distilled": "#009E73"}
"""Colours of the paper's methods; other agents next to them are grey."""
EPISODES, SEEDS = "of all returns", "of each seed's returns, mean over seeds"
"""What a CVaR is of."""


def draw_risk_return(
    points: Sequence[tuple[str, Mapping[str, Any]]],
    level: float,
    title: str = "",
    cvar: tuple[str, str] = ("pooled_cvar", EPISODES),
) -> "Figure":
    """Draw mean against CVaR with 95 % confidence intervals; best is top right.

    Names stand next to their points; long ones are in a legend. Where RADAC or RAFMAC
    are among other agents, they alone have colours.

    Args:
      points: names, and the figures of each, "mean" and a CVaR; one without them, whose
        episodes all failed, is left out.
      level: of the CVaR.
      title: of the figure.
      cvar: the name of the CVaR among the figures, and what it is of.
    """
    column, source = cvar
    pairs = [(name, figures["mean"], figures[column]) for name, figures in points]
    known = [(i, *x) for i, x in enumerate(pairs) if is_known(*x[1:])]
    longest = max(len(name) for name, _ in points)
    columns = min(max(LETTERS // (longest + MARKER), 1), 3)
    lines = -(-len(points) // columns) if longest > LONGEST else 0
    wide = longest <= LONGEST and (len(points) > 7 or longest > SHORT)
    width, height = (1.7 * WIDTH, 4.4) if wide else (WIDTH, 2.7 + 0.13 * lines)
    figure = make_figure(width, height)
    axis = figure.subplots()
    labels = [
        draw_point(axis, name, y, x, style)
        for (_, name, y, x), style in zip(known, styles(known), strict=True)
    ]
    axis.set_xlabel(f"CVaR$_{{{level:g}}}$ {source}", fontsize=8)
    axis.set_ylabel("mean return", fontsize=8)
    axis.set_title(title, fontsize=8)
    axis.tick_params(labelsize=7)
    if not lines:
        figure.draw_without_rendering()  # computes the layout
        write_labels(axis, labels)
    elif labels:
        figure.legend(
            *axis.get_legend_handles_labels(),
            loc="outside lower center",
            ncols=columns,
            fontsize=6,
            frameon=False,
        )
    return figure


def is_known(mean: Mapping[str, Any], cvar: Mapping[str, Any]) -> bool:
    """Whether both figures have values."""
    return None not in (mean["value"], cvar["value"])


def styles(known: Sequence[tuple[int, str, Any, Any]]) -> list[dict[str, Any]]:
    """Return how each point is drawn: number, name and figures of each."""
    ours = [OURS.get(name.partition(",")[0]) for _, name, _, _ in known]
    if all(ours) or not any(ours):
        return [point(index) for index, *_ in known]
    return [
        point(index)
        | ({"color": "0.55"} if own is None else {"color": own, "markersize": 7})
        for (index, *_), own in zip(known, ours, strict=True)
    ]


def draw_point(
    axis: "Axes",
    name: str,
    y: Mapping[str, Any],
    x: Mapping[str, Any],
    style: Mapping[str, Any],
) -> Label:
    """Draw a point with its intervals; return its label."""
    axis.errorbar(
        x["value"],
        y["value"],
        xerr=reach(x),
        yerr=reach(y),
        ecolor=(style["color"], 0.45),
        elinewidth=0.7,
        capsize=1.5,
        label=name.replace("$", r"\$"),
        zorder=4 if style["color"] in OURS.values() else 3,
        **style,
    )
    return Label(name.replace("$", r"\$"), (x["value"], y["value"]), style["color"])
