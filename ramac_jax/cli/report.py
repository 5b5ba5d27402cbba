"""Tables and figures over evaluated runs: `ramac report DIR...`.

Each DIR is one that `ramac train` or `ramac evaluate` wrote to. Writes
report.md, report.tex, report.json and for each task three figures: the histograms of
returns, mean against CVaR, and the distribution of the watched quantity. Exit status 2:
bad input, and no file is touched.
"""

import collections
import dataclasses
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console

import ramac_jax as rj
from ramac_jax.cli import folders
from ramac_jax.cli.reporting.figures.runs import (
    DPI,
    Scored,
    draw_monitored,
    draw_returns,
    draw_risk_return,
)
from ramac_jax.cli.reporting.tables import Run, latex, markdown, terminal
from ramac_jax.cli.runs.scoring import read_evaluation
from ramac_jax.evaluation import summarise
from ramac_jax.files import write_json
from ramac_jax.tasks import hazard_from_json


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


def read_run(folder: Path, level: float, name: str | None) -> Run:
    """Read what an evaluation left behind; `InputError` where it cannot be reported."""
    record, episodes = read_evaluation(folder)
    settings = record["settings"]
    task, hazard = settings.get("task"), settings.get("hazard")
    if task is None or hazard is None:
        raise rj.InputError(
            f"{folder} was evaluated without a task: report compares runs on tasks"
        )
    summary = summarise(
        episodes, record["seeds"], level=level, reference=settings["reference"]
    )
    scored = Scored(name or default_name(folder, record), episodes, summary)
    return Run(task, settings["horizon"], hazard_from_json(hazard), scored, record)


def default_name(folder: Path, record: Mapping[str, Any]) -> str:
    """What the run's preset is called, or else the folder."""
    source, _, name = (record["run"].get("preset") or "").rpartition("/")
    return "published" if source == "published" else name or folder.resolve().name


def check_alike(runs: Sequence[Run], folders: Sequence[Path]) -> list[Run]:
    """The runs under different names; `InputError` where horizons differ in a task."""
    for run, folder in zip(runs, folders, strict=True):
        first = next(x for x in runs if x.task == run.task)
        if run.horizon != first.horizon:
            raise rj.InputError(
                f"{folder} was evaluated over {run.horizon} steps, others of "
                f"{first.task} over {first.horizon}: evaluate all over the same"
            )
    names = collections.Counter((run.task, run.scored.name) for run in runs)
    return [
        run
        if names[run.task, run.scored.name] == 1
        else run._replace(
            scored=run.scored._replace(name=f"{run.scored.name} ({folder})")
        )
        for run, folder in zip(runs, folders, strict=True)
    ]


def report(runs: Sequence[Run], arguments: Arguments, argv: Sequence[str]) -> None:
    """Write every file of the report, once all of them are made."""
    out, level = folders.writable_folder(arguments.out), arguments.level
    text = markdown(runs, level)
    with tempfile.TemporaryDirectory(dir=out, prefix=".new-") as folder:
        drafts = Path(folder)
        for task in dict.fromkeys(run.task for run in runs):
            of_task = [run for run in runs if run.task == task]
            scored = [run.scored for run in of_task]
            figures = {
                "returns": draw_returns(scored, level),
                "risk-return": draw_risk_return(scored, level),
                "monitored": draw_monitored(scored, of_task[0].hazard),
            }
            for kind, figure in figures.items():
                figure.savefig(drafts / f"{task}-{kind}.png", dpi=DPI)
        (drafts / "report.md").write_text(text)
        (drafts / "report.tex").write_text(latex(runs, level))
        record = {
            "command": shlex.join(["ramac", "report", *argv]),
            "level": level,
            "runs": [
                {
                    "task": run.task,
                    "name": run.scored.name,
                    "summary": run.scored.summary,
                    "evaluation": {
                        k: v for k, v in run.record.items() if k != "summary"
                    },
                }
                for run in runs
            ],
        }
        write_json(drafts / "report.json", record)
        for draft in drafts.iterdir():
            draft.replace(out / draft.name)
    output = Console()
    for task in dict.fromkeys(run.task for run in runs):
        output.print(terminal([run for run in runs if run.task == task], level))
    output.print(f"{out}: report.md, report.tex, report.json, figures", soft_wrap=True)


def parse(argv: Sequence[str]) -> Arguments:
    """Read the command line; exits where it is malformed."""
    return tyro.cli(Arguments, prog="ramac report", args=list(argv))


def execute(arguments: Arguments, argv: Sequence[str]) -> None:
    """Run the command."""
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
    folders.check_writable(arguments.out)
    names = arguments.names or [None] * len(arguments.runs)
    runs = [
        read_run(folder, arguments.level, name)
        for folder, name in zip(arguments.runs, names, strict=True)
    ]
    report(check_alike(runs, arguments.runs), arguments, argv)


def main(argv: Sequence[str]) -> None:
    """Run the command with these words."""
    execute(parse(argv), argv)
