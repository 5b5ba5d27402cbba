"""What a comparison of agents tells: rows of figures, and the tables of them."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from rich.markup import escape
from rich.table import Table

from ramac_jax.cli.options.presets import read_table
from ramac_jax.cli.reporting.tables import cell, known, pipes
from ramac_jax.population import Interval, mean_interval

BANDIT = "bandit"
RESULTS = {
    "mean": ("mean", 1.0),
    "cvar": ("CVaR", 1.0),
    "risky_share": ("risky, %", 100.0),
}
OOD = {
    "ood_nearest": ("by neighbour, %", 100.0),
    "ood_density": ("by density, %", 100.0),
    "ood": ("in truth, %", 100.0),
}
"""Figures of either table: the title, and the unit in which it is told."""
PAPER = {"mean": "paper: mean", "cvar": "paper: CVaR 0.1", "ood": "paper, %"}
WHY_OTHERS = (
    "The paper's figures stand there for orientation and cannot be equal to ours: they "
    "come of other data (D4RL's), of penalties drawn by an unseeded generator, of "
    "other versions of the robots and the simulator, of 2,000,000 updates, and of 10 "
    "episodes for each of 5 seeds, where a CVaR_0.1 is the single worst episode. The "
    "horizon of an episode is that of the authors' release, which may not be the "
    "paper's, and what its OOD rate was calibrated on is not known."
)


class Row(NamedTuple):
    """An agent on a task."""

    task: str
    agent: str
    figures: dict[str, Interval]  # some of RESULTS and OOD
    num_seeds: int
    frozen: int = 0  # seeds that diverged


def run_row(
    task: str,
    agent: str,
    worth: Mapping[str, np.ndarray],
    rates: Mapping[str, np.ndarray],
    frozen: int,
) -> Row:
    """The row of a run: what each seed's episodes are worth, and its OOD rates [P]."""
    figures = {name: mean_interval(worth[name]) for name in ("mean", "cvar")}
    figures["risky_share"] = share_interval(worth["risky_share"])
    figures |= {f"ood_{name}": share_interval(x) for name, x in rates.items()}
    return Row(task, agent, figures, len(worth["mean"]), frozen)


def bandit_row(policy: Mapping[str, Any]) -> Row:
    """The row of an agent of the bandit, where the ring is what is risky."""
    seeds = policy["seeds"]
    columns = {name: np.array([seed[name] for seed in seeds]) for name in seeds[0]}
    figures = {name: mean_interval(columns[name]) for name in ("mean", "cvar")}
    figures["risky_share"] = share_interval(columns["ring"])
    figures |= {name: share_interval(columns[name]) for name in OOD}
    return Row(BANDIT, policy["name"], figures, len(seeds), len(policy["diverged"]))


def share_interval(values: np.ndarray) -> Interval:
    """Mean of the shares of each seed with Student's interval, within [0, 1]."""
    return Interval(*(min(max(x, 0.0), 1.0) for x in mean_interval(values)))


@functools.cache
def paper_figures() -> dict[str, dict[str, dict[str, float]]]:
    """What the paper's authors report: task -> agent -> mean, cvar and maybe ood."""
    return read_table("paper.toml")


def table_of(
    rows: Sequence[Row], columns: Mapping[str, tuple[str, float]], level: float
) -> list[list[str]]:
    """Some figures of one task, titles first; the paper's of the same beside them."""
    names = [name for name in columns if any(name in row.figures for row in rows)]
    told = paper_figures().get(rows[0].task, {})
    theirs = [x for x in PAPER if x in columns and any(x in of for of in told.values())]
    titles = [columns[name][0].replace("CVaR", f"CVaR {level:g}") for name in names]
    table = [["agent", *titles, *(PAPER[x] for x in theirs)]]
    for row in rows:
        figures = [
            cell(row.figures[name], columns[name][1]) if name in row.figures else "-"
            for name in names
        ]
        paper = told.get(row.agent, {})
        frozen = f" ({row.frozen} of {row.num_seeds} diverged)" if row.frozen else ""
        beside = [f"{paper[x]:g}" if x in paper else "-" for x in theirs]
        table.append([f"{row.agent}{frozen}", *figures, *beside])
    return table


def markdown(rows: Sequence[Row], level: float) -> str:
    """The tables of one task: results, then how often actions leave the data."""
    parts = []
    for title, columns in (("Results", RESULTS), ("Out of distribution", OOD)):
        head, *lines = table_of(rows, columns, level)
        parts += [f"{title}:", pipes(head, lines)]
    return "\n\n".join(parts)


def terminal(rows: Sequence[Row], level: float) -> Table:
    """The results of one task, for a terminal."""
    head, *lines = table_of(rows, RESULTS, level)
    table = Table(title=f"{rows[0].task}, value [95 % interval]")
    for title in head:
        table.add_column(title, justify="left" if title == "agent" else "right")
    for line in lines:
        table.add_row(*map(escape, line))
    return table


def to_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows as strict JSON can hold them, None for what is not known."""
    return [
        row._asdict()
        | {"figures": {name: known(x) for name, x in row.figures.items()}}
        | {"paper": paper_figures().get(row.task, {}).get(row.agent)}
        for row in rows
    ]


def page(
    rows: Sequence[Row],
    false_positives: Mapping[str, Mapping[str, float]],
    level: float,
    command: str,
) -> str:
    """comparison.md: the tables of every task, and how to read them.

    Args:
      rows: of every task.
      false_positives: task -> detector -> its false-positive rate.
      level: of the CVaR.
      command: that makes the page again.
    """
    parts = ["# Comparison", f"`{command}`"]
    for task in dict.fromkeys(row.task for row in rows):
        of_task = [row for row in rows if row.task == task]
        parts += [f"## {task}", markdown(of_task, level)]
        rates = ", ".join(f"{k} {x:.1%}" for k, x in false_positives[task].items())
        parts.append(f"False-positive rate on the data's own actions: {rates}.")
    parts.append(
        "Every figure is the mean over the seeds of each one's own, in brackets "
        "Student's 95 % interval over the seeds. Risky: on robots the share of steps, "
        "on the bandit that of actions on the ring. Out of distribution: of one action "
        "at each state of episodes that the detectors had not seen, though the agents "
        "had, by `ramac_jax.evaluation.nearest_detector` and `density_detector`."
    )
    if any(row.task in paper_figures() for row in rows):
        parts.append(WHY_OTHERS)
    return "\n\n".join(parts) + "\n"
