"""How long does one action take? `python -m benchmarks.acting`.

Policies of the library's default sizes act on batches of observations: compiled by JAX,
as the exported StableHLO program, and with ONNX Runtime. The ways take turns, every
call is timed by itself, and the noise is drawn beforehand. The arrays go in and come
out as NumPy's. Then a control loop takes the best of several candidates for one
observation at a time, and the share of actions within a deadline is counted.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import records
from benchmarks.options import check_at_least, check_not_empty
from ramac_jax.acting import ActingNoise, ActingOptions
from ramac_jax.cli import process
from ramac_jax.cli.options.words import read_words
from ramac_jax.export import onnx, stablehlo
from ramac_jax.export.program import Program, make_program
from ramac_jax.normalization import Scaling
from ramac_jax.policy import CriticSpec, Policy, PolicySpec, build_actor, build_critic
from ramac_jax.types import Array

AGENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "radac": ("diffusion", {"num_steps": 5}),
    "rafmac": ("flow", {"num_steps": 10}),
}
"""Agent -> its actor and options."""
CRITIC = CriticSpec("categorical", {"low": -50.0, "high": 50.0}, risk_level=0.1)
RunFn = Callable[..., Sequence[np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    batches: tuple[int, ...] = (1, 16, 256)
    """Observations that a call acts on."""
    calls: int = 500
    """Calls of each way in each round."""
    rounds: int = 4
    """Rounds in which the ways take turns."""
    candidates: int = 16
    """Actions of which the control loop takes the best."""
    control_actions: int = 20_000
    """Actions of the control loop."""
    deadline_ms: float = 2.0
    """Time that the control loop has for an action, in milliseconds."""
    observation_dim: int = 11
    action_dim: int = 3
    out: Path | None = None
    """JSON file to write; None: print only."""


def make_policy(agent: str, arguments: Arguments) -> Policy:
    """Return an untrained policy of an agent."""
    actor, options = AGENTS[agent]
    width, size = arguments.observation_dim, arguments.action_dim
    scaling = Scaling(
        jnp.zeros(width), jnp.ones(width), -jnp.ones(size), jnp.ones(size)
    )
    spec = PolicySpec(scaling, actor, options, CRITIC)
    built, critic = build_actor(spec), build_critic(CRITIC)
    example = jnp.zeros((1, width)), jnp.zeros((1, size))
    params, critic_params = (
        jax.tree.map(lambda x: x[None], part.init(jax.random.key(0), *example))
        for part in (built, critic)
    )
    return Policy(spec, built, params, critic, critic_params)


def ways(policy: Policy, num_candidates: int) -> tuple[Program, dict[str, RunFn]]:
    """Return the program of a policy, and the ways to run it."""
    program = make_program(policy, 0, num_candidates)

    @jax.jit
    def act(observation: Array, noise: Array, temperature: Array, level: Array) -> Any:
        options = ActingOptions(temperature, num_candidates, level)
        return policy.act_from_noise(observation, ActingNoise(noise), options=options)

    here = stablehlo.current_platform()
    return program, {
        "JAX": lambda *inputs: [np.asarray(act(*inputs))],
        "StableHLO": stablehlo.Runner(stablehlo.serialize(program, (here,))),
        "ONNX Runtime": onnx.Runner(onnx.serialize(program, onnx.OPSET)),
    }


def draw_inputs(program: Program, rows: int, seed: int) -> tuple[Any, ...]:
    """Draw the inputs of one call."""
    draw = np.random.default_rng(seed)
    observation, noise = (
        draw.normal(size=port.sized(rows).shape).astype(np.float32)
        for port in program.inputs[:2]
    )
    return observation, noise, np.float32(1.0), np.float32(0.1)


def time_calls(run: RunFn, inputs: Sequence[Any], calls: int) -> list[float]:
    """Return the microseconds of each call."""
    found = []
    for number in range(calls):
        arguments = inputs[number % len(inputs)]
        begin = time.perf_counter_ns()
        run(*arguments)
        found.append((time.perf_counter_ns() - begin) / 1000)
    return found


def measure(agent: str, arguments: Arguments) -> list[dict[str, Any]]:
    """Return the microseconds of a call at each batch, and of the control loop."""
    policy, rows = make_policy(agent, arguments), []
    program, running = ways(policy, 1)
    for batch in arguments.batches:
        inputs = [draw_inputs(program, batch, seed) for seed in range(8)]
        times: dict[str, list[float]] = {name: [] for name in running}
        for run in running.values():
            time_calls(run, inputs, 10)  # compiles
        for _ in range(arguments.rounds):
            for name, run in running.items():
                times[name] += time_calls(run, inputs, arguments.calls)
        rows += [row(agent, 1, batch, name, found) for name, found in times.items()]
    program, running = ways(policy, arguments.candidates)
    inputs = [draw_inputs(program, 1, seed) for seed in range(8)]
    for name, run in running.items():
        time_calls(run, inputs, 10)
        found = time_calls(run, inputs, arguments.control_actions)
        within = np.mean(np.array(found) <= 1000 * arguments.deadline_ms)
        shared = {"share_within_deadline": float(within)}
        rows.append(row(agent, arguments.candidates, 1, name, found) | shared)
    return rows


def row(
    agent: str, candidates: int, batch: int, way: str, found: Sequence[float]
) -> dict[str, Any]:
    """Return a row of the table."""
    middle, late = np.quantile(found, [0.5, 0.99])
    return {
        "agent": agent,
        "candidates": candidates,
        "batch": batch,
        "way": way,
        "median_us": float(middle),
        "p99_us": float(late),
        "calls": len(found),
    }


def print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the microseconds of each way."""
    table = Table(title="microseconds of a call")
    for title in ("agent", "candidates", "batch", "way", "median", "99 %", "in time"):
        table.add_column(title, justify="left" if title == "way" else "right")
    for each in rows:
        share = each.get("share_within_deadline")
        names = [str(each[x]) for x in ("agent", "candidates", "batch", "way")]
        numbers = [f"{each[x]:.0f}" for x in ("median_us", "p99_us")]
        table.add_row(*names, *numbers, "" if share is None else f"{share:.3%}")
    Console(width=88).print(table)


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    arguments: Arguments = read_words(
        Arguments, argv, prog="python -m benchmarks.acting", description=__doc__
    )
    least = ("batches", "calls", "rounds", "candidates", "control_actions")
    sizes = ("observation_dim", "action_dim")
    check_at_least(arguments, dict.fromkeys((*least, *sizes), 1))
    check_not_empty(arguments, ["batches"])
    records.check_out(arguments.out)
    rows = [each for agent in AGENTS for each in measure(agent, arguments)]
    print_table(rows)
    settings = {"deadline_ms": arguments.deadline_ms, "rows": rows}
    records.write_record(arguments.out, "acting", settings)


if __name__ == "__main__":
    process.run_command(main, "benchmarks.acting", keep_programs=False)
