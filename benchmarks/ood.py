"""Time to detect OOD actions against a dataset: `python -m benchmarks.ood`.

The data are synthetic and have HalfCheetah's sizes. Construction compiles a detector
and scores the held-out data; the benchmark times the later calls with the queries.
"""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

import ramac_jax as rj
from benchmarks import records
from benchmarks.options import check_at_least
from benchmarks.throughput.cases import PRESET
from ramac_jax.cli import process
from ramac_jax.cli.options.words import read_words
from ramac_jax.evaluation import density_detector, nearest_detector

BUILDERS: dict[str, Any] = {"nearest": nearest_detector, "density": density_detector}


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    out: Path | None = None
    """JSON file to write; None: print only."""
    num_data: int = 100_000
    """State-action pairs of the dataset."""
    num_queries: int = 10_000
    """Pairs to classify; as many are held out."""
    num_neighbours: int = 100
    """Nearest states of the data that a detector compares a query with."""
    repeats: int = 3
    """Timed calls; the table shows the median."""


def make_steps(size: int, seed: int) -> rj.Transition:
    """Draw steps whose actions follow the observation."""
    draw = np.random.default_rng(seed)
    shape = size, PRESET.observation_dim
    observation: Any = draw.normal(size=shape).astype(np.float32)
    noise = draw.normal(size=(size, PRESET.action_dim)).astype(np.float32)
    action: Any = np.tanh(observation[:, : PRESET.action_dim] + 0.1 * noise)
    zeros: Any = np.zeros(size, np.float32)
    return rj.Transition(
        observation=observation,
        action=action,
        reward=zeros,
        next_observation=observation,
        terminated=zeros,
    )


def measure(arguments: Arguments) -> dict[str, Any]:
    """Return the seconds of each detector and its false-positive rates, by name."""
    data = make_steps(arguments.num_data, 0)
    held_out, queries = (make_steps(arguments.num_queries, seed) for seed in (1, 2))
    found = {}
    for name, build in BUILDERS.items():
        detector = build(data, held_out, num_neighbours=arguments.num_neighbours)
        times = []
        for _ in range(arguments.repeats):
            begin = time.perf_counter()
            flagged = detector(queries.observation, queries.action)
            times.append(time.perf_counter() - begin)
        found[name] = {
            "seconds": float(np.median(times)),
            "seconds_range": [min(times), max(times)],
            "false_positive_rate": detector.false_positive_rate,
            "flagged_of_fresh_data": float(flagged.mean()),
        }
    return found


def print_table(arguments: Arguments, found: dict[str, Any]) -> None:
    """Print the measurements."""
    size = f"{arguments.num_queries:,} queries, {arguments.num_data:,} data"
    table = Table(title=f"{size}, {jax.devices()[0].device_kind}")
    for title in ("detector", "s", "false positives, held out", "new data"):
        table.add_column(title)
    for name, row in found.items():
        rates = (row["false_positive_rate"], row["flagged_of_fresh_data"])
        table.add_row(name, f"{row['seconds']:.2f}", *(f"{x:.2%}" for x in rates))
    Console(width=80).print(table)


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    arguments: Arguments = read_words(
        Arguments, argv, prog="python -m benchmarks.ood", description=__doc__
    )
    sizes = {name: x for name, x in vars(arguments).items() if name != "out"}
    check_at_least(arguments, dict.fromkeys(sizes, 1))
    records.check_out(arguments.out)
    found = measure(arguments)
    print_table(arguments, found)
    records.write_record(arguments.out, "ood", sizes | {"detectors": found})


if __name__ == "__main__":
    process.run_command(main, "benchmarks.ood", keep_programs=False)
