"""The tables of the command."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

Found = Mapping[str, Any]
"""What `benchmarks.peers.comparison.compare` returns."""


def ratio_table(found: Found, population: int) -> Table:
    """Return the ratios ours / theirs, pair by pair."""
    table = Table(title=f"{found['case']}: agent-updates/s, ours / {found['peer']}")
    for title in ("ours", "median", "range", "pairs"):
        table.add_column(title)
    for name, title in (
        ("ratio", "one agent"),
        ("population_ratio", f"population of {population}"),
    ):
        low, high = found[f"{name}_range"]
        pairs = " ".join(f"{x:.2f}" for x in found[f"{name}_pairs"])
        table.add_row(title, f"{found[name]:.2f}", f"[{low:.2f}, {high:.2f}]", pairs)
    return table


def agent_table(found: Found) -> Table:
    """Return what each agent does and has."""
    table = Table()
    titles = "agent", "updates/s", "ms/update", "ms/action", "GFLOP"
    for title in (*titles, "actor", "critics", "version"):
        table.add_column(title, justify="left" if title == "agent" else "right")
    for name, agent in found["agents"].items():
        sizes = agent["parameters"]
        title = found["peer"] if name == "theirs" else f"{found['case']}, {name}"
        table.add_row(
            title,
            f"{agent['updates_per_s']:.3g}",
            f"{agent['ms_per_update']:.3g}",
            number(agent.get("ms_per_action")),
            number(agent["gigaflop"]),
            *(f"{sizes[part]:,}" for part in ("actor", "critics")),
            agent.get("commit", "")[:7],
        )
    return table


def number(value: float | None) -> str:
    """Return a number, or "-" where there is none."""
    return "-" if value is None else f"{value:.3g}"
