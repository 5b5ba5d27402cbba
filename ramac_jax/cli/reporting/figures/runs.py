"""Figures of runs on a task: learning curves, returns and risk."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ramac_jax.cli.reporting.figures.style import COLOURS, WIDTH, cycle, make_figure
from ramac_jax.cli.runs.records import Scored
from ramac_jax.tasks import QUANTITIES, Hazard

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TALLEST = 8.0  # inches of the rows of a figure


def draw_learning(
    metrics: Sequence[Mapping[str, str]],
    evaluations: Sequence[Mapping[str, str]],
) -> "Figure":
    """Draw the rows of metrics.csv and evaluations.csv over updates, a line per seed.

    A thick line is the mean over the seeds.
    """
    panels = [(metrics, name) for name in ("bc_loss", "critic_loss", "risk_value")]
    if evaluations:
        panels += [(evaluations, name) for name in ("mean", "cvar", "risky_share")]
    rows = 2 if evaluations else 1
    figure = make_figure(2.2 * WIDTH, 1.7 * rows)
    axes = figure.subplots(rows, 3, squeeze=False).ravel()
    for axis, (table, name) in zip(axes, panels, strict=True):
        seeds = sorted({int(row["seed"]) for row in table})
        curves = [[r for r in table if int(r["seed"]) == seed] for seed in seeds]
        steps = [int(row["step"]) for row in curves[0]]
        values = np.array([[float(r[name]) for r in curve] for curve in curves])
        axis.plot(steps, values.T, color=COLOURS[0], linewidth=0.6, alpha=0.5)
        axis.plot(steps, mean_of_finite(values), color=COLOURS[0], linewidth=1.6)
        axis.set_title(name.replace("_", " "), fontsize=9)
        axis.tick_params(labelsize=7)
        axis.ticklabel_format(axis="x", style="sci", scilimits=(0, 4))
        axis.xaxis.get_offset_text().set_fontsize(7)
    for axis in axes[-3:]:
        axis.set_xlabel("updates", fontsize=8)
    return figure


def draw_returns(runs: Sequence[Scored], risk_level: float) -> "Figure":
    """Draw the histogram of each run's episode returns, with the mean and the CVaR.

    Args:
      runs: with the CVaRs in their summaries.
      risk_level: of these CVaRs.
    """
    height = min(len(runs), TALLEST)
    figure = make_figure(WIDTH, 0.5 + height)
    axes = figure.subplots(len(runs), 1, sharex=True, squeeze=False).ravel()
    finite = [run.episodes.returns[np.isfinite(run.episodes.returns)] for run in runs]
    edges = np.histogram_bin_edges(np.concatenate(finite), bins=40)
    for axis, run, returns, colour in zip(axes, runs, finite, cycle(runs), strict=True):
        axis.hist(returns, bins=edges, color=colour)
        if returns.size:
            tail, mean = run.summary["pooled_cvar"]["value"], returns.mean()
            label = f"CVaR$_{{{risk_level:g}}}$ {tail:.0f}"
            axis.axvline(tail, color="black", linewidth=1.2, label=label)
            label = f"mean {mean:.0f}"
            axis.axvline(mean, color="black", linewidth=1.2, ls=":", label=label)
            axis.legend(fontsize=6, frameon=False, loc="upper left")
        axis.set_title(run.name, fontsize=8, loc="left", pad=2)
        axis.tick_params(labelsize=7)
        axis.set_ylabel("episodes", fontsize=7)
    axes[-1].set_xlabel("return of an episode", fontsize=8)
    return figure


def draw_calibration(predicted: np.ndarray, observed: np.ndarray) -> "Figure":
    """Draw predicted against observed quantiles of the discounted return, both [N].

    A critic that is right lies on the diagonal.
    """
    figure = make_figure(WIDTH, WIDTH)
    axis = figure.subplots()
    both = np.concatenate([predicted, observed])
    ends = [both.min(), both.max()]
    axis.plot(ends, ends, color="black", linewidth=0.8, ls=":")
    axis.plot(observed, predicted, color=COLOURS[0], linewidth=1.6)
    tenth = len(observed) // 10
    axis.plot(observed[:tenth], predicted[:tenth], color=COLOURS[1], linewidth=2.4)
    axis.set_xlabel("quantile of the episodes", fontsize=8)
    axis.set_ylabel("quantile that the critics predict", fontsize=8)
    axis.set_title("discounted return; thick: the worst tenth", fontsize=8)
    axis.tick_params(labelsize=7)
    return figure


def draw_monitored(runs: Sequence[Scored], hazard: Hazard) -> "Figure":
    """Draw the distribution of the monitored quantity, with the risky range shaded.

    This is the paper's Figure 4. The paper's half violins hide the tails, so each run
    has a row of its own here, on a common scale.
    """
    height = min(0.8 * len(runs), TALLEST)
    figure = make_figure(WIDTH, 0.5 + height)
    axes = figure.subplots(len(runs), 1, sharex=True, squeeze=False).ravel()
    values = [
        run.episodes.monitored[np.isfinite(run.episodes.monitored)] for run in runs
    ]
    bounds = [x for x in (hazard.low, hazard.high) if np.isfinite(x)]
    ends = [np.quantile(x, (0.001, 0.999)) for x in values if x.size]
    shown = np.concatenate([bounds, *ends]) if bounds or ends else np.zeros(1)
    low, high = shown.min(), shown.max()
    margin = 0.05 * (high - low) or 1.0
    edges = np.linspace(low - margin, high + margin, 81)
    for axis, run, seen, colour in zip(axes, runs, values, cycle(runs), strict=True):
        if seen.size:
            axis.hist(seen, bins=edges, color=colour, density=True)
        for start, stop in ((edges[0], hazard.low), (hazard.high, edges[-1])):
            if start < stop:
                axis.axvspan(start, stop, color="#D55E00", alpha=0.15, linewidth=0)
        share = run.summary["risky_share"]["value"]
        risky = "" if share is None else f": {share:.1%} of steps risky"
        axis.set_title(f"{run.name}{risky}", fontsize=8, loc="left", pad=2)
        axis.set(xlim=(edges[0], edges[-1]), yticks=())
        axis.tick_params(labelsize=7)
    unit = QUANTITIES[hazard.quantity]
    axes[-1].set_xlabel(f"{hazard.quantity} ({unit}); shaded: risky", fontsize=8)
    return figure


def mean_of_finite(values: np.ndarray) -> np.ndarray:
    """Return the mean [M] of the finite values of rows [P, M]; NaN without any."""
    finite = np.isfinite(values)
    count = finite.sum(axis=0)
    total = np.where(finite, values, 0.0).sum(axis=0)
    return np.where(count, total / np.maximum(count, 1), np.nan)
