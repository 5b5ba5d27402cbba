"""How far estimates of CVaR scatter: `python -m benchmarks.fractions`.

The actor's value is CVaR as the mean of Z(level tau) over some fractions tau, drawn
freely as the paper does or one of each of as many equal strata. Here Z is known: the
quantiles of a standard normal, and of what the ring of the risky bandit pays.
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table
from scipy.special import ndtr, ndtri

import ramac_jax as rj
from benchmarks.circumstances import circumstances
from ramac_jax.cli import folders, process
from ramac_jax.compute import random_numbers as randomness
from ramac_jax.envs import bandit
from ramac_jax.files import write_json

LEAST = 2.0**-25  # in place of a fraction that is 0, whose quantile may be infinite
FAR = 10.0  # deviations beyond which no quantile is looked for
HALVINGS = 45  # to 1e-12

Draw = Callable[[Any, int], Any]  # (key, N) -> fractions [N]
DRAWS: dict[str, Draw] = {
    "free": lambda key, size: randomness.uniform(key, (size,)),
    "stratified": lambda key, size: randomness.stratified(
        randomness.uniform(key, (size,))
    ),
}
"""Ways to draw fractions, as `ramac_jax.ramac` does for the actor."""


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    out: Path | None = None
    """JSON file to write; None: print only."""
    free: tuple[int, ...] = (32, 8)
    """Numbers of fractions drawn freely."""
    stratified: tuple[int, ...] = (8, 7)
    """Numbers of strata. Where the returns have a jump, one number may happen to part
    there and gain all by it, and its neighbour not."""
    level: float = 0.1
    """Level of the CVaR."""
    num_draws: int = 100_000
    """Estimates of each kind."""
    seed: int = 0
    """Of the draws."""


class Returns(NamedTuple):
    """A distribution of returns."""

    quantile: Callable[[np.ndarray], np.ndarray]  # of shares in (0, 1)
    cvar: Callable[[float], float]  # exact, of a level in (0, 1)


def normal_cvar(level: float) -> float:
    """-pdf(Z(level)) / level, of N(0, 1)."""
    return -float(np.exp(-0.5 * ndtri(level) ** 2) / np.sqrt(2.0 * np.pi) / level)


def ring_quantile(
    share: np.ndarray, constants: bandit.Constants = bandit.CONSTANTS
) -> np.ndarray:
    """Quantiles of what the ring pays, two normals: their distribution halved to it."""
    spread, penalised = constants.reward_noise, constants.penalty_probability
    low = np.full_like(share, constants.penalty_reward - FAR * spread, np.float64)
    high = np.full_like(share, constants.ring_reward + FAR * spread, np.float64)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        below = penalised * ndtr((middle - constants.penalty_reward) / spread)
        below += (1.0 - penalised) * ndtr((middle - constants.ring_reward) / spread)
        under = below < share
        low, high = np.where(under, middle, low), np.where(under, high, middle)
    return 0.5 * (low + high)


RETURNS = {
    "normal": Returns(ndtri, normal_cvar),
    "ring": Returns(ring_quantile, lambda x: bandit.cvar_of_shares(1.0, 0.0, x)),
}
"""Distributions by name: N(0, 1), and the rewards of the bandit's ring."""


def estimates(
    returns: Returns, draw: Draw, size: int, level: float, num_draws: int, seed: int
) -> np.ndarray:
    """CVaR by `size` fractions, so many times over: [num_draws]."""
    keys = jax.random.split(jax.random.key(seed), num_draws)
    tau = jax.jit(jax.vmap(lambda key: draw(key, size)))(keys)  # [num_draws, N]
    share = np.maximum(np.asarray(rj.risk.cvar(tau, level), np.float64), LEAST)
    return returns.quantile(share).mean(axis=1)


def measure(arguments: Arguments) -> dict[str, Any]:
    """The exact CVaR of each distribution, and what estimates of it come to."""
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
    """Raise `InputError` for options that nothing can be measured with."""
    for name in ("free", "stratified"):
        for size in getattr(arguments, name):
            if size < 1:
                raise rj.InputError(f"--{name} holds {size}: give 1 or more")
    if not arguments.free and not arguments.stratified:
        raise rj.InputError("nothing to draw: give --free or --stratified")
    if not 0.0 < arguments.level < 1.0:
        raise rj.InputError(
            f"--level is {arguments.level:g}: give one above 0 and below 1"
        )
    for name, least in (("num_draws", 2), ("seed", 0)):
        value = getattr(arguments, name)
        if value < least:
            option = name.replace("_", "-")
            raise rj.InputError(f"--{option} is {value}: give {least} or more")


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    arguments = tyro.cli(
        Arguments, prog="python -m benchmarks.fractions", args=list(argv)
    )
    check(arguments)
    if arguments.out is not None:
        folders.writable_folder(arguments.out.absolute().parent)
    found = measure(arguments)
    table = Table(
        title=f"Estimates of CVaR_{arguments.level:g}, {arguments.num_draws:,} of each"
    )
    for title in ("returns", "exact", "fractions", "mean", "standard deviation"):
        table.add_column(title, justify="left" if title == "returns" else "right")
    for name, told in found.items():
        for row in told["estimates"]:
            table.add_row(
                name,
                f"{told['cvar']:.4f}",
                f"{row['fractions']} {row['drawn']}",
                f"{row['mean']:.4f}",
                f"{row['standard_deviation']:.4f}",
            )
    Console(width=80).print(table)
    if arguments.out is not None:
        options = {k: x for k, x in vars(arguments).items() if k != "out"}
        result = options | {"returns": found} | circumstances("fractions")
        write_json(arguments.out, result)


if __name__ == "__main__":
    process.run_command(main, "benchmarks.fractions", keep_programs=False)
