"""The options of `ramac report`."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

import ramac_jax as rj
from ramac_jax.cli import folders
from ramac_jax.cli.options.words import read_words

DESCRIPTION = """Write tables and figures of evaluated runs: report.md, report.tex,
report.json, and figures for each task, or each environment where there is no task."""


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of runs; the runs of one task share figures."""
    out: Path
    """Folder for the report; files of an earlier report are replaced."""
    names: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME...")] = ()
    """Names of the runs, in their order; without them, the names of the presets or
    folders."""
    level: float = 0.1
    """Level of the CVaR."""


def parse(argv: Sequence[str]) -> Arguments:
    """Read the command line; exits for `--help`, `InputError` where it is malformed."""
    return read_words(Arguments, argv, prog="ramac report", description=DESCRIPTION)


def check(arguments: Arguments) -> None:
    """Raise `InputError` for options that no report can have; change no file."""
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
