"""Populations of a case and the machine's own rates, timed in turns."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

import ramac_jax as rj
from benchmarks.throughput.cases import Case
from benchmarks.throughput.counting import (
    count_by_xla,
    dominating_shape,
    products,
    update_flop,
)
from benchmarks.throughput.machine import Meter, matrix_meter, seconds
from ramac_jax import population as populations
from ramac_jax.devices.memory import bytes_needed
from ramac_jax.devices.mesh import make_mesh
from ramac_jax.devices.placement import spread
from ramac_jax.population.programs import Programs


class Population:
    """A population of one size, ready to be advanced."""

    def __init__(self, case: Case, size: int):
        mesh, dataset = make_mesh(size, case.batch_size), case.dataset()
        members = populations.cross(rj.Hyperparams(), range(size))
        self.size = size
        self.programs = Programs(case.agent(), dataset, size, mesh, case.batch_size)
        self.dataset = spread(dataset, mesh, None)
        begin = time.perf_counter()
        self.program = self.programs.advance  # compiles
        self.compile_seconds = time.perf_counter() - begin
        seeds = spread(members.seed.astype(np.uint32), mesh)
        hyperparams = spread(members.hyperparams, mesh)
        self.carry = self.programs.init(seeds, hyperparams, self.dataset)
        self.advance(1)
        one = min(seconds(lambda: self.advance(1)) for _ in range(2))
        self.seconds_per_update = one

    def advance(self, num_steps: int) -> None:
        """Make some updates of every member, and wait for them."""
        states, metric_sums = self.program(
            *self.carry, self.dataset, np.int32(num_steps)
        )
        jax.block_until_ready(metric_sums)
        self.carry = self.carry._replace(states=states, metric_sums=metric_sums)

    def rate(self, call_seconds: float) -> float:
        """Updates/s of the whole population, by a call that takes about as long."""
        length = max(1, int(call_seconds / self.seconds_per_update))
        return length / seconds(lambda: self.advance(length))


Rounds = dict[int, dict[str, np.ndarray]]
"""For each size and round: "updates"/s, and the machine's rates just before; of the
round "products", the seconds that those of one update take at their own rates."""


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
        """What they take, by one more call of each."""
        return sum(flop / meter.rate() for meter, flop in self.parts)


def time_rounds(
    everyone: Sequence[Population],
    alone: Products,
    meters: dict[str, Meter],
    call_seconds: float,
    repeats: int,
) -> Rounds:
    """Time every population once a round, and the machine before each."""
    timed = (*meters, "updates", "products")
    rounds = {
        population.size: {name: np.zeros(repeats) for name in timed}
        for population in everyone
    }
    for turn in range(repeats):
        taken = alone.seconds()
        for population in everyone:
            seen = rounds[population.size]
            seen["products"][turn] = taken
            for name, meter in meters.items():
                seen[name][turn] = meter.rate()
            seen["updates"][turn] = population.rate(call_seconds)
    return rounds


def measure_case(
    case: Case,
    sizes: Sequence[int],
    meters: dict[str, Meter],
    *,
    call_seconds: float,
    repeats: int,
) -> dict[str, Any]:
    """What is reported of a case.

    Args:
      case: what is timed.
      sizes: of the populations.
      meters: of the machine's best matrix rate and of its copies: "best", "copy".
      call_seconds: about how long a timed call takes.
      repeats: rounds; what slows a population slows the machine's rates beside it.
    """
    shape, counted = dominating_shape(case), count_by_xla(case)
    meters = {"matrix": matrix_meter(*shape, dtype=case.dtype), **meters}
    everyone = [Population(case, size) for size in sizes]
    rounds = time_rounds(everyone, Products(case), meters, call_seconds, repeats)
    machine = {
        name: np.concatenate([rounds[size][name] for size in sizes]) for name in meters
    }
    found = {
        "matrix_shape": shape,
        "gigaflop_per_update": update_flop(case) / 1e9,
        "gigaflop_per_update_by_xla": counted.flop / 1e9,
        "gigabytes_per_update": counted.num_bytes / 1e9,
        **told("matrix_gigaflop_per_s", machine["matrix"] / 1e9),
        **told("best_gigaflop_per_s", machine["best"] / 1e9),
        **told("copied_gigabytes_per_s", machine["copy"] / 1e9),
    }
    rows = [tell(population, rounds, found) for population in everyone]
    return found | {"populations": rows}


def tell(
    population: Population, rounds: Rounds, found: dict[str, Any]
) -> dict[str, Any]:
    """The row of one population.

    Args:
      population: whose row it is.
      rounds: of it and the others.
      found: what is known of the case.
    """
    size = population.size
    seen = rounds[size]
    agents = size * seen["updates"]
    flop = agents * 1e9 * found["gigaflop_per_update"]
    num_bytes = agents * 1e9 * found["gigabytes_per_update"]
    devices = population.programs.mesh.size
    row = {
        "agents": size,
        **told("updates_per_s", seen["updates"]),
        **told("agent_updates_per_s", agents),
        "compile_s": population.compile_seconds,
        "devices": devices,
        "megabytes": devices * bytes_needed(population.program) / 1e6,
        **told("gigaflop_per_s", flop / 1e9),
        **told("gigabytes_per_s", num_bytes / 1e9),
        **told("share_of_matrix_rate", flop / seen["matrix"]),
        **told("share_of_shapes_rate", agents * seen["products"]),
        **told("share_of_best_rate", flop / seen["best"]),
        **told("share_of_copy_rate", num_bytes / seen["copy"]),
    }
    if 1 in rounds:
        row |= told("times_one_agent", agents / rounds[1]["updates"])
    return row


def told(name: str, rounds: np.ndarray) -> dict[str, Any]:
    """The median over the rounds by its name, and their least and greatest."""
    ends = [float(rounds.min()), float(rounds.max())]
    return {name: float(np.median(rounds)), f"{name}_range": ends}
