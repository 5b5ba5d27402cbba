"""Figures of the risky bandit: the actions of each policy, and how they change."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.patches
import numpy as np

from ramac_jax.cli.reporting.figures.style import WIDTH, make_figure
from ramac_jax.envs.bandit import CONSTANTS, in_centre, on_ring

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours of the palette of Okabe and Ito, for colour-blind readers.
MODES = {"ring": "#0072B2", "centre": "#E69F00", "out of distribution": "#000000"}
SHOWN = 3000  # actions in a panel


def draw_panels(
    panels: Mapping[str, tuple[np.ndarray, Mapping[str, float]]], columns: int = 3
) -> "Figure":
    """Draw one panel per policy.

    Args:
      panels: title of a policy -> its actions [M, 2] and their score.
      columns: panels in a row.
    """
    rows = -(-len(panels) // columns)
    width = WIDTH / columns
    figure = make_figure(WIDTH, rows * (width + 0.24) + 0.3)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, (title, (actions, score)) in zip(axes, panels.items(), strict=False):
        scatter(axis, actions[:SHOWN])
        axis.set_title(
            f"$\\bf{{{bold(title)}}}$\n"
            f"CVaR {score['cvar']:.2f}   OOD {score['ood']:.1%}",
            fontsize=6,
            pad=2,
        )
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    legend(figure, axes[0])
    return figure


def draw_dynamics(
    rows: Mapping[str, Sequence[tuple[str, np.ndarray]]],
    shares: Mapping[str, tuple[np.ndarray, np.ndarray]],
) -> "Figure":
    """Draw the paper's Figure 2: snapshots of each policy, and shares of the modes.

    Args:
      rows: title of a policy -> (title of a snapshot, actions [M, 2]).
      shares: title of a policy -> updates with the risk term [R], and shares of ring,
        centre and gap after them [R, 3].
    """
    columns = len(next(iter(rows.values())))
    side = WIDTH / columns
    height = len(rows) * (side + 0.2) + 1.6
    figure = make_figure(WIDTH, height)
    parts: Any = figure.subfigures(2, 1, height_ratios=(height - 1.5, 1.5))
    strip, below = parts
    axes = strip.subplots(len(rows), columns, squeeze=False)
    for line, (title, snapshots) in zip(axes, rows.items(), strict=True):
        for axis, (when, actions) in zip(line, snapshots, strict=True):
            scatter(axis, actions, size=0.8)
            axis.set_title(when, fontsize=6, pad=2)
        line[0].set_ylabel(title, fontsize=7)
    curves = below.subplots(1, len(shares), sharey=True, squeeze=False)[0]
    for axis, (title, (updates, parts)) in zip(curves, shares.items(), strict=True):
        for part, (mode, colour) in zip(parts.T, MODES.items(), strict=True):
            axis.plot(updates, part, "o-", ms=2, lw=1.0, color=colour, label=mode)
        axis.set_title(title, fontsize=7, pad=2)
        axis.set_xlabel("updates with the risk term", fontsize=6.5)
        axis.tick_params(labelsize=6)
        axis.set_ylim(-0.03, 1.03)
    curves[0].set_ylabel("share of actions", fontsize=6.5)
    curves[-1].legend(fontsize=6, frameon=False)
    return figure


def scatter(axis: "Axes", actions: np.ndarray, size: float = 0.5) -> None:
    """Draw actions [M, 2], coloured by mode, and the edges of the modes."""
    ring, centre = on_ring(actions), in_centre(actions)
    masks = (ring, centre, ~ring & ~centre)
    for mask, (mode, colour) in zip(masks, MODES.items(), strict=True):
        axis.scatter(
            actions[mask, 0],
            actions[mask, 1],
            s=size,
            c=colour,
            label=mode,
            linewidths=0,
            rasterized=True,
        )
    for radius in mode_edges():
        axis.add_patch(
            matplotlib.patches.Circle(
                (0.0, 0.0), radius, fill=False, color="0.6", linewidth=0.4
            )
        )
    axis.set(xlim=(-1.05, 1.05), ylim=(-1.05, 1.05), aspect="equal")
    axis.set(xticks=(), yticks=())
    for side in axis.spines.values():
        side.set_linewidth(0.4)


def legend(figure: "Figure", axis: "Axes") -> None:
    """Draw one legend of the modes above the panels."""
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside upper center",
        ncols=3,
        markerscale=6,
        fontsize=6.5,
        frameon=False,
        handletextpad=0.2,
        columnspacing=1.0,
    )


def bold(title: str) -> str:
    """Return a title as bold mathematics of matplotlib."""
    return title.replace(" ", r"\ ").replace("-", r"\text{-}")


def mode_edges() -> tuple[float, ...]:
    """Return the radii at which the modes of the bandit begin and end."""
    reach = CONSTANTS.reach * CONSTANTS.ring_spread
    centre = CONSTANTS.reach * CONSTANTS.centre_spread
    return centre, CONSTANTS.ring_radius - reach, CONSTANTS.ring_radius + reach
