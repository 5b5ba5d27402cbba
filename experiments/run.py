"""Run a study: `python -m experiments.run STUDY`.

The runner goes through the commands of the study. It skips a run that is finished and
resumes one that was interrupted, so the same command resumes a study. Exit status 1: a
seed diverged, or a bound is broken; 2: bad input; 130 or 143: a signal, after the
current run is saved.
"""

import argparse
import importlib
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.study import STUDIES, CommandLine, read_study
from ramac_jax.cli import process
from ramac_jax.cli.main import COMMANDS

SKIPPED_WHEN_FINISHED = ("train", "sweep", "bandit")
"""Commands that refuse a finished run; the others read finished runs again."""


def run(line: CommandLine) -> int:
    """Run a command unless it is finished; return its exit status, 0 or 1."""
    command = COMMANDS[line.command]
    options = importlib.import_module(command.options).parse(line.words)
    module = importlib.import_module(command.module)
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
    parser = argparse.ArgumentParser(
        prog="python -m experiments.run", description="Run a study, or resume it."
    )
    parser.add_argument("study", metavar="STUDY", help=", ".join(STUDIES))
    parser.add_argument("--out", type=Path, help="folder of results; runs/STUDY")
    parser.add_argument(
        "--dry-run", action="store_true", help="print the commands of the study"
    )
    arguments = parser.parse_args(argv)
    out = arguments.out or Path("runs", arguments.study)
    statuses = []
    for line in read_study(arguments.study, out):
        print(shlex.join(["ramac", line.command, *line.words]), flush=True)
        if not arguments.dry_run:
            statuses.append(run(line))
    sys.exit(max(statuses, default=0))


if __name__ == "__main__":
    process.run_command(main, "python -m experiments.run", many_cores=True)
