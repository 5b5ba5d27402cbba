"""The figure of the paper's bounds and the measurements on the bandit."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ramac_jax.cli.reporting.figures.style import COLOURS, WIDTH, make_figure, point

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_theory(theory: Mapping[str, Any], titles: Mapping[str, str]) -> "Figure":
    """Draw proposition 1, the stability of the CVaR and lemma 4.1, one below another.

    Args:
      theory: the entry "theory" of bandit.json.
      titles: of the policies, by name.
    """
    figure = make_figure(WIDTH, 7.2)
    first, second, third = figure.subplots(3, 1)
    policies = theory["policies"]
    draw_ood(first, policies, titles)
    draw_gap(second, policies)
    draw_leakage(third, theory["leakage"], titles)
    for axis in (first, second, third):
        axis.tick_params(labelsize=6)
        axis.xaxis.label.set_size(7)
        axis.yaxis.label.set_size(7)
        axis.title.set_size(7.5)
    figure.legend(
        *first.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=3,
        fontsize=6,
        frameon=False,
    )
    return figure


def draw_ood(
    axis: "Axes", policies: Mapping[str, Sequence[Mapping[str, Any]]], titles: Any
) -> None:
    """Draw rates of out-of-distribution actions below their bound 1 - exp(-KL)."""
    shown = np.geomspace(3e-3, 30.0, 200)
    axis.plot(shown, -np.expm1(-shown), color="black", linewidth=1.0)
    for index, (name, seeds) in enumerate(policies.items()):
        known = [(seed["divergence"], seed["ood"]) for seed in seeds]
        draw_points(axis, known, index, 30.0, titles[name])
    axis.set(xscale="log", xlabel="KL(behaviour || policy); hollow: infinite")
    axis.set(ylabel="OOD rate", title="Proposition 1: below $1 - e^{-KL}$")


def draw_points(
    axis: "Axes",
    points: Sequence[tuple[float, float]],
    index: int,
    right: float,
    label: str | None = None,
) -> None:
    """Draw a policy's points (x, y); hollow at the right edge for infinite x."""
    x, y = np.asarray(points, np.float64).T
    finite = np.isfinite(x)
    axis.plot(x[finite], y[finite], **point(index), label=label)
    beyond = np.full((~finite).sum(), right)
    axis.plot(beyond, y[~finite], **point(index), markerfacecolor="none")


def draw_gap(axis: "Axes", policies: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Draw gaps of the CVaR below their bounds."""
    for index, seeds in enumerate(policies.values()):
        known = [
            (seed["cvar_gap_bound"], max(seed["cvar_gap"], 1e-2)) for seed in seeds
        ]
        draw_points(axis, known, index, 1e3)
    ends = np.array([1e-2, 1e3])
    axis.plot(ends, ends, color="black", linewidth=1.0)
    axis.set(
        xscale="log",
        yscale="log",
        xlabel="bound; hollow: infinite",
        ylabel="gap of the CVaR",
    )
    axis.set(title=r"CVaR: gap below $\frac{M - m}{\alpha}\sqrt{KL / 2}$")


def draw_leakage(
    axis: "Axes", leakage: Mapping[str, Sequence[Mapping[str, Any]]], titles: Any
) -> None:
    """Draw the leakage of perturbed policies above its lower bound, over the radius."""
    for index, (name, rows) in enumerate(leakage.items()):
        colour = COLOURS[index % len(COLOURS)]
        seen = [row["radius"] for row in rows]
        label = titles.get(name, "anchors moved at random")
        axis.plot(
            seen, [x["leakage"] for x in rows], "o", ms=3, color=colour, label=label
        )
        axis.plot(seen, [x["bound"] for x in rows], color=colour, linewidth=1.0)
    axis.set(xlabel="radius of the perturbation", ylabel="share outside the modes")
    axis.set(title="Lemma 4.1: measured (dots) above its bound (lines)")
    axis.legend(fontsize=6, frameon=False)
