"""Kernels of an update on an H200, predicted without a GPU.

XLA compiles the training program for an H200. For each critic head and each precision
the benchmark reports the kernels of an update, the bytes that they move for each agent,
and the memory of the program. It runs nothing and predicts no time: the memory
bandwidth and the launches of the kernels give lower bounds on the time of an update.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import jax
from rich.console import Console
from rich.table import Table

from benchmarks import records
from benchmarks.kernels.compilation import (
    BYTES_PER_SECOND,
    NAME,
    absent_gpu,
    compile_population,
)
from benchmarks.kernels.kernel_counts import count_kernels
from benchmarks.options import check_at_least, check_not_empty
from benchmarks.throughput.cases import CASES
from ramac_jax.cli.options.sections import choices
from ramac_jax.cli.options.words import read_words
from ramac_jax.cli.runs.agents import training_in
from ramac_jax.errors import check_names
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
    """Sizes of the populations."""
    heads: Annotated[
        tuple[str, ...], choices(tuple(HEADS), "Implementations of the critic head")
    ] = tuple(HEADS)
    precisions: Annotated[
        tuple[str, ...], choices(tuple(PRECISIONS), "Precisions of the training")
    ] = ("tf32", "bfloat16")
    out: Path | None = None
    """JSON file to write; None: print only."""


def check(arguments: Arguments) -> None:
    """Raise `InputError` for bad options, before any compilation."""
    check_not_empty(arguments, ["cases", "heads", "precisions", "populations"])
    check_at_least(arguments, {"populations": 1})
    for kind, known in (("case", CASES), ("head", HEADS), ("precision", PRECISIONS)):
        check_names(kind, getattr(arguments, f"{kind}s"), known)


def measure(arguments: Arguments) -> list[dict[str, Any]]:
    """Return the counts of each combination of the options."""
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
    """Return a table with a row for each combination."""
    made = Table(
        title=f"One update, compiled for an {NAME} and not run",
        caption="MB moved: for each agent. MB held: in addition to states and data. At "
        "most: agent-updates/s at the memory bandwidth.",
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
    arguments: Arguments = read_words(
        Arguments, argv, prog="python -m benchmarks.kernels", description=__doc__
    )
    check(arguments)
    records.check_out(arguments.out)
    jax.config.update("jax_platforms", "cpu")  # on any machine
    found = measure(arguments)
    Console(width=120).print(table(found))
    options = {name: x for name, x in vars(arguments).items() if name != "out"}
    result = options | {"gpu": NAME, "programs": found}
    records.write_record(arguments.out, "kernels", result)
