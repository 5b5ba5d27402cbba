"""Agent-updates/s, compile time and memory: `python -m benchmarks.throughput`.

Populations of several sizes with the networks of the halfcheetah-medium-expert preset
and with small ones, on made-up data, beside the machine's matrix rate. Everything is
measured in one run, in turns, so that ratios survive a noisy machine.
"""

import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

import ramac_jax as rj
from benchmarks.circumstances import circumstances
from experiments import console
from ramac_jax import populations
from ramac_jax.populations.memory import bytes_needed
from ramac_jax.populations.placement import make_mesh, spread
from ramac_jax.populations.programs import Programs
from ramac_jax.validation import check_names

OBSERVATION_DIM, ACTION_DIM, BATCH_SIZE, DATASET_SIZE = 17, 6, 256, 65_536
MATRICES = ((8192, 128, 256), (2048, 2048, 2048))  # [M, K] x [K, N]


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    out: Path | None = None
    """JSON file to write; None: print only."""
    populations: tuple[int, ...] = (1, 2, 4, 8, 16)
    """Numbers of agents trained side by side."""
    networks: tuple[str, ...] = ("preset", "small")
    """Which networks: preset, small."""
    call_seconds: float = 4.0
    """About how long a timed call is to take."""
    repeats: int = 5
    """Timed calls of each kind; the median counts."""


def make_dataset() -> rj.Transition:
    """Random transitions of HalfCheetah's sizes."""
    keys = jax.random.split(jax.random.key(0), 4)
    size = DATASET_SIZE
    return rj.Transition(
        observation=jax.random.normal(keys[0], (size, OBSERVATION_DIM)),
        action=jax.random.uniform(keys[1], (size, ACTION_DIM), minval=-1.0),
        reward=jax.random.normal(keys[2], (size,)),
        next_observation=jax.random.normal(keys[3], (size, OBSERVATION_DIM)),
        terminated=jnp.zeros(size),
    )


def make_agent(networks: str) -> rj.Agent:
    """The agent of the preset, or one with far fewer operations."""
    if networks == "preset":
        return rj.ramac(rj.diffusion_actor(ACTION_DIM), rj.iqn_critic())
    critic = rj.iqn_critic(width=64, embedding_width=32, num_cosines=16)
    actor = rj.diffusion_actor(ACTION_DIM, widths=(64, 64))
    return rj.ramac(actor, critic, num_quantiles=8)


def seconds(call: Callable[[], Any]) -> float:
    """Wall time of one finished call."""
    start = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - start


def update_gigaflop(agent: rj.Agent, dataset: rj.Transition) -> float:
    """XLA's count of one update, whose sampler loops are unrolled."""
    batch = rj.sample_batch(dataset, jax.random.key(1), BATCH_SIZE)
    state = jax.eval_shape(agent.init, jax.random.key(0), batch)
    arguments = (state, batch, jax.random.key(2), rj.Hyperparams())
    compiled = jax.jit(agent.update).lower(*arguments).compile()
    counted: Any = compiled.cost_analysis()
    return counted["flops"] / 1e9


def matrix_call(rows: int, inner: int, columns: int) -> Callable[[], jax.Array]:
    """A ready product of float32 matrices [rows, inner] x [inner, columns]."""
    keys = jax.random.split(jax.random.key(3))
    left = jax.random.normal(keys[0], (rows, inner))
    right = jax.random.normal(keys[1], (inner, columns))
    product = jax.jit(jnp.matmul)
    jax.block_until_ready(product(left, right))
    return lambda: product(left, right)


class Population:
    """A population of one size, ready to be advanced."""

    def __init__(self, agent: rj.Agent, dataset: rj.Transition, size: int):
        mesh = make_mesh()
        members = populations.cross(rj.Hyperparams(), range(size))
        self.programs = Programs(agent, dataset, size, mesh, BATCH_SIZE)
        self.dataset = spread(dataset, mesh, None)
        begin = time.perf_counter()
        self.programs.go_on  # noqa: B018 - compiles
        self.compile_seconds = time.perf_counter() - begin
        seeds = spread(members.seed.astype(np.uint32), mesh)
        knobs = spread(members.hyperparams, mesh)
        self.carry = self.programs.begin(seeds, knobs, self.dataset)
        self.advance(1)
        one = min(seconds(lambda: self.advance(1)) for _ in range(2))
        self.seconds_per_update = one

    def advance(self, num_steps: int) -> None:
        """Make some updates of every member, and wait for them."""
        states, tally = self.programs.go_on(
            *self.carry, self.dataset, np.int32(num_steps)
        )
        jax.block_until_ready(tally)
        self.carry = self.carry._replace(states=states, tally=tally)


