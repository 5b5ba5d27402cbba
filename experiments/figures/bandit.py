"""The risky bandit: where the actions of each policy lie."""

from pathlib import Path

import matplotlib.patches
import numpy as np
from matplotlib.figure import Figure

from ramac_jax.tasks.bandit import CONSTANTS, in_centre, on_ring

# Okabe and Ito's palette: told apart by colour-blind readers, and by lightness too.
MODES = {"ring": "#0072B2", "centre": "#E69F00", "out of distribution": "#000000"}
TITLES = {  # every policy of the bandit, in the order of tables and panels
    "bc-diffusion": "Behaviour cloning, diffusion",
    "bc-flow": "Behaviour cloning, flow",
    "neutral": "Risk-neutral diffusion",
    "radac": "RADAC",
    "rafmac": "RAFMAC",
}


def save_bandit_figure(
    path: Path,
    panels: dict[str, tuple[np.ndarray, dict[str, float]]],
    risk_level: float,
) -> None:
    """Draw one panel per policy: title to actions [M, 2] and their score."""
    figure = Figure(figsize=(9.0, 7.2), layout="constrained")
    axes = figure.subplots(2, 3, sharex=True, sharey=True).ravel()
    for axis, (title, (actions, score)) in zip(axes, panels.items(), strict=True):
        ring, centre = on_ring(actions), in_centre(actions)
        masks = (ring, centre, ~ring & ~centre)
        for mask, (mode, colour) in zip(masks, MODES.items(), strict=True):
            axis.scatter(*actions[mask].T, s=2.0, c=colour, label=mode, rasterized=True)
        for radius in mode_edges():
            axis.add_patch(
                matplotlib.patches.Circle(
                    (0.0, 0.0), radius, fill=False, color="0.6", linewidth=0.6
                )
            )
        axis.set_title(
            f"{title}\n"
            f"mean {score['mean']:.2f}   "
            f"CVaR$_{{{risk_level:g}}}$ {score['cvar']:.2f}\n"
            f"ring {score['ring']:.0%}   centre {score['centre']:.0%}   "
            f"ood {score['ood']:.1%}",
            fontsize=10,
        )
        axis.set(xlim=(-1.05, 1.05), ylim=(-1.05, 1.05), aspect="equal")
        axis.set(xticks=(-1, 0, 1), yticks=(-1, 0, 1))
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside upper center",
        ncols=3,
        markerscale=5,
        frameon=False,
    )
    figure.savefig(path, dpi=150)


def mode_edges() -> tuple[float, ...]:
    """The radii at which the modes of the bandit begin and end."""
    reach = CONSTANTS.reach * CONSTANTS.ring_spread
    centre = CONSTANTS.reach * CONSTANTS.centre_spread
    return centre, CONSTANTS.ring_radius - reach, CONSTANTS.ring_radius + reach
