"""Coverage of the intervals of CVaR: `python -m benchmarks.coverage`.

Episodes are drawn from laws of returns that are known, of seeds that differ, and the
intervals of `ramac_jax.evaluation` are compared with the truth: those over the episodes
of fixed seeds, and those over seeds. A percentile bootstrap of the same episodes is
measured beside them.
"""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import ramac_jax as rj
from benchmarks import records
from benchmarks.coverage.laws import LAWS, Law, middles
from benchmarks.options import check_at_least, check_not_empty
from ramac_jax.cli.options.words import read_words
from ramac_jax.errors import check_names
from ramac_jax.evaluation import (
    Interval,
    corrected_cvar,
    cvar,
    jackknife_interval,
    mean_interval,
    per_seed_cvar,
    pooled_cvar,
)

GRID = 100_000  # fractions of a law for its true CVaR
SEEDS = 200  # of infinitely many, for the truth over seeds
RESAMPLES = 1000  # of the percentile bootstrap


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    out: Path | None = None
    """JSON file to write; None: print only."""
    laws: tuple[str, ...] = tuple(LAWS)
    """Laws of returns."""
    episodes: tuple[int, ...] = (20, 50, 100, 300)
    """Numbers of episodes of each seed."""
    seeds: tuple[int, ...] = (1, 3, 5, 10, 20)
    """Numbers of seeds."""
    level: float = 0.1
    """Level of the CVaR."""
    trials: int = 1000
    """Evaluations of each kind."""
    seed: int = 0
    """Seed of the draws."""


def measured(intervals: Sequence[Interval], truth: float) -> dict[str, float | None]:
    """Return how often intervals hold the truth, and where they miss it.

    "unknown" is the share without bounds; the others are shares of the rest, and the
    median width.
    """
    bounds = np.array([(x.low, x.high) for x in intervals])
    low, high = bounds[np.isfinite(bounds).all(axis=-1)].T
    slack = 1e-9 * max(abs(truth), 1.0)
    unknown = 1.0 - len(low) / len(bounds)
    if not len(low):
        return {"unknown": unknown, "coverage": None}
    return {
        "unknown": unknown,
        "coverage": float(np.mean((low <= truth + slack) & (truth - slack <= high))),
        "truth_below": float(np.mean(truth + slack < low)),
        "truth_above": float(np.mean(high < truth - slack)),
        "width": float(np.median(high - low)),
    }


def percentile_bootstrap(
    returns: np.ndarray, level: float, draw: np.random.Generator
) -> list[Interval]:
    """Return percentile intervals of the CVaR of one seed's returns [T, M] each."""
    size = returns.shape[-1]
    counts = draw.multinomial(size, np.full(size, 1.0 / size), size=RESAMPLES)
    tail = level * size
    below = np.minimum(np.cumsum(counts, axis=-1), tail)
    weight = np.diff(below, axis=-1, prepend=0.0) / tail  # [R, M], of ordered returns
    found = np.sort(returns, axis=-1) @ weight.T
    bounds = np.quantile(found, [0.025, 0.975], axis=-1).T
    values = cvar(returns, level)
    return [Interval(x, *row) for x, row in zip(values, bounds, strict=True)]


