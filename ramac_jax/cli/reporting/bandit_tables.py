"""Tables of the bandit for a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.table import Table

from ramac_jax.cli.agents import AGENTS
from ramac_jax.cli.bandit.scoring import NUM_SAMPLES
from ramac_jax.cli.bandit.settings import RISK_LEVEL
from ramac_jax.cli.reporting.tables import cell
from ramac_jax.evaluation import Interval

COLUMNS = {
    "mean": ("mean reward", 1.0),
    "cvar": (f"CVaR_{RISK_LEVEL:g}", 1.0),
    "ring": ("ring, %", 100.0),
    "centre": ("centre, %", 100.0),
    "ood": ("OOD, %", 100.0),
}
"""Columns of a score: the title, and the factor on the number."""


def spread(values: Sequence[float]) -> Interval:
    """Return the mean, the lowest and the highest value."""
    return Interval(value=float(np.mean(values)), low=min(values), high=max(values))


def score_table(
    data: Mapping[str, float], policies: Sequence[Mapping[str, Any]]
) -> Table:
    """Show the scores of every policy: mean over seeds, lowest and highest seed."""
    size = f"{NUM_SAMPLES} samples per seed, [lowest, highest seed]"
    table = Table(title=f"The risky bandit: {size}")
    table.add_column("policy")
    for title, _ in COLUMNS.values():
        table.add_column(title, justify="right")
    cells = [f"{factor * data[k]:.2f}" for k, (_, factor) in COLUMNS.items()]
    table.add_row("data", *cells)
    for policy in policies:
        cells = [
            cell(spread([seed[name] for seed in policy["seeds"]]), factor, "\n")
            for name, (_, factor) in COLUMNS.items()
        ]
        table.add_row(AGENTS[policy["name"]].title, *cells)
    return table


def detector_table(scores: Mapping[str, Mapping[str, float]]) -> Table:
    """Show the precision and recall of each detector, and its false positives."""
    table = Table(title="Detectors of out-of-distribution actions, uniform actions, %")
    titles = ("precision", "recall", "base rate", "false positives, held-out data")
    for title in ("detector", *titles):
        table.add_column(title)
    for name, rates in scores.items():
        table.add_row(name, *(f"{100.0 * rate:.1f}" for rate in rates.values()))
    return table


def bound_table(theory: Mapping[str, Any]) -> Table:
    """Show measurements and bounds: the mean over the seeds of every policy."""
    table = Table(title="The paper's bounds: measured, bound")
    for title in ("policy", "KL", "OOD, %", "1 - exp(-KL), %", "CVaR gap", "bound"):
        table.add_column(title, justify="left" if title == "policy" else "right")
    factors = {
        "divergence": 1.0,
        "ood": 100.0,
        "ood_bound": 100.0,
        "cvar_gap": 1.0,
        "cvar_gap_bound": 1.0,
    }
    for name, seeds in theory["policies"].items():
        means = {x: np.mean([seed[x] for seed in seeds]) for x in factors}
        cells = [f"{factor * means[x]:.3g}" for x, factor in factors.items()]
        table.add_row(AGENTS[name].title, *cells)
    table.add_section()
    for name, rows in theory["leakage"].items():
        title = AGENTS[name].title if name in AGENTS else "anchors moved at random"
        for row in rows:
            leak, bound = (f"{100.0 * row[x]:.1f}" for x in ("leakage", "bound"))
            table.add_row(f"{title}, radius {row['radius']:g}", "", leak, f">= {bound}")
    return table
