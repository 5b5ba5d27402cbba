"""Write tables and figures of evaluated runs: `ramac report DIR...`.

Each DIR is a folder that `ramac train` or `ramac evaluate` wrote to. The command writes
report.md, report.tex, report.json and figures for each task: the histograms of returns,
the mean against the CVaR, and, where there is a hazard, the distribution of the
monitored quantity. Runs without a task are grouped by their environment. Exit
status 2: bad input, and no file is changed.
"""

import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from ramac_jax.cli import console, folders
from ramac_jax.cli.options.report import Arguments, check, parse
from ramac_jax.cli.reporting.figures.risk_return import draw_risk_return
from ramac_jax.cli.reporting.figures.runs import draw_monitored, draw_returns
from ramac_jax.cli.reporting.figures.style import DPI
from ramac_jax.cli.reporting.tables import latex, markdown, terminal
from ramac_jax.cli.runs.evaluated import by_task, name_apart, read_run
from ramac_jax.cli.runs.mujoco_versions import simulator_notes
from ramac_jax.cli.runs.records import Run
from ramac_jax.files import write_json


def report(runs: Sequence[Run], arguments: Arguments, argv: Sequence[str]) -> None:
    """Write every file of the report, once all files are made; print the tables."""
    out, level = folders.writable_folder(arguments.out), arguments.level
    tasks, notes = by_task(runs), simulator_notes(runs)
    with tempfile.TemporaryDirectory(dir=out, prefix=".new-") as folder:
        drafts = Path(folder)
        for task, of_task in tasks.items():
            draw(task, of_task, level, drafts)
        text = markdown(runs, level) + "".join(f"- {note}.\n" for note in notes)
        (drafts / "report.md").write_text(text)
        (drafts / "report.tex").write_text(latex(runs, level))
        record = {
            "command": shlex.join(["ramac", "report", *argv]),
            "level": level,
            "notes": notes,
            "runs": [to_json(run) for run in runs],
        }
        write_json(drafts / "report.json", record)
        for draft in drafts.iterdir():
            draft.replace(out / draft.name)
    for note in notes:
        console.warn(note)
    output = Console()
    for of_task in tasks.values():
        output.print(terminal(of_task, level))
    output.print(f"{out}: report.md, report.tex, report.json, figures", soft_wrap=True)


def draw(task: str, runs: Sequence[Run], level: float, folder: Path) -> None:
    """Draw the figures of a task into a folder."""
    scored = [run.scored for run in runs]
    figures = {
        "returns": draw_returns(scored, level),
        "risk-return": draw_risk_return([(x.name, x.summary) for x in scored], level),
    }
    if runs[0].hazard is not None:
        figures["monitored"] = draw_monitored(scored, runs[0].hazard)
    for kind, figure in figures.items():
        name = f"{task}-{kind}.png".replace("/", "-")
        figure.savefig(folder / name, dpi=DPI)


def to_json(run: Run) -> dict[str, Any]:
    """Return the entry of a run in report.json."""
    return {
        "task": run.task,
        "name": run.scored.name,
        "summary": run.scored.summary,
        "evaluation": {k: v for k, v in run.record.items() if k != "summary"},
    }


def execute(arguments: Arguments, argv: Sequence[str]) -> None:
    """Run the command."""
    check(arguments)
    names = arguments.names or [None] * len(arguments.runs)
    runs = [
        read_run(folder, arguments.level, name)
        for folder, name in zip(arguments.runs, names, strict=True)
    ]
    report(name_apart(runs, arguments.runs), arguments, argv)


def main(argv: Sequence[str]) -> None:
    """Run the command with these words."""
    execute(parse(argv), argv)
