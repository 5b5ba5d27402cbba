"""The risky bandit in each precision: `python -m benchmarks.precision`.

`ramac bandit` trains RADAC and RAFMAC with the same seeds in each precision. A CPU has
no TF32: `rounded_as_tf32` imitates its rounding there.
"""

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import jax
from jax.extend.core.primitives import dot_general_p
from rich.console import Console
from rich.table import Table

from benchmarks import records
from benchmarks.options import check_not_empty
from ramac_jax.cli import process
from ramac_jax.cli.bandit import command as bandit
from ramac_jax.cli.options import bandit as bandit_options
from ramac_jax.cli.options.sections import choices
from ramac_jax.cli.options.words import read_words
from ramac_jax.cli.reporting.bandit_tables import COLUMNS, spread
from ramac_jax.cli.reporting.tables import cell
from ramac_jax.errors import check_names
from ramac_jax.registry import PRECISIONS

AGENTS = ("radac", "rafmac")
EXPONENT_BITS, MANTISSA_BITS = 8, 10  # of TF32


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    out: Path | None = None
    """JSON file to write; None: print only."""
    precisions: Annotated[
        tuple[str, ...], choices(tuple(PRECISIONS), "Precisions of the training")
    ] = tuple(PRECISIONS)
    num_seeds: int = 4
    """Seeds of each agent."""
    bc_steps: int = bandit_options.Arguments.bc_steps
    """Updates of behaviour cloning."""
    critic_steps: int = bandit_options.Arguments.critic_steps
    """Updates of the critics."""
    risk_steps: int = bandit_options.Arguments.risk_steps
    """Updates of the policies."""

    def bandit_run(self, precision: str, out: Path) -> bandit_options.Arguments:
        """Return the options of `ramac bandit` for a precision."""
        return bandit_options.Arguments(
            out=out,
            agents=AGENTS,
            num_seeds=self.num_seeds,
            bc_steps=self.bc_steps,
            critic_steps=self.critic_steps,
            risk_steps=self.risk_steps,
            precision=precision,
        )


@contextlib.contextmanager
def rounded_as_tf32() -> Iterator[None]:
    """Round the factors of float32 products that are traced in this context, like TF32.

    The factors keep 10 bits of mantissa, rounded to nearest, ties to even; sums stay
    in float32. Unlike TF32, gradients with respect to the factors are rounded too.
    """
    bind = dot_general_p.bind
    rounded = partial(
        jax.lax.reduce_precision,
        exponent_bits=EXPONENT_BITS,
        mantissa_bits=MANTISSA_BITS,
    )

    def rounding_bind(lhs: Any, rhs: Any, **options: Any) -> Any:
        if lhs.dtype == rhs.dtype == "float32":
            lhs, rhs = rounded(lhs), rounded(rhs)
        return bind(lhs, rhs, **options)

    jax.clear_caches()  # of functions that were traced with other products
    dot_general_p.bind = rounding_bind
    try:
        yield
    finally:
        del dot_general_p.bind
        jax.clear_caches()


def is_imitated(precision: str) -> bool:
    """Return whether the device lacks a precision, whose rounding is then imitated."""
    return precision == "tf32" and jax.default_backend() == "cpu"


def measure(arguments: Arguments) -> list[dict[str, Any]]:
    """Return the scores of the policies of each precision, seed by seed."""
    found = []
    for precision in arguments.precisions:
        imitated = is_imitated(precision)
        rounding = rounded_as_tf32() if imitated else contextlib.nullcontext()
        with tempfile.TemporaryDirectory() as folder, rounding:
            record = bandit.run(arguments.bandit_run(precision, Path(folder)))
        for policy in record["policies"]:
            kept = {name: policy[name] for name in ("name", "seeds", "diverged")}
            found.append({"precision": precision, "imitated": imitated} | kept)
    return found


def table(found: Sequence[dict[str, Any]]) -> Table:
    """Return a table of the mean over seeds, and of the lowest and highest seed."""
    made = Table(title="The risky bandit by precision, [lowest, highest seed]")
    for title in ("agent", "precision"):
        made.add_column(title)
    for title, _ in COLUMNS.values():
        made.add_column(title, justify="right")
    for policy in found:
        precision = policy["precision"]
        if policy["imitated"]:
            precision += ", imitated"
        cells = [
            cell(spread([seed[name] for seed in policy["seeds"]]), unit, "\n")
            for name, (_, unit) in COLUMNS.items()
        ]
        made.add_row(policy["name"], precision, *cells)
    return made


def check(arguments: Arguments) -> None:
    """Raise `InputError` for bad options, before any training."""
    check_not_empty(arguments, ["precisions"])
    check_names("precision", arguments.precisions, PRECISIONS)
    with tempfile.TemporaryDirectory() as folder:
        bandit_options.check(
            arguments.bandit_run(arguments.precisions[0], Path(folder))
        )


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    arguments: Arguments = read_words(
        Arguments, argv, prog="python -m benchmarks.precision", description=__doc__
    )
    check(arguments)
    records.check_out(arguments.out)
    found = measure(arguments)
    Console(width=100).print(table(found))
    options = {name: x for name, x in vars(arguments).items() if name != "out"}
    result = options | {"policies": found}
    records.write_record(arguments.out, "precision", result)


if __name__ == "__main__":
    process.run_command(
        main, "benchmarks.precision", many_cores=True, keep_programs=False
    )
