"""Updates/s beside the machine's matrix rate: `python -m benchmarks.throughput`.

The halfcheetah-medium-expert preset on made-up data, for populations of several sizes.
Everything is measured in one run, in turns, so that ratios survive a noisy machine.
"""

import dataclasses
import functools
import math
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import tyro
from rich.console import Console
from rich.table import Table

import ramac_jax as rj
from benchmarks.circumstances import circumstances
from experiments import console, population

OBSERVATION_DIM, ACTION_DIM, BATCH_SIZE, DATASET_SIZE = 17, 6, 256, 65_536
MATRICES = ((8192, 128, 256), (2048, 2048, 2048))  # [M, K] x [K, N]


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    out: Path | None = None
    """JSON file to write; None: print only."""
    populations: tuple[int, ...] = (1, 2, 4)
    """Numbers of agents trained side by side."""
    num_steps: int = 20
    """Updates per timed call."""
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


def compile_timed(function: Any, *arguments: Any) -> tuple[Any, float]:
    """Compile a jitted function ahead of time; return it and the seconds it took."""
    start = time.perf_counter()
    compiled = function.lower(*arguments).compile()
    return compiled, time.perf_counter() - start


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
    compiled, _ = compile_timed(jax.jit(agent.update), *arguments)
    return compiled.cost_analysis()["flops"] / 1e9


def matrix_call(rows: int, inner: int, columns: int) -> Callable[[], jax.Array]:
    """A ready product of float32 matrices [rows, inner] x [inner, columns]."""
    keys = jax.random.split(jax.random.key(3))
    left = jax.random.normal(keys[0], (rows, inner))
    right = jax.random.normal(keys[1], (inner, columns))
    product = jax.jit(jnp.matmul)
    jax.block_until_ready(product(left, right))
    return lambda: product(left, right)


def population_call(
    agent: rj.Agent, dataset: rj.Transition, size: int, num_steps: int
) -> tuple[Callable[[], Any], float]:
    """A ready call of `num_steps` updates of a population; the compile seconds."""
    keys = jax.random.split(jax.random.key(4), size)
    states, keys = population.init_population(agent, dataset, keys)
    run = functools.partial(rj.train, agent, num_steps=num_steps, batch_size=BATCH_SIZE)
    function = jax.jit(jax.vmap(run, in_axes=(0, None, 0, None)))
    hyperparams = jax.tree.map(jnp.float32, rj.Hyperparams())
    arguments = (states, dataset, keys, hyperparams)
    compiled, compile_seconds = compile_timed(function, *arguments)
    jax.block_until_ready(compiled(*arguments))
    return lambda: compiled(*arguments), compile_seconds


def measure(arguments: Arguments) -> dict[str, Any]:
    """Everything the command reports."""
    agent = rj.ramac(rj.diffusion_actor(ACTION_DIM), rj.iqn_critic())
    dataset = make_dataset()
    gigaflop = update_gigaflop(agent, dataset)
    products = {shape: matrix_call(*shape) for shape in MATRICES}
    rows = []
    for size in arguments.populations:
        call, compile_seconds = population_call(
            agent, dataset, size, arguments.num_steps
        )
        updates: list[float] = []
        matrices: dict[Any, list[float]] = {shape: [] for shape in MATRICES}
        for _ in range(arguments.repeats):  # in turns: what slows one slows the other
            for shape, product in products.items():
                matrices[shape] += [seconds(product) for _ in range(5)]
            updates.append(seconds(call) / arguments.num_steps)
        rates = {
            "x".join(map(str, shape)): 2e-9
            * math.prod(shape)
            / statistics.median(times)
            for shape, times in matrices.items()
        }
        middle = statistics.median(updates)
        achieved = gigaflop * size / middle
        rows.append(
            {
                "agents": size,
                "updates_per_s": 1.0 / middle,
                "updates_per_s_range": [1.0 / max(updates), 1.0 / min(updates)],
                "agent_updates_per_s": size / middle,
                "compile_s": compile_seconds,
                "gigaflop_per_s": achieved,
                "matrix_gigaflop_per_s": rates,
                "share_of_matrix_rate": achieved / max(rates.values()),
            }
        )
    return {
        "preset": "halfcheetah-medium-expert",
        "batch_size": BATCH_SIZE,
        "gigaflop_per_update": gigaflop,
        "populations": rows,
        **circumstances("throughput"),
    }


def print_table(result: dict[str, Any]) -> None:
    """Print the measurements."""
    table = Table(title=f"{result['gigaflop_per_update']:.2f} GFLOP per update")
    for name in ("agents", "updates/s", "agent-updates/s", "compile s", "GFLOP/s"):
        table.add_column(name, justify="right")
    for name in ("matrices", "share of them"):
        table.add_column(name, justify="right")
    for row in result["populations"]:
        low, high = row["updates_per_s_range"]
        table.add_row(
            str(row["agents"]),
            f"{row['updates_per_s']:.2f} [{low:.2f}, {high:.2f}]",
            f"{row['agent_updates_per_s']:.2f}",
            f"{row['compile_s']:.1f}",
            f"{row['gigaflop_per_s']:.0f}",
            f"{max(row['matrix_gigaflop_per_s'].values()):.0f}",
            f"{row['share_of_matrix_rate']:.2f}",
        )
    Console(width=100).print(table)


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    arguments = tyro.cli(Arguments, prog="python -m benchmarks.throughput", args=argv)
    counts = (*arguments.populations, arguments.num_steps, arguments.repeats)
    if not arguments.populations or min(counts) < 1:
        raise rj.InputError("populations, num-steps and repeats must be 1 or more")
    if arguments.out is not None:
        console.writable_folder(arguments.out.absolute().parent)
    result = measure(arguments)
    print_table(result)
    if arguments.out is not None:
        console.write_json(arguments.out, result)


if __name__ == "__main__":
    console.run_command(main, keep_programs=False)
