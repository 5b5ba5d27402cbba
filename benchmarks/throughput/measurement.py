"""Updates/s of populations of a case, and the machine's rates, timed alternately."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

import ramac_jax as rj
from benchmarks.throughput.cases import Case
from benchmarks.throughput.machine import Meter, matrix_meter, seconds
from benchmarks.throughput.operation_counts import (
    count_by_xla,
    dominating_shape,
    products,
    update_flop,
)
from ramac_jax import population as populations
from ramac_jax.devices.memory import bytes_needed
from ramac_jax.devices.mesh import make_mesh
from ramac_jax.devices.placement import spread
from ramac_jax.population.programs import Programs


class Population:
    """A population of one size, compiled and initialized."""

    def __init__(self, case: Case, size: int):
        mesh, dataset = make_mesh(size, case.batch_size), case.dataset()
        members = populations.cross(rj.Hyperparams(), range(size))
        self.size = size
        self.programs = Programs(case.agent(), dataset, size, mesh, case.batch_size)
        self.dataset = spread(dataset, mesh, None)
        start = time.perf_counter()
        self.program = self.programs.advance  # compiles
        self.compile_seconds = time.perf_counter() - start
        seeds = spread(members.seed.astype(np.uint32), mesh)
        hyperparams = spread(members.hyperparams, mesh)
        self.carry = self.programs.init(seeds, hyperparams, self.dataset)
        self.advance(1)
        self.seconds_per_update = min(
            seconds(lambda: self.advance(1)) for _ in range(2)
        )

    def advance(self, num_steps: int) -> None:
        """Update every member so many times, and wait for the results."""
        states, metric_sums = self.program(
            *self.carry, self.dataset, np.int32(num_steps)
        )
        jax.block_until_ready(metric_sums)
        self.carry = self.carry._replace(states=states, metric_sums=metric_sums)

    def rate(self, call_seconds: float) -> float:
        """Return updates/s of the population, from a call of about so many seconds."""
        length = max(1, int(call_seconds / self.seconds_per_update))
        return length / seconds(lambda: self.advance(length))


Rounds = dict[int, dict[str, np.ndarray]]
"""Results by the size of a population and by name, each [rounds].

"updates" are updates/s; "matrix", "best" and "copy" are the machine's rates just before
them; "products" are the seconds of the matrix products of one update, each at its own
shape's rate.
"""


class Products:
    """The matrix products of one update, each timed at its own shape."""

    def __init__(self, case: Case):
        flop: Counter[tuple[int, ...]] = Counter()
        for product in products(case):
            flop[product[:3]] += product.flop
        self.parts = [
            (matrix_meter(*shape, dtype=case.dtype), flop[shape]) for shape in flop
        ]

    def seconds(self) -> float:
        """Return the seconds of all products, from another call of each meter."""
        return sum(flop / meter.rate() for meter, flop in self.parts)


def time_rounds(
    trained: Sequence[Population],
    product_timer: Products,
    meters: dict[str, Meter],
    call_seconds: float,
    repeats: int,
) -> Rounds:
    """Time every population once in each round, and the machine before each of them."""
    timed = (*meters, "updates", "products")
    rounds = {
        population.size: {name: np.zeros(repeats) for name in timed}
        for population in trained
    }
    for turn in range(repeats):
        product_seconds = product_timer.seconds()
        for population in trained:
            results = rounds[population.size]
            results["products"][turn] = product_seconds
            for name, meter in meters.items():
                results[name][turn] = meter.rate()
            results["updates"][turn] = population.rate(call_seconds)
    return rounds


def measure_case(
    case: Case,
    sizes: Sequence[int],
    meters: dict[str, Meter],
    *,
    call_seconds: float,
    repeats: int,
) -> dict[str, Any]:
    """Return the measurements of a case.

    Args:
      case: the agent and its batch.
      sizes: of the populations.
      meters: of the machine's best matrix rate ("best") and of copies ("copy").
      call_seconds: approximate duration of a timed call.
      repeats: rounds. Other work on the machine slows the populations and the meters of
        a round alike, so that their ratios stay comparable.
    """
    shape, counted = dominating_shape(case), count_by_xla(case)
    meters = {"matrix": matrix_meter(*shape, dtype=case.dtype), **meters}
    trained = [Population(case, size) for size in sizes]
    rounds = time_rounds(trained, Products(case), meters, call_seconds, repeats)
    machine = {
        name: np.concatenate([rounds[size][name] for size in sizes]) for name in meters
    }
    found = {
        "matrix_shape": shape,
        "gigaflop_per_update": update_flop(case) / 1e9,
        "gigaflop_per_update_by_xla": counted.flop / 1e9,
        "gigabytes_per_update": counted.num_bytes / 1e9,
        **median_and_range("matrix_gigaflop_per_s", machine["matrix"] / 1e9),
        **median_and_range("best_gigaflop_per_s", machine["best"] / 1e9),
        **median_and_range("copied_gigabytes_per_s", machine["copy"] / 1e9),
    }
    rows = [population_row(population, rounds, found) for population in trained]
    return found | {"populations": rows}


def population_row(
    population: Population, rounds: Rounds, found: dict[str, Any]
) -> dict[str, Any]:
    """Return the measurements of one population.

    Args:
      population: one of the timed populations.
      rounds: of all populations.
      found: measurements of the case.
    """
    size = population.size
    results = rounds[size]
    agents = size * results["updates"]
    flop = agents * 1e9 * found["gigaflop_per_update"]
    num_bytes = agents * 1e9 * found["gigabytes_per_update"]
    devices = population.programs.mesh.size
    row = {
        "agents": size,
        **median_and_range("updates_per_s", results["updates"]),
        **median_and_range("agent_updates_per_s", agents),
        "compile_s": population.compile_seconds,
        "devices": devices,
        "megabytes": devices * bytes_needed(population.program) / 1e6,
        **median_and_range("gigaflop_per_s", flop / 1e9),
        **median_and_range("gigabytes_per_s", num_bytes / 1e9),
        **median_and_range("share_of_matrix_rate", flop / results["matrix"]),
        **median_and_range("share_of_shapes_rate", agents * results["products"]),
        **median_and_range("share_of_best_rate", flop / results["best"]),
        **median_and_range("share_of_copy_rate", num_bytes / results["copy"]),
    }
    if 1 in rounds:
        row |= median_and_range("times_one_agent", agents / rounds[1]["updates"])
    return row


def median_and_range(name: str, rounds: np.ndarray) -> dict[str, Any]:
    """Return the median over the rounds by its name, and their least and greatest."""
    ends = [float(rounds.min()), float(rounds.max())]
    return {name: float(np.median(rounds)), f"{name}_range": ends}