def measure(arguments: Arguments) -> dict[str, Any]:
    """Everything the command reports."""
    dataset = make_dataset()
    products = {shape: matrix_call(*shape) for shape in MATRICES}
    found: dict[str, Any] = {}
    for networks in arguments.networks:
        agent = make_agent(networks)
        gigaflop = update_gigaflop(agent, dataset)
        rows = [
            measure_size(agent, dataset, size, gigaflop, products, arguments)
            for size in arguments.populations
        ]
        for row in rows:
            row["times_one_agent"] = (
                row["agent_updates_per_s"] / rows[0]["agent_updates_per_s"]
            )
        found[networks] = {"gigaflop_per_update": gigaflop, "populations": rows}
    return {
        "preset": "halfcheetah-medium-expert",
        "batch_size": BATCH_SIZE,
        "networks": found,
        **circumstances("throughput"),
    }


def measure_size(
    agent: rj.Agent,
    dataset: rj.Transition,
    size: int,
    gigaflop: float,
    products: dict[Any, Callable[[], jax.Array]],
    arguments: Arguments,
) -> dict[str, Any]:
    """One row: a population of one size, in turns with the matrix products."""
    population = Population(agent, dataset, size)
    length = max(1, int(arguments.call_seconds / population.seconds_per_update))
    updates: list[float] = []
    matrices: dict[Any, list[float]] = {shape: [] for shape in products}
    for _ in range(arguments.repeats):  # in turns: what slows one slows the other
        for shape, product in products.items():
            matrices[shape] += [seconds(product) for _ in range(5)]
        updates.append(seconds(lambda: population.advance(length)) / length)
    rates = {
        "x".join(map(str, shape)): 2e-9 * math.prod(shape) / statistics.median(times)
        for shape, times in matrices.items()
    }
    middle = statistics.median(updates)
    achieved = gigaflop * size / middle
    return {
        "agents": size,
        "updates_per_s": 1.0 / middle,
        "updates_per_s_range": [1.0 / max(updates), 1.0 / min(updates)],
        "agent_updates_per_s": size / middle,
        "compile_s": population.compile_seconds,
        "megabytes": bytes_needed(population.programs.go_on) / 1e6,
        "gigaflop_per_s": achieved,
        "matrix_gigaflop_per_s": rates,
        "share_of_matrix_rate": achieved / max(rates.values()),
    }


def print_table(result: dict[str, Any]) -> None:
    """Print the measurements."""
    for networks, found in result["networks"].items():
        flop = f"{found['gigaflop_per_update']:.2f} GFLOP per update"
        table = Table(title=f"{networks} networks, {flop}")
        for name in (
            "agents",
            "updates/s",
            "agent-updates/s",
            "times one",
            "compile s",
        ):
            table.add_column(name, justify="right")
        for name in ("MB", "share of matrix rate"):
            table.add_column(name, justify="right")
        for row in found["populations"]:
            low, high = row["updates_per_s_range"]
            table.add_row(
                str(row["agents"]),
                f"{row['updates_per_s']:.3g} [{low:.3g}, {high:.3g}]",
                f"{row['agent_updates_per_s']:.4g}",
                f"{row['times_one_agent']:.2f}",
                f"{row['compile_s']:.1f}",
                f"{row['megabytes']:.0f}",
                f"{row['share_of_matrix_rate']:.2f}",
            )
        Console(width=100).print(table)


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    arguments = tyro.cli(Arguments, prog="python -m benchmarks.throughput", args=argv)
    counts = (*arguments.populations, arguments.repeats)
    if not arguments.populations or min(counts) < 1:
        raise rj.InputError("populations and repeats must be 1 or more")
    check_names("networks", arguments.networks, ("preset", "small"))
    if arguments.out is not None:
        console.writable_folder(arguments.out.absolute().parent)
    result = measure(arguments)
    print_table(result)
    if arguments.out is not None:
        console.write_json(arguments.out, result)


if __name__ == "__main__":
    console.run_command(main, keep_programs=False)
