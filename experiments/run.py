"""Run a study: `python -m experiments.run STUDY`.

The runner reads the options of every command of the study, and then runs the
commands. It skips a run that is finished and resumes one that was interrupted, so the
same command resumes a study. Exit status 1: a seed diverged, or a bound is broken; 2:
bad input; 130 or 143: a signal, after the current run is saved.
"""

import dataclasses
import importlib
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from experiments.study import STUDIES, CommandLine, read_study
from ramac_jax.cli import process
from ramac_jax.cli.main import COMMANDS
from ramac_jax.cli.options.words import read_words

SKIPPED_WHEN_FINISHED = ("train", "sweep", "bandit")
"""Commands that refuse a finished run; the others read finished runs again."""


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    study: Annotated[
        tyro.conf.Positional[str],
        tyro.conf.arg(metavar="STUDY", help=", ".join(STUDIES)),
    ]
    out: Path | None = None
    """Folder of the results; None: runs/STUDY."""
    dry_run: bool = False
    """Print the commands of the study, and run none."""


def run(line: CommandLine, options: Any) -> int:
    """Run a command unless it is finished; return its exit status, 0 or 1."""
    module = importlib.import_module(COMMANDS[line.command].module)
    if line.command in SKIPPED_WHEN_FINISHED and module.is_finished(options):
        print("finished already", flush=True)
        return 0
    try:
        module.execute(options, line.words)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def main(argv: Sequence[str]) -> None:
    """Run the command line; exit with status 1 if a command of the study does."""
    arguments: Arguments = read_words(
        Arguments,
        argv,
        prog="python -m experiments.run",
        description="Run a study, or resume it.",
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    out = arguments.out or Path("runs", arguments.study)
    lines = read_study(arguments.study, out)
    options = [
        importlib.import_module(COMMANDS[line.command].options).parse(line.words)
        for line in lines
    ]
    status = 0
    for line, each in zip(lines, options, strict=True):
        print(shlex.join(["ramac", line.command, *line.words]), flush=True)
        if not arguments.dry_run:
            status = max(status, run(line, each))
    sys.exit(status)


if __name__ == "__main__":
    process.run_command(main, "python -m experiments.run", many_cores=True)
