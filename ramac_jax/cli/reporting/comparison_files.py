"""The files of a comparison: tables, record, scores and figures."""

import shlex
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from ramac_jax.cli import folders, provenance
from ramac_jax.cli.options.compare import (
    FILES,
    LATEX,
    PAGE,
    PROFILES,
    RECORD,
    SCORES,
    Arguments,
)
from ramac_jax.cli.reporting import comparison
from ramac_jax.cli.reporting.figures.profiles import draw_profiles
from ramac_jax.cli.reporting.figures.style import DPI
from ramac_jax.cli.runs.comparison import Comparison
from ramac_jax.cli.runs.results import write_rows
from ramac_jax.cli.runs.stored import fits, read_record
from ramac_jax.errors import InputError
from ramac_jax.files import write_json, write_text


def files_of(has_robots: bool) -> str:
    """Return the names of the files; without robots there are no scores."""
    names = [x for x in FILES if has_robots or x not in (SCORES, PROFILES)]
    return f"{', '.join(names)}, figures"


def write(arguments: Arguments, found: Comparison, argv: Sequence[str]) -> None:
    """Write the tables and figures, and print the tables."""
    command = shlex.join(["ramac", "compare", *argv])
    rows, rates, level = found.rows, found.false_positives, arguments.level
    out, joined = folders.writable_folder(arguments.out), [*map(str, arguments.join)]
    page = comparison.page(rows, rates, level, command, joined)
    write_text(out / PAGE, page)
    write_text(out / LATEX, comparison.latex(rows, level))
    record: dict[str, Any] = {
        "command": command,
        "options": arguments.lasting,
        "rows": comparison.to_json(rows),
        "false_positive_rates": rates,
        **provenance.provenance(),
    }
    write_json(out / RECORD, record)
    if scores := [score for row in rows for score in row.scores]:
        write_rows(out / SCORES, scores)
        figure = draw_profiles(scores, f"cvar_{level:g}", f"CVaR {level:g}")
        figure.savefig(out / PROFILES, dpi=DPI)
    output = Console()
    for of_task in comparison.by_task(rows):
        name = f"{of_task[0].task}-comparison.png"
        comparison.draw(of_task, level).savefig(out / name, dpi=DPI)
        output.print(comparison.terminal(of_task, level))
    output.print(f"{out}: {files_of(bool(scores))}", soft_wrap=True)


def stored_tasks(arguments: Arguments) -> set[str]:
    """Return the tasks of an earlier comparison in the folder.

    Raises `InputError` where comparison.json is damaged.
    """
    path = arguments.out / RECORD
    if not path.exists():
        return set()
    record = read_record(path)
    if not fits(record, {"rows": [{"task": str}]}):
        raise InputError(f"{path} is no record of a comparison: give another --out")
    return {row["task"] for row in record["rows"]}
