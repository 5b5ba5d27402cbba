"""Standard deviation of estimates of CVaR: `python -m benchmarks.fractions`.

The actor estimates CVaR as the mean of Z(level tau) over N fractions tau. The paper
draws the fractions independently; the alternative draws one in each of N equal strata.
Here Z is known: a standard normal, and the rewards of the risky bandit's ring.
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.special import ndtr, ndtri

import ramac_jax as rj
from benchmarks import records
from benchmarks.options import check_at_least
from ramac_jax.cli import process
from ramac_jax.cli.options.words import read_words
from ramac_jax.compute import random_numbers
from ramac_jax.envs import bandit

SMALLEST = 2.0**-25  # replaces a fraction of 0, whose quantile may be infinite
REACH = 10.0  # standard deviations from a mean within which quantiles are searched
BISECTIONS = 45  # for an error of 1e-12

Draw = Callable[[Any, int], Any]  # (key, N) -> fractions [N]
DRAWS: dict[str, Draw] = {
    "free": lambda key, size: random_numbers.uniform(key, (size,)),
    "stratified": lambda key, size: random_numbers.stratified(
        random_numbers.uniform(key, (size,))
    ),
}
"""Ways to draw fractions, as `ramac_jax.ramac_agent` does for the actor."""


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    out: Path | None = None
    """JSON file to write; None: print only."""
    free: tuple[int, ...] = (32, 8)
    """Numbers of independent fractions."""
    stratified: tuple[int, ...] = (8, 7)
    """Numbers of strata. Try several: where the returns have a jump, strata help most
    if one of their boundaries happens to lie at the jump."""
    level: float = 0.1
    """Level of the CVaR."""
    num_draws: int = 100_000
    """Estimates of each kind."""
    seed: int = 0
    """Seed of the draws."""


class Returns(NamedTuple):
    """A distribution of returns."""

    quantile: Callable[[np.ndarray], np.ndarray]  # of fractions in (0, 1)
    cvar: Callable[[float], float]  # exact, at a level in (0, 1)


def normal_cvar(level: float) -> float:
    """Return the CVaR of N(0, 1): -pdf(Z(level)) / level."""
    return -float(np.exp(-0.5 * ndtri(level) ** 2) / np.sqrt(2.0 * np.pi) / level)


def ring_quantile(
    fraction: np.ndarray, constants: bandit.Constants = bandit.CONSTANTS
) -> np.ndarray:
    """Return quantiles of the ring's rewards by bisection of their distribution.

    The rewards are a mixture of two normals.

    Args:
      fraction: any shape, in (0, 1).
      constants: of the bandit.
    """
    std, penalised = constants.reward_noise, constants.penalty_probability
    low = np.full_like(fraction, constants.penalty_reward - REACH * std, np.float64)
    high = np.full_like(fraction, constants.ring_reward + REACH * std, np.float64)
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        below = penalised * ndtr((middle - constants.penalty_reward) / std)
        below += (1.0 - penalised) * ndtr((middle - constants.ring_reward) / std)
        under = below < fraction
        low, high = np.where(under, middle, low), np.where(under, high, middle)
    return 0.5 * (low + high)


RETURNS = {
    "normal": Returns(quantile=ndtri, cvar=normal_cvar),
    "ring": Returns(
        quantile=ring_quantile,
        cvar=lambda level: bandit.cvar_of_shares(1.0, 0.0, level),
    ),
}
"""Distributions by name: N(0, 1), and the rewards of the bandit's ring."""


def estimates(
    returns: Returns, draw: Draw, size: int, level: float, num_draws: int, seed: int
) -> np.ndarray:
    """Return estimates [num_draws] of CVaR, each from `size` fractions."""
    keys = jax.random.split(jax.random.key(seed), num_draws)
    tau = jax.jit(jax.vmap(lambda key: draw(key, size)))(keys)  # [num_draws, N]
    fraction = np.asarray(rj.risk.cvar(tau, level), np.float64)
    return returns.quantile(np.maximum(fraction, SMALLEST)).mean(axis=1)


def measure(arguments: Arguments) -> dict[str, Any]:
    """Return the exact CVaR of each distribution, and statistics of its estimates."""
    found = {}
    for name, returns in RETURNS.items():
        rows = []
        for kind, draw in DRAWS.items():
            for size in getattr(arguments, kind):
                seen = estimates(
                    returns,
                    draw,
                    size,
                    arguments.level,
                    arguments.num_draws,
                    arguments.seed,
                )
                rows.append(
                    {
                        "fractions": size,
                        "drawn": kind,
                        "mean": float(seen.mean()),
                        "standard_deviation": float(seen.std()),
                    }
                )
        found[name] = {"cvar": returns.cvar(arguments.level), "estimates": rows}
    return found


def check(arguments: Arguments) -> None:
    """Raise `InputError` for bad options."""
    least = {"free": 1, "stratified": 1, "num_draws": 2, "seed": 0}
    check_at_least(arguments, least)
    if not arguments.free and not arguments.stratified:
        raise rj.InputError("no fractions: give --free or --stratified")
    if not 0.0 < arguments.level < 1.0:
        raise rj.InputError(
            f"--level is {arguments.level:g}: give one above 0 and below 1"
        )


def print_table(arguments: Arguments, found: dict[str, Any]) -> None:
    """Print the measurements."""
    kind = f"CVaR_{arguments.level:g}"
    table = Table(title=f"{arguments.num_draws:,} estimates of {kind} in each row")
    for title in ("returns", "exact", "fractions", "mean", "standard deviation"):
        table.add_column(title, justify="left" if title == "returns" else "right")
    for name, result in found.items():
        for row in result["estimates"]:
            table.add_row(
                name,
                f"{result['cvar']:.4f}",
                f"{row['fractions']} {row['drawn']}",
                f"{row['mean']:.4f}",
                f"{row['standard_deviation']:.4f}",
            )
    Console(width=80).print(table)


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    arguments: Arguments = read_words(
        Arguments, argv, prog="python -m benchmarks.fractions", description=__doc__
    )
    check(arguments)
    records.check_out(arguments.out)
    found = measure(arguments)
    print_table(arguments, found)
    options = {name: x for name, x in vars(arguments).items() if name != "out"}
    records.write_record(arguments.out, "fractions", options | {"returns": found})


if __name__ == "__main__":
    process.run_command(main, "benchmarks.fractions", keep_programs=False)
