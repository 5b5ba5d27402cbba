"""Time to detect OOD actions against a dataset: `python -m benchmarks.ood`.

The data are synthetic and of HalfCheetah's sizes. Building a detector compiles it and
scores the held-out data; the benchmark times how long it then takes with the queries.
"""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

import ramac_jax as rj
from benchmarks.circumstances import circumstances
from benchmarks.throughput.cases import PRESET
from ramac_jax.cli import folders, process
from ramac_jax.evaluation import density_detector, nearest_detector
from ramac_jax.files import write_json

BUILDERS: dict[str, Any] = {"nearest": nearest_detector, "density": density_detector}


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    out: Path | None = None
    """JSON file to write; None: print only."""
    num_data: int = 100_000
    """State-action pairs of the dataset."""
    num_queries: int = 10_000
    """Pairs that a detector is given; as many are held out."""
    num_neighbours: int = 100
    """States of the data that each query is compared with."""
    repeats: int = 3
    """Timed calls; the median counts."""


def make_steps(size: int, seed: int) -> rj.Transition:
    """Draw steps whose actions follow the observation."""
    draw = np.random.default_rng(seed)
    observation = draw.normal(size=(size, PRESET.observation_dim)).astype(np.float32)
    noise = draw.normal(size=(size, PRESET.action_dim)).astype(np.float32)
    action = np.tanh(observation[:, : PRESET.action_dim] + 0.1 * noise)
    row = np.zeros(size, np.float32)
    arrays: Any = (observation, action, row, observation, row)
    return rj.Transition(**dict(zip(rj.Transition._fields, arrays, strict=True)))


def measure(arguments: Arguments) -> dict[str, Any]:
    """Return the seconds of each detector, and its false-positive rates."""
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


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    arguments = tyro.cli(Arguments, prog="python -m benchmarks.ood", args=argv)
    sizes = {k: x for k, x in vars(arguments).items() if isinstance(x, int)}
    if min(sizes.values()) < 1:
        raise rj.InputError("all numbers must be 1 or more")
    if arguments.out is not None:
        folders.writable_folder(arguments.out.absolute().parent)
    found = measure(arguments)
    size = f"{arguments.num_queries:,} pairs, {arguments.num_data:,} data"
    table = Table(title=f"{size}, {jax.devices()[0].device_kind}")
    for title in ("detector", "s", "false alarms, held out", "fresh"):
        table.add_column(title)
    for name, row in found.items():
        rates = (row["false_positive_rate"], row["flagged_of_fresh_data"])
        table.add_row(name, f"{row['seconds']:.2f}", *(f"{x:.2%}" for x in rates))
    Console(width=80).print(table)
    if arguments.out is not None:
        result = sizes | {"detectors": found} | circumstances("ood")
        write_json(arguments.out, result)


if __name__ == "__main__":
    process.run_command(main, "benchmarks.ood", keep_programs=False)
