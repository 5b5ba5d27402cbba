"""Tables of a comparison of agents."""

import functools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from ramac_jax.cli.options.presets import read_table
from ramac_jax.cli.reporting.figures.risk_return import SEEDS, draw_risk_return
from ramac_jax.cli.reporting.tables import (
    booktabs,
    cell,
    pipes,
    rounded,
    size_note,
)
from ramac_jax.cli.runs.comparison import Row
from ramac_jax.evaluation.intervals import OVER_SEEDS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
"""Columns of the two tables: the title, and the factor on the number."""
PAPER = {"mean": "paper: mean", "cvar": "paper: CVaR 0.1", "ood": "paper, %"}
PAPER_NOTE = (
    "The paper's numbers are for orientation and cannot be equal to ours: they result "
    "from other data (D4RL's), penalties of an unseeded generator, other versions of "
    "the robots and the simulator, 2,000,000 updates, and 10 episodes for each of 5 "
    "seeds, so that CVaR_0.1 is the single worst episode, which is too high on average "
    "(by .2 standard deviations of normal returns). The horizon of an episode is "
    "that of the authors' release, which may differ from the paper's. Which data "
    "calibrated the paper's OOD rate is unknown."
)
HOPPER_NOTE = (
    "On hopper-medium-expert the authors' page had 131 and -167 for RADAC on "
    "2026-06-15, and 1278 and 801 ten days later, when the hazard of their code had "
    "changed; no figure of a baseline changed. So RADAC's figures and those of the "
    "baselines most likely belong to different tasks."
)
"""What is known of the paper's row of RADAC on the hopper."""


@functools.cache
def paper_figures() -> dict[str, dict[str, dict[str, float]]]:
    """Return the paper's numbers: task -> agent -> mean, cvar and, for some, ood."""
    return read_table("paper.toml")


def table_of(
    rows: Sequence[Row], columns: Mapping[str, tuple[str, float]], level: float
) -> list[list[str]]:
    """Return the titles and rows of one task, with the paper's numbers last."""
    names = [name for name in columns if any(name in row.figures for row in rows)]
    paper = paper_figures().get(rows[0].task, {})
    shown = [x for x in PAPER if x in columns and any(x in y for y in paper.values())]
    titles = [columns[name][0].replace("CVaR", f"CVaR {level:g}") for name in names]
    table = [["agent", *titles, *(PAPER[x] for x in shown)]]
    for row in rows:
        figures = [
            cell(row.figures[name], columns[name][1]) if name in row.figures else "-"
            for name in names
        ]
        reported = paper.get(row.agent, {})
        last = [f"{reported[x]:g}" if x in reported else "-" for x in shown]
        table.append([title_of(row), *figures, *last])
    return table


def title_of(row: Row) -> str:
    """Return the agent of a row, how it acts, and how many seeds diverged."""
    name = f"{row.agent}, {row.acting}" if row.acting else row.agent
    return f"{name} ({row.frozen} of {row.num_seeds} diverged)" if row.frozen else name


def draw(rows: Sequence[Row], level: float) -> "Figure":
    """Draw mean against CVaR of the rows of one task, as in their table."""
    names = [title_of(row) for row in rows]
    figures = [{k: x.to_json() for k, x in row.figures.items()} for row in rows]
    points = [*zip(names, figures, strict=True)]
    return draw_risk_return(points, level, rows[0].task, ("cvar", SEEDS))


def markdown(rows: Sequence[Row], level: float) -> str:
    """Return the tables of one task in Markdown: results, then OOD rates."""
    parts = []
    for title, columns in (("Results", RESULTS), ("Out of distribution", OOD)):
        head, *lines = table_of(rows, columns, level)
        parts += [f"{title}:", pipes(head, lines)]
    parts += [f"Note: {note}." for note in notes(rows)]
    return "\n\n".join(parts)


def notes(rows: Sequence[Row]) -> list[str]:
    """Return what a reader of the CVaRs of one task must know."""
    sizes = [(row.agent, f"{row.num_seeds} x {row.num_episodes}") for row in rows]
    return size_note(rows[0].task, sizes)


