"""How fast the library is: `python -m benchmarks.throughput`.

Updates/s, compile time and memory of populations of several sizes on made-up data,
beside the machine's matrix and copy rates, all of one run and timed in turns, so that
ratios survive a noisy machine. --profile tells instead what an update's time goes into.
"""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import jax
import tyro
from rich.console import Console

import ramac_jax as rj
from benchmarks.circumstances import circumstances
from benchmarks.throughput.cases import CASES, Case
from benchmarks.throughput.comparing import comparison_table, numbers, read_earlier
from benchmarks.throughput.machine import BEST_SHAPE, copy_meter, matrix_meter
from benchmarks.throughput.measuring import measure_case
from benchmarks.throughput.operations import profile
from benchmarks.throughput.tables import case_table, draw_scaling
from ramac_jax.cli.options.agent import DEFAULT_PRECISION
from ramac_jax.cli.options.sections import choices
from ramac_jax.cli.reporting.figures.style import DPI
from ramac_jax.cli.runs.agents import training_in
from ramac_jax.devices.mesh import are_cores
from ramac_jax.errors import check_names
from ramac_jax.files import write_json
from ramac_jax.registry import HEADS, PRECISIONS


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    cases: Annotated[tuple[str, ...], choices(tuple(CASES), "Agents to time")] = tuple(
        CASES
    )
    populations: tuple[int, ...] = (1, 2, 4, 8, 16)
    """Numbers of agents trained side by side."""
    head: Annotated[
        str, choices(tuple(HEADS), "How the last layers of the critics are computed")
    ] = "plain"
    precision: Annotated[
        str, choices(tuple(PRECISIONS), "What all of it computes with")
    ] = DEFAULT_PRECISION
    call_seconds: float = 4.0
    """About how long a timed call is to take."""
    repeats: int = 5
    """Timed calls of each kind; the median counts."""
    out: Path | None = None
    """JSON file to write; None: print only."""
    figure: Path | None = None
    """PNG file to draw agent-updates/s over agents in, those of one agent being 1."""
    compare: Path | None = None
    """JSON file of an earlier --out: print what has changed since."""
    profile: Annotated[
        str | None,
        choices(tuple(CASES), "Time nothing, but print what an update goes into, of"),
    ] = None

    @property
    def sizes(self) -> list[int]:
        """Numbers of agents, each once."""
        return sorted(set(self.populations))

    def case(self, name: str) -> Case:
        """A case by its name, computed as told."""
        return CASES[name].computed(self.head, self.precision)


def check(arguments: Arguments) -> None:
    """Raise `InputError` for options that cannot be honoured; touches nothing."""
    check_names("case", arguments.cases, CASES)
    check_names("head", [arguments.head], HEADS)
    check_names("precision", [arguments.precision], PRECISIONS)
    if not arguments.cases or not arguments.populations:
        raise rj.InputError("--cases and --populations: give at least one each")
    if min(*arguments.populations, arguments.repeats) < 1:
        raise rj.InputError("--populations and --repeats: give 1 or more")
    if not arguments.call_seconds > 0.0:
        raise rj.InputError(
            f"--call-seconds is {arguments.call_seconds:g}: give more than 0"
        )
    devices = 1 if are_cores() else jax.device_count()
    if any(size % devices for size in arguments.sizes):
        raise rj.InputError(f"--populations: give multiples of {devices} (devices)")
    check_files(arguments)


def check_files(arguments: Arguments) -> None:
    """Raise `InputError` for files that cannot be written, or have no use."""
    figure = arguments.figure
    if arguments.profile is not None:
        check_names("case", [arguments.profile], CASES)
        if arguments.out or figure or arguments.compare:
            raise rj.InputError(
                "--profile measures nothing for --out, --figure or --compare: "
                "leave them out"
            )
    for name, path in (("out", arguments.out), ("figure", figure)):
        folder = None if path is None else path.absolute().parent
        if folder and not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
            raise rj.InputError(
                f"--{name} is {path}: {folder} is no folder that can be written to"
            )
        if path is not None and path.is_dir():
            raise rj.InputError(f"--{name} is {path}, a folder: give a file")
    if figure is not None and figure.suffix != ".png":
        raise rj.InputError(f"--figure is {figure}: give a name that ends in .png")
    if figure is not None and 1 not in arguments.sizes:
        raise rj.InputError("--figure compares with one agent: give --populations 1")


def measure(arguments: Arguments, screen: Console) -> dict[str, Any]:
    """What is found of each case, by name, printed as it comes."""
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
    arguments = tyro.cli(Arguments, prog="python -m benchmarks.throughput", args=argv)
    check(arguments)
    if arguments.profile is not None:
        with training_in(arguments.precision):
            profile(arguments.profile, arguments.case(arguments.profile))
        return
    path, then = arguments.compare, {}
    if path is not None:
        then = read_earlier(path, arguments.cases, arguments.sizes)
    screen = Console(width=132)
    with training_in(arguments.precision):
        found = measure(arguments, screen)
    if path is not None:
        screen.print(comparison_table(path, then, numbers(found)))
    if arguments.out is not None:
        computed = {"head": arguments.head, "precision": arguments.precision}
        result = {"cases": found, **computed, **circumstances("throughput")}
        write_json(arguments.out, result)
    if arguments.figure is not None:
        draw_scaling(found).savefig(arguments.figure, dpi=DPI)