def over_episodes(
    law: Law, seeds: int, episodes: int, arguments: Arguments, draw: np.random.Generator
) -> list[dict[str, Any]]:
    """Return the coverage of the intervals over the episodes of K seeds."""
    level, effect = arguments.level, middles(seeds)[:, None]
    truth = law(middles(GRID // seeds), effect)  # [K, N]
    played = law(draw.random((arguments.trials, seeds, episodes)), effect)
    spread = float(truth.std())
    kinds = [("pooled", pooled_cvar(level), float(cvar(truth.ravel(), level)))]
    if seeds > 1:
        mean = float(cvar(truth, level).mean())
        kinds.append(("per seed", per_seed_cvar(level), mean))
    rows = []
    for kind, statistic, exact in kinds:
        found = [jackknife_interval([*each], statistic) for each in played]
        plain = cvar(played.reshape(len(played), -1), level)
        if kind == "per seed":
            plain = cvar(played, level).mean(axis=-1)
        row = measured(found, exact) | {
            "bias": float(np.mean([x.value for x in found]) - exact) / spread,
            "uncorrected_bias": float(plain.mean() - exact) / spread,
        }
        if seeds == 1:
            old = percentile_bootstrap(played[:, 0], level, draw)
            row["percentile_bootstrap"] = measured(old, exact)["coverage"]
        rows.append({"interval": f"{kind}, over episodes", **row})
    return rows


@functools.cache
def truth_over_seeds(law: Law, level: float) -> float:
    """Return the mean CVaR of infinitely many seeds, almost."""
    return float(cvar(law(middles(GRID // 10), middles(SEEDS)[:, None]), level).mean())


def over_seeds(
    law: Law, seeds: int, episodes: int, arguments: Arguments, draw: np.random.Generator
) -> dict[str, Any]:
    """Return the coverage of the intervals over K seeds of CVaRs of their episodes."""
    level, shape = arguments.level, (arguments.trials, seeds, episodes)
    truth = truth_over_seeds(law, level)
    played = law(draw.random(shape), draw.random((*shape[:2], 1)))
    found = [mean_interval(each) for each in corrected_cvar(played, level)]
    plain = [mean_interval(each) for each in cvar(played, level)]
    row = measured(found, truth)
    row["uncorrected"] = measured(plain, truth)["coverage"]
    return {"interval": "per seed, over seeds", **row}


def measure(arguments: Arguments) -> list[dict[str, Any]]:
    """Return a row for each law, number of seeds and of episodes, and interval."""
    draw, rows = np.random.default_rng(arguments.seed), []
    for name in arguments.laws:
        for seeds in arguments.seeds:
            for episodes in arguments.episodes:
                asked = (LAWS[name], seeds, episodes, arguments, draw)
                found = over_episodes(*asked)
                if seeds > 1:
                    found.append(over_seeds(*asked))
                which = {"law": name, "seeds": seeds, "episodes": episodes}
                rows += [which | row for row in found]
    return rows


def check(arguments: Arguments) -> None:
    """Raise `InputError` for bad options."""
    check_not_empty(arguments, ("laws", "episodes", "seeds"))
    check_names("law", arguments.laws, LAWS)
    least = {"episodes": 1, "seeds": 1, "trials": 1, "seed": 0}
    check_at_least(arguments, least)
    if not 0.0 < arguments.level <= 1.0:
        raise rj.InputError(
            f"--level is {arguments.level:g}: give one above 0 and at most 1"
        )


def percent(share: float | None) -> str:
    """Return a share in percent."""
    return "-" if share is None else f"{100.0 * share:.1f}"


def print_table(arguments: Arguments, rows: Sequence[dict[str, Any]]) -> None:
    """Print the coverage of each interval, a column for each number of episodes."""
    output = Console()
    for interval in dict.fromkeys(row["interval"] for row in rows):
        table = Table(
            title=f"CVaR_{arguments.level:g} {interval}: coverage in %, by the number "
            "of episodes of each seed"
        )
        for title in ("law", "seeds", *map(str, arguments.episodes)):
            table.add_column(title, justify="left" if title == "law" else "right")
        of_interval = [row for row in rows if row["interval"] == interval]
        for law, seeds in dict.fromkeys((x["law"], x["seeds"]) for x in of_interval):
            cells = [
                percent(row["coverage"])
                for row in of_interval
                if (row["law"], row["seeds"]) == (law, seeds)
            ]
            table.add_row(law, str(seeds), *cells)
        output.print(table)


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    arguments: Arguments = read_words(
        Arguments,
        argv,
        prog="python -m benchmarks.coverage",
        description=__doc__,
    )
    check(arguments)
    records.check_out(arguments.out)
    rows = measure(arguments)
    print_table(arguments, rows)
    options = {name: x for name, x in vars(arguments).items() if name != "out"}
    records.write_record(arguments.out, "coverage", options | {"rows": rows})