def terminal(rows: Sequence[Row], level: float) -> Table:
    """Return the results of one task for a terminal."""
    head, *lines = table_of(rows, RESULTS, level)
    table = Table(
        title=f"{rows[0].task}, value [95 % over seeds]",
        caption="\n".join(f"note: {escape(note)}" for note in notes(rows)) or None,
        caption_justify="left",
    )
    for title in head:
        table.add_column(title, justify="left" if title == "agent" else "right")
    for line in lines:
        table.add_row(*map(escape, line))
    return table


def to_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the rows for strict JSON, with None for unknown numbers."""
    return [
        row._asdict()
        | {"figures": {name: x.to_json() for name, x in row.figures.items()}}
        | {"scores": [{k: known(x) for k, x in y.items()} for y in row.scores]}
        | {"paper": paper_figures().get(row.task, {}).get(row.agent)}
        for row in rows
    ]


def known(value: Any) -> Any:
    """Return None for NaN and infinity, and any other value as it is."""
    return value if not isinstance(value, float) or math.isfinite(value) else None


def latex(rows: Sequence[Row], level: float) -> str:
    """Return the figures of every task in one table in LaTeX, for booktabs."""
    columns = RESULTS | OOD
    names = [name for name in columns if any(name in row.figures for row in rows)]
    numbers = [
        [
            rounded(row.figures[x].to_json(), columns[x][1])
            if x in row.figures
            else ["-"]
            for x in names
        ]
        for row in rows
    ]
    words = [[row.task, title_of(row)] for row in rows]
    titles = [columns[x][0].replace("CVaR", f"CVaR {level:g}") for x in names]
    above = [f"Note: {note}" for of_task in by_task(rows) for note in notes(of_task)]
    above.append(f"Brackets: {OVER_SEEDS}")
    return booktabs(["task", "agent", *titles], zip(words, numbers, strict=True), above)


def by_task(rows: Sequence[Row]) -> list[list[Row]]:
    """Return the rows of each task."""
    tasks = dict.fromkeys(row.task for row in rows)
    return [[row for row in rows if row.task == task] for task in tasks]


def page(
    rows: Sequence[Row],
    false_positives: Mapping[str, Mapping[str, float]],
    level: float,
    command: str,
    joined: Sequence[str],
) -> str:
    """Return comparison.md: the tables of every task, and their explanation.

    Args:
      rows: of every task.
      false_positives: task -> detector -> false-positive rate.
      level: of the CVaR.
      command: that repeats the comparison.
      joined: folders of other comparisons that some rows are from.
    """
    parts = ["# Comparison", f"`{command}`"]
    if joined:
        parts.append(f"Some rows are those of other comparisons: {', '.join(joined)}.")
    for of_task in by_task(rows):
        task = of_task[0].task
        parts += [f"## {task}", markdown(of_task, level)]
        if tuned := [row.tune_factors for row in of_task if row.tune_factors]:
            tried = ", ".join(f"{x:g}" for x in tuned[0])
            parts.append(
                f"Weights tried: {tried} times the agent's own before any task is "
                "tuned."
            )
        rates = ", ".join(f"{k} {x:.1%}" for k, x in false_positives[task].items())
        parts.append(f"False-positive rate on the data's own actions: {rates}.")
    parts.append(
        f"Every number is the mean over the seeds; brackets: {OVER_SEEDS}. CVaR: of "
        "each seed's own episodes, by `ramac_jax.evaluation.corrected_cvar`; on the "
        "bandit, whose samples are many, by `cvar`. Risky: the share of steps on "
        "robots, and of actions on the ring on the bandit. Out of distribution: the "
        "share of one action at each state of episodes that are held out from the "
        "detectors, not from the agents, by `ramac_jax.evaluation.nearest_detector` "
        "and `density_detector`."
    )
    if any(row.task in paper_figures() for row in rows):
        parts.append(PAPER_NOTE)
    if any(row.task == "hopper-medium-expert" for row in rows):
        parts.append(HOPPER_NOTE)
    return "\n\n".join(parts) + "\n"
