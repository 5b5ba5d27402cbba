"""Samplers of the search against random draws: `python -m benchmarks.search`.

Each sampler searches three known response surfaces of log10 risk_weight, log10
critic_learning_rate and risk level, in batches and one by one, again and again with
other seeds. "best" is the expected score of the setting that a search selects; "share"
is the trials until its mean reaches that of random draws after all trials, as a share
of these; the loss of batches is the best one by one minus that of batches, and its
unit is the maximum of a surface.
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import ramac_jax as rj
from benchmarks import records
from benchmarks.options import check_at_least, check_not_empty
from benchmarks.search.curves import curves_on, summary
from benchmarks.search.surfaces import SPACE, SURFACES
from ramac_jax.cli.options.words import read_words
from ramac_jax.errors import check_names
from ramac_jax.search import make_sampler

SAMPLERS = ("random", "qmc", "tpe", "cmaes")


@dataclasses.dataclass(frozen=True)
class SearchOptions:
    """The options of all comparisons of samplers."""

    out: Path | None = None
    """JSON file to write; None: print only."""
    samplers: tuple[str, ...] = SAMPLERS
    """Samplers to compare; random is always measured."""
    trials: int = 64
    """Trials of a search."""
    batch: int = 8
    """Trials of a round."""
    repetitions: int = 48
    """Searches of each kind, with other seeds."""
    seed: int = 0
    """Of the first search."""

    @property
    def seeds(self) -> range:
        """The seeds of the searches."""
        return range(self.seed, self.seed + self.repetitions)


@dataclasses.dataclass(frozen=True)
class Arguments(SearchOptions):
    """The command line."""

    surfaces: tuple[str, ...] = tuple(SURFACES)
    """Surfaces to search."""


Curves = Callable[[str, int], np.ndarray]
"""(sampler, trials of a round) -> the best so far of each search [R, T]."""


def compare(curves: Curves, arguments: SearchOptions) -> list[dict[str, Any]]:
    """Return a row for each sampler, in batches and one by one."""
    random = curves("random", arguments.batch)
    rows = []
    for sampler in arguments.samplers:
        batches = random
        if sampler != "random":
            batches = curves(sampler, arguments.batch)
        single = curves(sampler, 1)
        rows.append(
            {
                "sampler": sampler,
                "batches": summary(batches, random),
                "one_by_one": summary(single, random),
                "loss_of_batches": float(single[:, -1].mean() - batches[:, -1].mean()),
            }
        )
    return rows


def measure(arguments: Arguments) -> list[dict[str, Any]]:
    """Return the rows of each surface."""
    rows = []
    for name in arguments.surfaces:

        def curves(sampler: str, batch: int, name: str = name) -> np.ndarray:
            return curves_on(
                name,
                sampler,
                trials=arguments.trials,
                batch=batch,
                seeds=arguments.seeds,
            )

        rows += [{"surface": name} | x for x in compare(curves, arguments)]
    return rows


def check(arguments: Arguments) -> None:
    """Raise `InputError` for bad options."""
    check_not_empty(arguments, ["surfaces"])
    check_names("surface", arguments.surfaces, SURFACES)
    check_searches(arguments)


def check_searches(arguments: SearchOptions) -> None:
    """Raise `InputError` for bad samplers, and numbers of trials and searches."""
    check_not_empty(arguments, ["samplers"])
    check_names("sampler", arguments.samplers, SAMPLERS)
    least = {"trials": 1, "batch": 1, "repetitions": 1, "seed": 0}
    check_at_least(arguments, least)
    if arguments.batch > arguments.trials:
        raise rj.InputError(
            f"--batch is {arguments.batch} of {arguments.trials} trials: give fewer"
        )
    for name in arguments.samplers:
        make_sampler(name, SPACE)


def print_table(arguments: SearchOptions, rows: Sequence[dict[str, Any]]) -> None:
    """Print a line for each surface and sampler."""
    table = Table(
        title=f"{arguments.repetitions} searches of {arguments.trials} trials, in "
        f"batches of {arguments.batch} and one by one"
    )
    for title in ("surface", "sampler"):
        table.add_column(title)
    for title in ("best", "one by one", "share", "one by one", "loss of batches"):
        table.add_column(title, justify="right")
    for row in rows:
        table.add_row(row["surface"], *cells(row))
    Console().print(table)


def cells(row: dict[str, Any]) -> list[str]:
    """Return the cells of a row of `compare`: the sampler and its figures."""
    pair = row["batches"], row["one_by_one"]
    best = [f"{x['best']:.3f}" for x in pair]
    shares = ["-" if x["share"] is None else f"{x['share']:.2f}" for x in pair]
    return [row["sampler"], *best, *shares, f"{100.0 * row['loss_of_batches']:.1f} %"]


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    arguments: Arguments = read_words(
        Arguments, argv, prog="python -m benchmarks.search", description=__doc__
    )
    check(arguments)
    records.check_out(arguments.out)
    rows = measure(arguments)
    print_table(arguments, rows)
    options = {name: x for name, x in vars(arguments).items() if name != "out"}
    records.write_record(arguments.out, "search", options | {"rows": rows})
