"""The command: laws and critics by name, a table, a record and a figure."""

import dataclasses
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import ramac_jax as rj
from benchmarks import records
from benchmarks.options import check_at_least, check_not_empty
from benchmarks.tails import laws, training, truth
from benchmarks.tails.critics import CRITICS, DEFAULT, Settings
from benchmarks.tails.laws import LAWS, Law
from ramac_jax.cli.options.words import read_words
from ramac_jax.errors import check_names

NUM_EPISODES = 200_000
"""Simulated episodes of a law."""
MUCH_LEFT = 0.03
"""Share of the first error above which a reading says little of a critic."""
NUM_SHOWN = 100
"""Quantiles of the record, each the mean over one of as many equal parts."""


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    laws: tuple[str, ...] = tuple(LAWS)
    """Laws by name."""
    atoms: tuple[float, ...] | None = None
    """Rewards of an endless chain of your own, instead of the laws by name."""
    probabilities: tuple[float, ...] | None = None
    """Their probabilities."""
    discount: float | None = None
    """Its discount; default: 0.99."""
    critics: tuple[str, ...] = tuple(CRITICS)
    """Critics by name."""
    updates: int = 12_000
    """Updates of a critic."""
    seeds: int = 3
    """Seeds of a critic."""
    out: Path | None = None
    """JSON file to write; None: print only."""
    figure: Path | None = None
    """PNG file of true and learned quantiles to write; None: none."""


def check(arguments: Arguments) -> None:
    """Raise `InputError` for bad options."""
    check_at_least(arguments, {"updates": 1, "seeds": 1})
    check_not_empty(arguments, ["laws", "critics"])
    check_names("law", arguments.laws, LAWS)
    check_names("critic", arguments.critics, CRITICS)
    if (arguments.atoms is None) != (arguments.probabilities is None):
        raise rj.InputError("give --atoms and --probabilities together")
    if arguments.atoms is not None and arguments.laws != tuple(LAWS):
        raise rj.InputError("give --laws or --atoms, not both")
    if arguments.atoms is None and arguments.discount is not None:
        raise rj.InputError("--discount is that of --atoms: give them too")
    if arguments.figure is not None and arguments.figure.suffix != ".png":
        raise rj.InputError(f"--figure is {arguments.figure}: give a .png file")


def warn_of_few_updates(law: Law, updates: int) -> None:
    """Warn where the target critics are still far from their fixed point.

    Each update moves them by the target rate, and a backup takes 1 - discount of what
    is left of the first error.
    """
    left = math.exp(-updates * rj.Hyperparams().target_rate * (1.0 - law.discount))
    if left > MUCH_LEFT:
        Console(stderr=True).print(
            f"warning: at a discount of {law.discount:g}, {updates:,} updates leave "
            f"{left:.0%} of the first error of any critic: give more --updates",
            soft_wrap=True,
        )


def chosen_laws(arguments: Arguments) -> dict[str, Law]:
    """Return the laws that the options name."""
    if arguments.atoms is None or arguments.probabilities is None:
        return {name: LAWS[name] for name in arguments.laws}
    discount = 0.99 if arguments.discount is None else arguments.discount
    law = laws.chain(arguments.atoms, arguments.probabilities, discount)
    return {"atoms": law}


def measure_truth(name: str, law: Law) -> list[dict[str, Any]]:
    """Return a record for each start of a law, without critics."""
    found: list[dict[str, Any]] = []
    for label, state, action in law.starts:
        returns = truth.simulate_returns(law, state, action, NUM_EPISODES, seed=1)
        exact, error = truth.measure(returns)
        record: dict[str, Any] = {
            "law": f"{name}, {label}" if label else name,
            "truth": exact._asdict(),
            "truth_standard_error": error._asdict(),
            "truth_quantiles": shown(np.sort(returns)),
            "critics": [],
        }
        found.append(record)
    return found


def measure_law(
    name: str, law: Law, critics: Mapping[str, Settings], updates: int, seeds: int
) -> list[dict[str, Any]]:
    """Return a record for each start of a law."""
    found = measure_truth(name, law)
    recording = training.record_steps(
        law, training.NUM_WALKERS, training.NUM_STEPS, seed=0
    )
    dataset = training.make_dataset(law, recording)
    for critic, settings in critics.items():
        started = time.perf_counter()
        learned = training.learn_quantiles(
            law, settings, dataset, num_updates=updates, num_seeds=seeds
        )
        seconds = time.perf_counter() - started
        for start, record in enumerate(found):
            read = learned[:, start]
            record["critics"].append(
                describe_reading(critic, settings._asdict(), read, updates, seconds)
            )
    return found


def describe_reading(
    name: str,
    settings: Mapping[str, Any],
    quantiles: np.ndarray,
    updates: int,
    seconds: float,
) -> dict[str, Any]:
    """Return what a critic read, from quantiles [seeds, fractions]."""
    seeds = [truth.statistics(row)._asdict() for row in quantiles]
    means = {key: float(np.mean([x[key] for x in seeds])) for key in seeds[0]}
    return {
        "name": name,
        "settings": settings,
        **means,
        "seeds": seeds,
        "quantiles": shown(quantiles.mean(axis=0)),
        "updates": updates,
        "seconds": seconds,
        "default": name == DEFAULT,
    }


def shown(quantiles: np.ndarray) -> list[float]:
    """Return NUM_SHOWN quantiles, means over equal parts of them."""
    parts = np.array_split(quantiles, NUM_SHOWN)
    return [float(part.mean()) for part in parts]


def print_table(record: dict[str, Any]) -> None:
    """Print one law: the truth, and what each critic read, as a mean over seeds."""
    table = Table(title=record["law"])
    table.add_column("")
    for title in ("mean", "std", "mean - CVaR 0.1", "seconds"):
        table.add_column(title, justify="right")
    error = record["truth_standard_error"]
    exact = record["truth"]
    table.add_row("truth", *cells(exact), "", end_section=True)
    for row in record["critics"]:
        name = f"{row['name']} (default)" if row["default"] else row["name"]
        table.add_row(name, *cells(row), f"{row['seconds']:.0f}")
    table.caption = "standard errors of the truth: " + ", ".join(
        f"{key} {value:.2g}" for key, value in error.items()
    )
    Console(width=88).print(table)


def cells(row: Mapping[str, Any]) -> list[str]:
    """Return mean, deviation, and the distance from the mean to CVaR."""
    return [f"{x:.3g}" for x in (row["mean"], row["std"], row["mean"] - row["cvar"])]


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    arguments: Arguments = read_words(
        Arguments, argv, prog="python -m benchmarks.tails", description=__doc__
    )
    check(arguments)
    laws_by_name = chosen_laws(arguments)
    records.check_out(arguments.out)
    records.check_out(arguments.figure)
    critics = {name: CRITICS[name] for name in arguments.critics}
    found: list[dict[str, Any]] = []
    for name, law in laws_by_name.items():
        warn_of_few_updates(law, arguments.updates)
        rows = measure_law(name, law, critics, arguments.updates, arguments.seeds)
        for record in rows:
            print_table(record)
        found += rows
        result = found[0] if len(found) == 1 else {"laws": found}
        records.write_record(arguments.out, "tails", result)  # what is measured is kept
    if arguments.figure is not None:
        from benchmarks.tails.figure import draw

        draw(arguments.figure, found)
