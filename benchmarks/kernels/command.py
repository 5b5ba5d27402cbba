"""What XLA makes of an update for one H200, which need not be there: a prediction.

Kernels of an update, the bytes that they move for each agent and the memory that the
program takes, for each form of the critics' head and each precision. Time is not told:
an update takes no less than its bytes take at the GPU's bandwidth, nor than its kernels
take to be launched.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import jax
import tyro
from rich.console import Console
from rich.table import Table

import ramac_jax as rj
from benchmarks.circumstances import circumstances
from benchmarks.kernels.compiling import (
    BYTES_PER_SECOND,
    NAME,
    absent_gpu,
    compile_population,
)
from benchmarks.kernels.reading import count_kernels
from benchmarks.throughput.cases import CASES
from ramac_jax.cli import folders
from ramac_jax.cli.options.sections import choices
from ramac_jax.cli.runs.agents import training_in
from ramac_jax.errors import check_names
from ramac_jax.files import write_json
from ramac_jax.registry import HEADS, PRECISIONS


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    cases: Annotated[tuple[str, ...], choices(tuple(CASES), "Agents")] = (
        "preset",
        "preset-flow",
        "small",
    )
    populations: tuple[int, ...] = (1, 64)
    """Numbers of agents trained side by side."""
    heads: Annotated[
        tuple[str, ...], choices(tuple(HEADS), "Forms of the critics' last layers")
    ] = tuple(HEADS)
    precisions: Annotated[
        tuple[str, ...], choices(tuple(PRECISIONS), "What training computes with")
    ] = ("tf32", "bfloat16")
    out: Path | None = None
    """JSON file to write; None: print only."""


def check(arguments: Arguments) -> None:
    """Raise `InputError` for options that nothing can be compiled with."""
    for kind, known in (("case", CASES), ("head", HEADS), ("precision", PRECISIONS)):
        names = getattr(arguments, f"{kind}s")
        if not names:
            raise rj.InputError(f"--{kind}s names none: give at least one")
        check_names(kind, names, known)
    if not arguments.populations or min(arguments.populations) < 1:
        raise rj.InputError("--populations: give numbers of 1 or more")


def measure(arguments: Arguments) -> list[dict[str, Any]]:
    """What is found of each combination of the options."""
    gpu, found = absent_gpu(), []
    for name, size, head, precision in itertools.product(
        arguments.cases, arguments.populations, arguments.heads, arguments.precisions
    ):
        case = CASES[name].computed(head, precision)
        with training_in(precision):
            program = compile_population(case, size, gpu)
        kernels = count_kernels(program.as_text() or "")
        memory: Any = program.memory_analysis()
        found.append(
            {
                "case": name,
                "agents": size,
                "head": head,
                "precision": precision,
                "kernels": kernels.number,
                "products": kernels.products,
                "megabytes_per_agent_update": kernels.num_bytes / size / 1e6,
                "megabytes_held": memory.temp_size_in_bytes / 1e6,
                "agent_updates_per_s_at_most": size
                * BYTES_PER_SECOND
                / kernels.num_bytes,
            }
        )
    return found


def table(found: Sequence[dict[str, Any]]) -> Table:
    """A row of each combination."""
    made = Table(
        title=f"One update, compiled for an {NAME}; nothing was run",
        caption="MB: moved for each agent, and held besides states and data. At most: "
        "agent-updates/s that the bandwidth leaves.",
    )
    for title in ("case", "agents", "head", "precision"):
        made.add_column(title, justify="right" if title == "agents" else "left")
    for title in ("kernels", "products", "MB moved", "MB held", "at most"):
        made.add_column(title, justify="right")
    for row in found:
        *names, kernels, products, moved, memory, rate = row.values()
        made.add_row(
            *map(str, names),
            str(kernels),
            str(products),
            f"{moved:.3g}",
            f"{memory:.0f}",
            f"{rate:,.0f}",
        )
    return made


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    arguments = tyro.cli(
        Arguments,
        prog="python -m benchmarks.kernels",
        description=__doc__,
        args=list(argv),
    )
    check(arguments)
    if arguments.out is not None:
        folders.writable_folder(arguments.out.absolute().parent)
    jax.config.update("jax_platforms", "cpu")  # whatever devices there are
    around = circumstances("kernels")
    found = measure(arguments)
    Console(width=120).print(table(found))
    if arguments.out is not None:
        options = {k: x for k, x in vars(arguments).items() if k != "out"}
        result = options | {"gpu": NAME, "programs": found} | around
        write_json(arguments.out, result)
