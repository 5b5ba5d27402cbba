"""Tables of evaluated runs, in Markdown, in LaTeX and for a terminal."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence

from rich.markup import escape
from rich.table import Table

from ramac_jax.cli.runs.records import Run
from ramac_jax.evaluation import Interval

COLUMNS = {
    "mean": ("mean", 1.0),
    "pooled_cvar": ("CVaR", 1.0),
    "per_seed_cvar": ("CVaR per seed", 1.0),
    "iqm": ("IQM", 1.0),
    "normalized_score": ("score", 1.0),
    "risky_share": ("risky steps, %", 100.0),
    "length": ("length", 1.0),
}
"""Columns of a summary: the title, and the factor on the number."""


def rounded(figure: Mapping[str, float | None], factor: float) -> list[str]:
    """Return a value and its interval with digits that suit their size."""
    if figure["value"] is None:
        return ["-"] * 3
    values = [factor * value for value in figure.values() if value is not None]
    largest = max(map(abs, values))
    digits = 0 if largest >= 100.0 else 1 if largest >= 10.0 else 2
    return [f"{value:.{digits}f}" for value in values]


def cell(interval: Interval, factor: float, between: str = " ") -> str:
    """Return a value with its bounds, if they are known."""
    value, *bounds = rounded(interval.to_json(), factor)
    has_bounds = math.isfinite(interval.low)
    return f"{value}{between}[{', '.join(bounds)}]" if has_bounds else value


def cells(run: Run) -> Iterable[tuple[str, str, str]]:
    """Yield the value, the lower and the upper bound of each column."""
    for name, (_, factor) in COLUMNS.items():
        value, low, high = rounded(run.scored.summary[name], factor)
        yield value, low, high


def titles(level: float) -> list[str]:
    """Return the titles of the columns after the first two, with the CVaR's level."""
    return [t.replace("CVaR", f"CVaR {level:g}") for t, _ in COLUMNS.values()]


def pipes(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    escaped = [[text.replace("|", r"\|") for text in row] for row in rows]
    lines = [head, ["---"] * len(head), *escaped]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def markdown(runs: Sequence[Run], level: float) -> str:
    """Return the table and its notes in Markdown."""
    head = ["task", "policy", *titles(level), "seeds x episodes x steps"]
    rows = []
    for run in runs:
        figures = [f"{value} [{low}, {high}]" for value, low, high in cells(run)]
        population, num_episodes = run.scored.episodes.returns.shape
        size = f"{population} x {num_episodes} x {run.horizon}"
        rows.append([run.task, run.scored.name, *figures, size])
    policies: dict[str, list[str]] = {}
    for run in runs:
        for note in run.scored.summary["notes"]:
            policies.setdefault(note, []).append(f"{run.task} {run.scored.name}")
    notes = "\n".join(
        f"- {'All' if len(names) == len(runs) else ', '.join(names)}: {note}."
        for note, names in policies.items()
    )
    return (
        f"{pipes(head, rows)}\n\n"
        "Brackets: 95 % bootstrap intervals over the episodes of these seeds. CVaR: of "
        "all episodes together; CVaR per seed: the mean over seeds of each one's own. "
        f"Score: normalized by the returns of a random and of an expert policy, in "
        f"percent: those of D4RL for a task, otherwise those of the data.\n\n{notes}\n"
    )


def latex(runs: Sequence[Run], level: float) -> str:
    """Return the table in LaTeX, for the package booktabs."""
    head = ["task", "policy", *titles(level)]
    lines = [" & ".join(head).replace("%", r"\%") + r" \\", r"\midrule"]
    for run in runs:
        row = [
            rf"${value}$ {{\scriptsize $[{low}, {high}]$}}"
            for value, low, high in cells(run)
        ]
        name = re.sub(r"([_&#%$])", r"\\\1", run.scored.name)
        lines.append(" & ".join([run.task, name, *row]) + r" \\")
    body = "\n".join(lines)
    return (
        f"\\begin{{tabular}}{{ll{'r' * len(COLUMNS)}}}\n\\toprule\n{body}\n"
        "\\bottomrule\n\\end{tabular}\n"
    )


def terminal(runs: Sequence[Run], level: float) -> Table:
    """Return the main columns of runs on one task, narrow enough for a terminal."""
    table = Table(title=f"{runs[0].task}, value [95 % of resampled episodes]")
    shown = {name: COLUMNS[name] for name in ("mean", "pooled_cvar", "risky_share")}
    for title in ("policy", *(title for title, _ in shown.values())):
        table.add_column(title.replace("CVaR", f"CVaR {level:g}"))
    for run in runs:
        row = []
        for name, (_, factor) in shown.items():
            value, low, high = rounded(run.scored.summary[name], factor)
            row.append(escape(f"{value} [{low}, {high}]"))
        table.add_row(escape(run.scored.name), *row)
    return table
