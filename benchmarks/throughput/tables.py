"""The table and the figure of a measurement."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from rich.table import Table

from ramac_jax.cli.reporting.figures.style import WIDTH, point

COLUMNS = {
    "agents": "agents",
    "updates_per_s": "updates/s",
    "agent_updates_per_s": "agent-\nupdates/s",
    "times_one_agent": "/ one\nagent",
    "compile_s": "compile\ns",
    "megabytes": "MB",
    "gigaflop_per_s": "GFLOP/s",
    "share_of_matrix_rate": "share of\nmatrix rate",
    "share_of_shapes_rate": "of shapes'\nrates",
    "share_of_best_rate": "share of\nbest rate",
    "gigabytes_per_s": "GB/s",
    "share_of_copy_rate": "share of\ncopy rate",
}
SPREAD = ("updates_per_s", "share_of_matrix_rate")  # columns with a range


def case_table(name: str, found: Mapping[str, Any]) -> Table:
    """Return a table of the populations of a case."""
    shape = "x".join(map(str, found["matrix_shape"]))
    title = (
        f"{name}: {found['gigaflop_per_update']:.3g} GFLOP per update by hand, "
        f"{found['gigaflop_per_update_by_xla']:.3g} by XLA, "
        f"{found['gigabytes_per_update']:.3g} GB read and written\n"
        f"machine: {found['matrix_gigaflop_per_s']:.3g} GFLOP/s at {shape}, "
        f"{found['best_gigaflop_per_s']:.3g} at best, "
        f"{found['copied_gigabytes_per_s']:.3g} GB/s copied"
    )
    table = Table(title=title)
    for column in COLUMNS.values():
        table.add_column(column, justify="right", no_wrap=True)
    for row in found["populations"]:
        table.add_row(*(cell(row, name) for name in COLUMNS))
    return table


def cell(row: Mapping[str, Any], name: str) -> str:
    """Return a number of a row, with its range on a second line for `SPREAD`."""
    if name not in row:
        return "-"
    text = short(row[name])
    if name in SPREAD:
        low, high = row[f"{name}_range"]
        text += f"\n[{short(low)}, {short(high)}]"
    return text


def short(value: float) -> str:
    """Format a number with three digits and without an exponent."""
    return f"{value:.0f}" if abs(value) >= 100.0 else f"{value:.3g}"


def draw_scaling(cases: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw agent-updates/s, relative to one agent, over the number of agents.

    There is a line for each case. Bars are the range over the rounds.
    """
    lines = -(-len(cases) // 3)
    figure = Figure(figsize=(WIDTH, 2.1 + 0.13 * lines), layout="constrained")
    axis = figure.subplots()
    for index, (name, found) in enumerate(cases.items()):
        rows = found["populations"]
        times = [row["times_one_agent"] for row in rows]
        ends = [row["times_one_agent_range"] for row in rows]
        reach = [(x - a, b - x) for x, (a, b) in zip(times, ends, strict=True)]
        axis.errorbar(
            [row["agents"] for row in rows],
            times,
            yerr=list(zip(*reach, strict=True)),
            label=name,
            **(point(index) | {"linestyle": "-", "markersize": 3.5}),
            linewidth=1.0,
            elinewidth=0.6,
        )
    axis.set_xscale("log", base=2)
    sizes = sorted({row["agents"] for x in cases.values() for row in x["populations"]})
    axis.set_xticks(sizes, [str(size) for size in sizes])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_ylim(bottom=0.0)
    axis.set_xlabel("agents", fontsize=8)
    axis.set_ylabel("agent-updates/s\n(one agent = 1)", fontsize=8)
    axis.tick_params(labelsize=7)
    axis.grid(alpha=0.3, linewidth=0.5)
    figure.legend(loc="outside lower center", ncols=3, fontsize=7, frameon=False)
    return figure
