"""Tables of evaluated runs, in Markdown, in LaTeX and for a terminal."""

import re
from collections.abc import Iterable, Mapping, Sequence

from rich.markup import escape
from rich.table import Table

from ramac_jax.cli.runs.records import Run
from ramac_jax.evaluation import Interval
from ramac_jax.evaluation.intervals import OVER_EPISODES

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
    """Return a value and its known bounds, with digits that suit their size."""
    if figure["value"] is None:
        return ["-"]
    values = [factor * value for value in figure.values() if value is not None]
    largest = max(map(abs, values))
    digits = 0 if largest >= 100.0 else 1 if largest >= 10.0 else 2
    return [f"{value:.{digits}f}" for value in values]


def bracketed(numbers: Sequence[str], between: str = " ") -> str:
    """Return a value with its bounds in brackets, if there are any."""
    value, *bounds = numbers
    return f"{value}{between}[{', '.join(bounds)}]" if bounds else value


def cell(interval: Interval, factor: float, between: str = " ") -> str:
    """Return a value with its bounds, if they are known."""
    return bracketed(rounded(interval.to_json(), factor), between)


def cells(run: Run) -> list[list[str]]:
    """Return the value of each column and the bounds that are known."""
    return [rounded(run.scored.summary[k], x) for k, (_, x) in COLUMNS.items()]


def size(run: Run) -> str:
    """Return the numbers of seeds and of episodes of each."""
    return "{} x {}".format(*run.scored.episodes.returns.shape)


def size_note(task: str, sizes: Sequence[tuple[str, str]]) -> list[str]:
    """Return a note where CVaRs of a task are of different numbers of episodes.

    Args:
      task: of all.
      sizes: name, and seeds x episodes, of each CVaR.
    """
    if len({text for _, text in sizes}) < 2:
        return []
    listed = ", ".join(f"{name} {text}" for name, text in sizes)
    return [
        f"the CVaRs of {task} are of different numbers of episodes (seeds x episodes: "
        f"{listed}): of few, a part of the bias remains, so compare CVaRs of equally "
        "many"
    ]


def size_notes(runs: Sequence[Run]) -> list[str]:
    """Return the notes of `size_note` about all tasks."""
    tasks = {run.task: [x for x in runs if x.task == run.task] for run in runs}
    sizes = {k: [(x.scored.name, size(x)) for x in some] for k, some in tasks.items()}
    return [note for task, each in sizes.items() for note in size_note(task, each)]


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
        figures = [bracketed(numbers) for numbers in cells(run)]
        steps = f"{size(run)} x {run.horizon}"
        rows.append([run.task, run.scored.name, *figures, steps])
    policies: dict[str, list[str]] = {}
    for run in runs:
        for note in run.scored.summary["notes"]:
            policies.setdefault(note, []).append(f"{run.task} {run.scored.name}")
    lines = [f"- All: {note}." for note in size_notes(runs)]
    lines += [
        f"- {'All' if len(names) == len(runs) else ', '.join(names)}: {note}."
        for note, names in policies.items()
    ]
    notes = "\n".join(lines)
    return (
        f"{pipes(head, rows)}\n\n"
        f"Brackets: {OVER_EPISODES}. CVaR: of all episodes together; CVaR per seed: "
        "the mean over seeds of each one's own; the bias of few episodes is subtracted "
        "from both. Score: normalized by the returns of a random and of an expert "
        "policy, in percent: those of D4RL for a task, otherwise those of the data."
        f"\n\n{notes}\n"
    )


def latex(runs: Sequence[Run], level: float) -> str:
    """Return the table in LaTeX, for the package booktabs."""
    rows = [([run.task, run.scored.name], cells(run)) for run in runs]
    notes = [f"Note: {note}" for note in size_notes(runs)]
    head = ["task", "policy", *titles(level)]
    return booktabs(head, rows, [*notes, f"Brackets: {OVER_EPISODES}"])


def booktabs(
    head: Sequence[str],
    rows: Iterable[tuple[Sequence[str], Sequence[Sequence[str]]]],
    notes: Iterable[str],
) -> str:
    """Return a table in LaTeX, for the package booktabs.

    Args:
      head: titles of the columns.
      rows: words first, then numbers, each with its bounds if they are known.
      notes: what stands above the table as comments, without full stops.
    """
    lines = []
    for words, numbers in rows:
        right = [
            rf"${value}$" + rf" {{\scriptsize $[{', '.join(bounds)}]$}}" * bool(bounds)
            for value, *bounds in numbers
        ]
        lines.append(" & ".join([*map(escape_latex, words), *right]) + r" \\")
    columns = "l" * len(words) + "r" * len(numbers)
    titles = " & ".join(map(escape_latex, head)) + r" \\"
    return "\n".join(
        [
            *(f"% {note}." for note in notes),
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            titles,
            r"\midrule",
            *lines,
            r"\bottomrule",
            "\\end{tabular}\n",
        ]
    )


def escape_latex(text: str) -> str:
    """Return a text without LaTeX's special characters."""
    return re.sub(r"([_&#%$])", r"\\\1", text)


def terminal(runs: Sequence[Run], level: float) -> Table:
    """Return the main columns of runs on one task, narrow enough for a terminal.

    Below it are the notes on the numbers of episodes.
    """
    table = Table(
        title=f"{runs[0].task}, value [95 % over episodes]",
        caption="\n".join(f"note: {escape(note)}" for note in size_notes(runs)) or None,
        caption_justify="left",
    )
    shown = {name: COLUMNS[name] for name in ("mean", "pooled_cvar", "risky_share")}
    for title in ("policy", *(title for title, _ in shown.values())):
        table.add_column(title.replace("CVaR", f"CVaR {level:g}"))
    for run in runs:
        row = []
        for name, (_, factor) in shown.items():
            row.append(escape(bracketed(rounded(run.scored.summary[name], factor))))
        table.add_row(escape(run.scored.name), *row)
    return table
