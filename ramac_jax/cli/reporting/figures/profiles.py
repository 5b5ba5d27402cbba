"""Performance profiles over several tasks (Agarwal et al., 2021)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ramac_jax.cli.reporting.figures.risk_return import OURS
from ramac_jax.cli.reporting.figures.style import WIDTH, make_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GREYS = [
    (style, shade)
    for shade in ("0.2", "0.5", "0.75")
    for style in ("-", "--", "-.", ":")
]
NUM_THRESHOLDS = 201


def scaled_scores(
    scores: Sequence[Mapping[str, Any]], name: str
) -> dict[str, np.ndarray]:
    """Return the score of every task and seed of each agent, in a unit of its task.

    In each task 0 is the mean over seeds of the worst agent, and 1 that of the best,
    both over seeds with a finite score.

    Args:
      scores: rows of scores.csv.
      name: of the column.

    A seed without a finite score counts as -inf, and a task as 0 where all are equal.
    """
    found: dict[str, list[float]] = {}
    for task in dict.fromkeys(row["task"] for row in scores):
        rows = [row for row in scores if row["task"] == task]
        agents = dict.fromkeys(row["agent"] for row in rows)
        values = {
            agent: np.array([row[name] for row in rows if row["agent"] == agent], float)
            for agent in agents
        }
        finite = [x[np.isfinite(x)] for x in values.values()]
        means = [x.mean() for x in finite if x.size] or [0.0]
        low, span = min(means), max(means) - min(means)
        for agent, own in values.items():
            units = (own - low) / span if span else np.zeros(len(own))
            units = np.where(np.isfinite(own), units, -np.inf)
            found.setdefault(agent, []).extend(units.tolist())
    return {agent: np.array(values) for agent, values in found.items()}


def draw_profiles(
    scores: Sequence[Mapping[str, Any]], name: str, title: str
) -> "Figure":
    """Draw for each agent which share of its tasks and seeds is above a score.

    Args:
      scores: rows of scores.csv.
      name: of the column.
      title: what the column is, in words.
    """
    figure = make_figure(1.7 * WIDTH, 3.6)
    axis, others = figure.subplots(), 0
    thresholds = np.linspace(-0.5, 1.5, NUM_THRESHOLDS)
    for agent, values in scaled_scores(scores, name).items():
        style, colour = "-", OURS.get(agent)
        if colour is None:
            style, colour = GREYS[others % len(GREYS)]
            others += 1
        share = (values[:, None] > thresholds[None, :]).mean(axis=0)
        width = 1.8 if agent in OURS else 0.9
        axis.plot(thresholds, share, style, color=colour, linewidth=width, label=agent)
    axis.set_xlabel(f"{title}; 0: worst agent of the task, 1: best", fontsize=8)
    axis.set_ylabel("share of tasks and seeds above", fontsize=8)
    axis.tick_params(labelsize=7)
    figure.legend(loc="outside right center", fontsize=6, frameon=False)
    return figure
