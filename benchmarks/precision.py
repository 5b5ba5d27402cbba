"""The risky bandit learned in each precision: `python -m benchmarks.precision`.

RADAC and RAFMAC by `ramac bandit`, the same seeds in each. A CPU has no TF32:
there its rounding is imitated, by `rounded_as_tf32`.
"""

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import jax
import tyro
from jax.extend.core.primitives import dot_general_p
from rich.console import Console
from rich.table import Table

import ramac_jax as rj
from benchmarks.circumstances import circumstances
from ramac_jax.cli import folders, process
from ramac_jax.cli.bandit import command as bandit
from ramac_jax.cli.options import bandit as bandit_options
from ramac_jax.cli.options.sections import choices
from ramac_jax.cli.reporting.bandit_tables import COLUMNS, spread
from ramac_jax.cli.reporting.tables import cell
from ramac_jax.errors import check_names
from ramac_jax.files import write_json
from ramac_jax.registry import PRECISIONS

AGENTS = ("radac", "rafmac")
EXPONENT_BITS, MANTISSA_BITS = 8, 10  # of TF32


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    out: Path | None = None
    """JSON file to write; None: print only."""
    precisions: Annotated[
        tuple[str, ...], choices(tuple(PRECISIONS), "What training computes with")
    ] = tuple(PRECISIONS)
    num_seeds: int = 4
    """Agents of each name."""
    bc_steps: int = bandit_options.Arguments.bc_steps
    """Updates of behaviour cloning."""
    critic_steps: int = bandit_options.Arguments.critic_steps
    """Updates of the critics."""
    risk_steps: int = bandit_options.Arguments.risk_steps
    """Updates of the policies."""

    def of_bandit(self, precision: str, out: Path) -> bandit_options.Arguments:
        """The run of `ramac bandit` that learns in a precision."""
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
    """Round the factors of float32 products traced within this as TF32 does.

    That is to 10 bits of mantissa, to the nearest and ties to even; sums stay float32.
    Gradients with respect to factors are rounded once more, which TF32 does not do.
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

    jax.clear_caches()  # of what was traced with other products
    dot_general_p.bind = rounding_bind
    try:
        yield
    finally:
        del dot_general_p.bind
        jax.clear_caches()


def is_imitated(precision: str) -> bool:
    """Whether the device lacks a precision, so that its rounding is imitated."""
    return precision == "tf32" and jax.default_backend() == "cpu"


def measure(arguments: Arguments) -> list[dict[str, Any]]:
    """What the policies of each precision do, seed by seed."""
    found = []
    for precision in arguments.precisions:
        imitated = is_imitated(precision)
        rounding = rounded_as_tf32() if imitated else contextlib.nullcontext()
        with tempfile.TemporaryDirectory() as folder, rounding:
            record = bandit.run(arguments.of_bandit(precision, Path(folder)))
        for policy in record["policies"]:
            told = {name: policy[name] for name in ("name", "seeds", "diverged")}
            found.append({"precision": precision, "imitated": imitated} | told)
    return found


def table(found: Sequence[dict[str, Any]]) -> Table:
    """Mean over seeds, and lowest to highest seed."""
    made = Table(title="The risky bandit by precision, [lowest, highest seed]")
    for title in ("agent", "precision"):
        made.add_column(title)
    for title, _ in COLUMNS.values():
        made.add_column(title, justify="right")
    for told in found:
        precision = told["precision"] + (", imitated" if told["imitated"] else "")
        cells = [
            cell(spread([seed[name] for seed in told["seeds"]]), unit, "\n")
            for name, (_, unit) in COLUMNS.items()
        ]
        made.add_row(told["name"], precision, *cells)
    return made


def check(arguments: Arguments) -> None:
    """Raise `InputError` for options that nothing can be measured with."""
    if not arguments.precisions:
        raise rj.InputError("--precisions names none: give at least one")
    check_names("precision", arguments.precisions, PRECISIONS)
    with tempfile.TemporaryDirectory() as folder:
        bandit_options.check(arguments.of_bandit(arguments.precisions[0], Path(folder)))


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    arguments = tyro.cli(
        Arguments, prog="python -m benchmarks.precision", args=list(argv)
    )
    check(arguments)
    if arguments.out is not None:
        folders.writable_folder(arguments.out.absolute().parent)
    found = measure(arguments)
    Console(width=100).print(table(found))
    if arguments.out is not None:
        options = {k: x for k, x in vars(arguments).items() if k != "out"}
        result = options | {"policies": found} | circumstances("precision")
        write_json(arguments.out, result)


if __name__ == "__main__":
    process.run_command(
        main, "benchmarks.precision", many_cores=True, keep_programs=False
    )
