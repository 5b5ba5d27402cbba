"""Updates/s of populations: `python -m benchmarks.throughput`.

The benchmark trains populations of several sizes on random data, and reports updates/s,
compile time and memory. It times the machine's matrix and copy rates alternately with
the populations, so that ratios are comparable on a noisy machine. --profile prints the
most expensive operations of an update instead.
"""

import dataclasses
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Any

import jax
from rich.console import Console

import ramac_jax as rj
from benchmarks import records
from benchmarks.options import check_at_least, check_not_empty
from benchmarks.peers import cases as peers
from benchmarks.throughput.cases import CASES, Case
from benchmarks.throughput.comparison import comparison_table, numbers, read_earlier
from benchmarks.throughput.machine import BEST_SHAPE, copy_meter, matrix_meter
from benchmarks.throughput.measurement import measure_case
from benchmarks.throughput.operations import profile
from benchmarks.throughput.tables import case_table, draw_scaling
from ramac_jax.cli.options.agent import DEFAULT_PRECISION
from ramac_jax.cli.options.sections import choices
from ramac_jax.cli.options.words import read_words
from ramac_jax.cli.reporting.figures.style import DPI
from ramac_jax.cli.runs.agents import training_in
from ramac_jax.devices.mesh import are_cores
from ramac_jax.errors import check_names
from ramac_jax.registry import HEADS, PRECISIONS

KNOWN = {**peers.CASES, **CASES}
"""Cases by name, also those of `benchmarks.peers`, which are not timed by default."""


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    cases: Annotated[tuple[str, ...], choices(tuple(KNOWN), "Agents to time")] = tuple(
        CASES
    )
    populations: tuple[int, ...] = (1, 2, 4, 8, 16)
    """Sizes of the populations."""
    head: Annotated[str, choices(tuple(HEADS), "Implementation of the critic head")] = (
        "plain"
    )
    precision: Annotated[
        str, choices(tuple(PRECISIONS), "Precision of the training")
    ] = DEFAULT_PRECISION
    call_seconds: float = 4.0
    """Approximate duration of a timed call."""
    repeats: int = 5
    """Timed calls of each kind; the table shows the median."""
    out: Path | None = None
    """JSON file to write; None: print only."""
    figure: Path | None = None
    """PNG file for a figure of agent-updates/s, relative to one agent."""
    compare: Path | None = None
    """JSON file of an earlier --out; print the ratios new / earlier."""
    profile: Annotated[
        str | None,
        choices(tuple(KNOWN), "Print the most expensive operations of a case instead"),
    ] = None

    @property
    def sizes(self) -> list[int]:
        """Sizes of the populations in increasing order, each once."""
        return sorted(set(self.populations))

    def case(self, name: str) -> Case:
        """Return a case by its name, with --head and --precision."""
        return KNOWN[name].computed(self.head, self.precision)


def check(arguments: Arguments) -> None:
    """Raise `InputError` for bad options; write nothing."""
    check_names("case", arguments.cases, KNOWN)
    check_names("head", [arguments.head], HEADS)
    check_names("precision", [arguments.precision], PRECISIONS)
    check_not_empty(arguments, ["cases", "populations"])
    check_at_least(arguments, {"populations": 1, "repeats": 1})
    if not arguments.call_seconds > 0.0:
        raise rj.InputError(
            f"--call-seconds is {arguments.call_seconds:g}: give more than 0"
        )
    devices = 1 if are_cores() else jax.device_count()
    if any(size % devices for size in arguments.sizes):
        raise rj.InputError(f"--populations: give multiples of {devices} (devices)")
    check_files(arguments)


def check_files(arguments: Arguments) -> None:
    """Raise `InputError` for files that cannot be written or that --profile ignores."""
    figure = arguments.figure
    if arguments.profile is not None:
        check_names("case", [arguments.profile], KNOWN)
        if arguments.out or figure or arguments.compare:
            raise rj.InputError(
                "--profile writes no --out, --figure or --compare: leave them out"
            )
    if figure is not None:
        check_figure(figure, arguments.sizes)


def check_figure(figure: Path, sizes: Collection[int]) -> None:
    """Raise `InputError` for a figure that cannot be drawn or written."""
    folder = figure.absolute().parent
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        raise rj.InputError(
            f"--figure is {figure}: {folder} is no folder that can be written to"
        )
    if figure.is_dir():
        raise rj.InputError(f"--figure is {figure}, a folder: give a file")
    if figure.suffix != ".png":
        raise rj.InputError(f"--figure is {figure}: give a name that ends in .png")
    if 1 not in sizes:
        raise rj.InputError("--figure compares with one agent: give --populations 1")


def measure(arguments: Arguments, screen: Console) -> dict[str, Any]:
    """Measure each case and print its table; return the measurements by case."""
    dtype = PRECISIONS[arguments.precision].dtype
    meters = {"best": matrix_meter(*BEST_SHAPE, dtype=dtype), "copy": copy_meter()}
    found: dict[str, Any] = {}
    for name in dict.fromkeys(arguments.cases):
        found[name] = measure_case(
            arguments.case(name),
            arguments.sizes,
            meters,
            call_seconds=arguments.call_seconds,
            repeats=arguments.repeats,
        )
        screen.print(case_table(name, found[name]))
    return found


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    arguments: Arguments = read_words(
        Arguments, argv, prog="python -m benchmarks.throughput", description=__doc__
    )
    check(arguments)
    records.check_out(arguments.out)
    if arguments.profile is not None:
        with training_in(arguments.precision):
            profile(arguments.profile, arguments.case(arguments.profile))
        return
    path, earlier = arguments.compare, {}
    if path is not None:
        earlier = read_earlier(path, arguments.cases, arguments.sizes)
    screen = Console(width=132)
    with training_in(arguments.precision):
        found = measure(arguments, screen)
    if path is not None:
        screen.print(comparison_table(path, earlier, numbers(found)))
    names = {"head": arguments.head, "precision": arguments.precision}
    records.write_record(arguments.out, "throughput", {"cases": found, **names})
    if arguments.figure is not None:
        draw_scaling(found).savefig(arguments.figure, dpi=DPI)
