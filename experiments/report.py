"""Tables and figures over finished runs: `python -m experiments.report DIR...`.

Each DIR is what `experiments.train --task` wrote, or `experiments.evaluate` into a
folder of its own beside a copy of run.json. Writes report.md, report.tex, report.json
and for each task three figures: the histograms of returns, mean against CVaR, and the
distribution of the watched quantity. Exit status 2: bad input.
"""

import dataclasses
import json
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import tyro
from rich.console import Console
from rich.markdown import Markdown

import ramac_jax as rj
from experiments import console
from experiments.figures.runs import (
    Scored,
    save_monitored,
    save_returns,
    save_risk_return,
)
from experiments.scoring import read_episodes
from ramac_jax.evaluation import summarise
from ramac_jax.tasks.hazards import find_task
from ramac_jax.validation import first_line

COLUMNS = {
    "mean": ("mean", 1.0),
    "pooled_cvar": ("CVaR", 1.0),
    "per_seed_cvar": ("CVaR per seed", 1.0),
    "iqm": ("IQM", 1.0),
    "normalized_score": ("score", 1.0),
    "risky_share": ("risky steps, %", 100.0),
    "length": ("length", 1.0),
}
"""What the tables show of a summary: its title, and the unit in which it is told."""


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of runs; those of one task share figures."""
    out: Path
    """Folder for the report; files of an earlier one are replaced."""
    names: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME...")] = ()
    """What to call the runs, in order; without it they go by preset or folder."""
    level: float = 0.1
    """Level of the CVaR."""


class Run(NamedTuple):
    """One folder, read."""

    task: str
    scored: Scored
    record: Mapping[str, Any]  # its run.json


def read_run(folder: Path, level: float, name: str | None) -> Run:
    """Read what a run left behind; `InputError` where something is missing."""
    try:
        record = json.loads((folder / "run.json").read_text())
        task, preset = record["task"], record["preset"]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise rj.InputError(
            f"{folder} holds no run to report ({first_line(error)}): give a folder "
            "that experiments.train --task wrote"
        ) from None
    if task is None:
        raise rj.InputError(f"{folder} is a run without a task: report takes tasks")
    seeds, episodes = read_episodes(folder)
    reference = find_task(task)
    summary = summarise(
        episodes,
        seeds,
        level=level,
        reference=(reference.random_return, reference.expert_return),
    )
    name = name or (preset or folder.resolve().name).rpartition("/")[2]
    return Run(task, Scored(name, episodes, summary), record)


def told(figure: Mapping[str, float | None], unit: float) -> list[str]:
    """A figure and its interval, with the digits that it is worth."""
    if figure["value"] is None:
        return ["-"] * 3
    values = [unit * value for value in figure.values() if value is not None]
    digits = 0 if max(map(abs, values)) >= 100.0 else 1
    return [f"{value:.{digits}f}" for value in values]


def cells(run: Run) -> Iterable[tuple[str, str, str]]:
    """Each column of a row: value, lower and upper bound."""
    for name, (_, unit) in COLUMNS.items():
        value, low, high = told(run.scored.summary[name], unit)
        yield value, low, high


def titles(level: float) -> list[str]:
    """The titles of the columns after the first two, the level with each CVaR."""
    return [t.replace("CVaR", f"CVaR {level:g}") for t, _ in COLUMNS.values()]


def markdown(runs: Sequence[Run], level: float) -> str:
    """The table and its notes."""
    head = ["task", "policy", *titles(level), "seeds x episodes"]
    lines = [" | ".join(head), " | ".join(["---"] * len(head))]
    for run in runs:
        row = [f"{value} [{low}, {high}]" for value, low, high in cells(run)]
        population, num_episodes = run.scored.episodes.returns.shape
        size = f"{population} x {num_episodes}"
        lines.append(" | ".join([run.task, run.scored.name, *row, size]))
    table = "\n".join(f"| {line} |" for line in lines)
    notes = "\n".join(
        f"- {run.task}, {run.scored.name}: {note}."
        for run in runs
        for note in run.scored.summary["notes"]
    )
    return (
        f"{table}\n\nBrackets: 95 % bootstrap intervals over the episodes of these "
        "seeds. CVaR: of all episodes together; CVaR per seed: the mean over seeds of "
        f"each one's own. Score: D4RL's, in percent.\n\n{notes}\n"
    )


def latex(runs: Sequence[Run], level: float) -> str:
    """The table for a paper, with booktabs."""
    head = ["task", "policy", *titles(level)]
    lines = [" & ".join(head).replace("%", r"\%") + r" \\", r"\midrule"]
    for run in runs:
        row = [
            rf"${value}$ {{\scriptsize $[{low}, {high}]$}}"
            for value, low, high in cells(run)
        ]
        lines.append(" & ".join([run.task, run.scored.name, *row]) + r" \\")
    body = "\n".join(lines)
    return (
        f"\\begin{{tabular}}{{ll{'r' * len(COLUMNS)}}}\n\\toprule\n{body}\n"
        "\\bottomrule\n\\end{tabular}\n"
    )


def report(runs: Sequence[Run], arguments: Arguments, argv: Sequence[str]) -> None:
    """Write every file of the report."""
    out = console.writable_folder(arguments.out)
    for task in dict.fromkeys(run.task for run in runs):
        scored = [run.scored for run in runs if run.task == task]
        save_returns(out / f"{task}-returns.png", scored, arguments.level)
        save_risk_return(out / f"{task}-risk-return.png", scored, arguments.level)
        save_monitored(out / f"{task}-monitored.png", scored, find_task(task).hazard)
    text = markdown(runs, arguments.level)
    (out / "report.md").write_text(text)
    (out / "report.tex").write_text(latex(runs, arguments.level))
    console.write_json(
        out / "report.json",
        {
            "command": shlex.join(["python", "-m", "experiments.report", *argv]),
            "level": arguments.level,
            "runs": [
                {
                    "task": run.task,
                    "name": run.scored.name,
                    "summary": run.scored.summary,
                    "run": run.record,
                }
                for run in runs
            ],
        },
    )
    Console().print(Markdown(text))


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    arguments = tyro.cli(
        Arguments, prog="python -m experiments.report", args=list(argv)
    )
    if not arguments.runs:
        raise rj.InputError("no run is named: give at least one folder")
    if arguments.names and len(arguments.names) != len(arguments.runs):
        raise rj.InputError(
            f"--names has {len(arguments.names)} names for {len(arguments.runs)} runs: "
            "give one each"
        )
    if not 0.0 < arguments.level <= 1.0:
        raise rj.InputError(
            f"--level is {arguments.level:g}: give one above 0 and at most 1"
        )
    console.check_writable(arguments.out)
    names = arguments.names or [None] * len(arguments.runs)
    runs = [
        read_run(folder, arguments.level, name)
        for folder, name in zip(arguments.runs, names, strict=True)
    ]
    report(runs, arguments, argv)


if __name__ == "__main__":
    console.exit_on_bad_input(lambda: main(sys.argv[1:]))()
