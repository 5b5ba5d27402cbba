"""What a comparison of agents tells: rows of figures, and the tables of them."""

import functools
import math
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from rich.markup import escape
from rich.table import Table

from experiments.options import CONFIGS
from experiments.tables import cell, known, pipes
from ramac_jax.populations import Interval, mean_interval

COLUMNS = {
    "mean": ("mean", 1.0),
    "cvar": ("CVaR", 1.0),
    "risky_share": ("risky, %", 100.0),
    "ood_nearest": ("OOD by neighbour, %", 100.0),
    "ood_density": ("OOD by density, %", 100.0),
    "ood": ("truly OOD, %", 100.0),
}
"""Every figure that a row may have: its title, and the unit in which it is told."""
PAPER = {"mean": "mean", "cvar": "CVaR", "ood": "OOD, %"}
WHY_OTHERS = (
    "The paper's figures stand there for orientation and cannot be equal to ours: they "
    "come of other data (D4RL's), of penalties drawn by an unseeded generator, of "
    "other versions of the robots and the simulator, of 2,000,000 updates, and of 10 "
    "episodes for each of 5 seeds, where a CVaR_0.1 is the single worst episode; what "
    "its OOD rate was calibrated on is not known."
)


class Row(NamedTuple):
    """An agent on a task."""

    task: str
    agent: str
    figures: dict[str, Interval]  # some of COLUMNS
    num_seeds: int
    frozen: int = 0  # seeds that diverged


def run_row(
    task: str,
    agent: str,
    summary: Mapping[str, Any],
    ood: Mapping[str, np.ndarray],
    frozen: int,
) -> Row:
    """The row of a run: its evaluation's summary, and its OOD rates [P] by detector."""
    names = {"mean": "mean", "cvar": "pooled_cvar", "risky_share": "risky_share"}
    nan = math.nan
    figures = {
        name: Interval(*(nan if x is None else x for x in summary[told].values()))
        for name, told in names.items()
    }
    figures |= {f"ood_{name}": share_interval(x) for name, x in ood.items()}
    return Row(task, agent, figures, summary["num_seeds"], frozen)


def share_interval(values: np.ndarray) -> Interval:
    """Mean of the shares of each seed with Student's interval, within [0, 1]."""
    return Interval(*(min(max(x, 0.0), 1.0) for x in mean_interval(values)))


@functools.cache
def paper_figures() -> dict[str, dict[str, dict[str, float]]]:
    """What the paper's authors report: task -> agent -> mean, cvar and maybe ood."""
    return tomllib.loads((CONFIGS / "paper.toml").read_text())


def columns_of(rows: Sequence[Row]) -> list[str]:
    """The figures that any of the rows has, in the order of COLUMNS."""
    return [name for name in COLUMNS if any(name in row.figures for row in rows)]


def titles(names: Sequence[str], level: float) -> list[str]:
    """The columns' titles, the level with the CVaR."""
    return [COLUMNS[x][0].replace("CVaR", f"CVaR {level:g}") for x in names]


def figures_of(row: Row, names: Sequence[str], between: str = " ") -> list[str]:
    """The cells of a row."""
    return [
        cell(row.figures[name], COLUMNS[name][1], between)
        if name in row.figures
        else "-"
        for name in names
    ]


def label(row: Row) -> str:
    """The agent, and how many of its seeds diverged."""
    frozen = f" ({row.frozen} of {row.num_seeds} diverged)" if row.frozen else ""
    return f"{row.agent}{frozen}"


def markdown(rows: Sequence[Row], level: float) -> str:
    """The table of one task; beside it what the paper tells of the agents."""
    names, told = columns_of(rows), paper_figures().get(rows[0].task, {})
    head = ["agent", *titles(names, level)]
    if told:
        head += [f"paper: {title}" for title in PAPER.values()]
    lines = []
    for row in rows:
        line = [label(row), *figures_of(row, names)]
        if told:
            theirs = told.get(row.agent, {})
            line += [f"{theirs[x]:g}" if x in theirs else "-" for x in PAPER]
        lines.append(line)
    return pipes(head, lines)


def terminal(rows: Sequence[Row], level: float) -> Table:
    """The table of one task, for a terminal."""
    names = columns_of(rows)
    table = Table(title=f"{rows[0].task}, value [95 % interval]")
    table.add_column("agent")
    for title in titles(names, level):
        table.add_column(title, justify="right")
    for row in rows:
        table.add_row(
            escape(label(row)), *(escape(x) for x in figures_of(row, names, "\n"))
        )
    return table


def to_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows as strict JSON can hold them, None for what is not known."""
    return [
        row._asdict()
        | {"figures": {name: known(x) for name, x in row.figures.items()}}
        | {"paper": paper_figures().get(row.task, {}).get(row.agent)}
        for row in rows
    ]
