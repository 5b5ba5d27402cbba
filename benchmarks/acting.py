"""How long does one action take? `python -m benchmarks.acting`.

Policies of the library's default sizes act on batches of observations: compiled by JAX,
as the exported StableHLO program, with ONNX Runtime, and, with --ramac, as the public
PyTorch release acts. The ways take turns, and every call is timed by itself, from an
observation to an action: a call draws its noise, and arrays go in and come out as
NumPy's. Then a control loop takes the best of several candidates for one observation
at a time, and the share of actions within a deadline is counted.
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
from benchmarks.release import NAME, ActFn, build_release, share_of_release, sources
from ramac_jax.acting import ActingNoise, ActingOptions
from ramac_jax.cli import process
from ramac_jax.cli.options.words import read_words
from ramac_jax.devices.limits import count_cores
from ramac_jax.export import onnx, stablehlo
from ramac_jax.export.program import BATCH, Port, make_program
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
"""The inputs of a program -> action and perhaps score."""


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
    ramac: Path | None = None
    """Clone of KaiFukazawa/RAMAC, which is timed too; it needs torch."""
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


def ways(policy: Policy, num_candidates: int) -> dict[str, ActFn]:
    """Return the ways to act, which draw the noise of each call with NumPy."""
    program = make_program(policy, 0, num_candidates)

    @jax.jit
    def act(observation: Array, noise: Array, temperature: Array, level: Array) -> Any:
        options = ActingOptions(temperature, num_candidates, level)
        return policy.act_from_noise(observation, ActingNoise(noise), options=options)

    here = stablehlo.current_platform()
    programs: dict[str, RunFn] = {
        "JAX": lambda *inputs: [np.asarray(act(*inputs))],
        "StableHLO": stablehlo.Runner(stablehlo.serialize(program, (here,))),
        "ONNX Runtime": onnx.Runner(onnx.serialize(program, onnx.OPSET)),
    }
    noise = program.inputs[1]
    return {name: draw_and_run(run, noise) for name, run in programs.items()}


def draw_and_run(run: RunFn, port: Port) -> ActFn:
    """Return a function of observations that draws the noise of a program and runs it.

    Args:
      run: the program.
      port: of the noise.
    """
    draw = np.random.default_rng(0)
    temperature, level = np.array(1.0, np.float32), np.array(0.1, np.float32)

    batch_axis = port.shape.index(BATCH)
    shape = [1 if size == BATCH else int(size) for size in port.shape]

    def act(observation: np.ndarray) -> np.ndarray:
        shape[batch_axis] = len(observation)
        noise = draw.standard_normal(shape, np.float32)
        return run(observation, noise, temperature, level)[0]

    return act


def draw_observations(batch: int, arguments: Arguments) -> np.ndarray:
    """Draw the observations [8, B, O] that the calls go through."""
    draw = np.random.default_rng(batch)
    shape = 8, batch, arguments.observation_dim
    return draw.standard_normal(shape, np.float32)


def time_calls(act: ActFn, inputs: np.ndarray, calls: int) -> list[float]:
    """Return the microseconds of each call."""
    found = []
    for number in range(calls):
        observation = inputs[number % len(inputs)]
        begin = time.perf_counter_ns()
        act(observation)
        found.append((time.perf_counter_ns() - begin) / 1000)
    return found


def measure(agent: str, arguments: Arguments) -> list[dict[str, Any]]:
    """Return the microseconds of a call at each batch, and of the control loop."""
    peers, sizes = {}, (arguments.observation_dim, arguments.action_dim)
    if arguments.ramac is not None:
        num_steps = AGENTS[agent][1]["num_steps"]
        peers[NAME] = build_release(arguments.ramac, agent, *sizes, num_steps)
    policy, rows = make_policy(agent, arguments), []
    acting = ways(policy, 1) | peers
    for batch in arguments.batches:
        inputs = draw_observations(batch, arguments)
        times: dict[str, list[float]] = {name: [] for name in acting}
        for act in acting.values():
            time_calls(act, inputs, 10)  # compiles
        for _ in range(arguments.rounds):
            for name, act in acting.items():
                times[name] += time_calls(act, inputs, arguments.calls)
        rows += [row(agent, 1, batch, name, found) for name, found in times.items()]
    inputs = draw_observations(1, arguments)
    for name, act in ways(policy, arguments.candidates).items():
        time_calls(act, inputs, 10)
        found = time_calls(act, inputs, arguments.control_actions)
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
    titles = "agent", "candidates", "batch", "way", "median", "99 %", "/ release"
    for title in (*titles, "in time"):
        table.add_column(title, justify="left" if title == "way" else "right")
    for each in rows:
        share, ratio = each.get("share_within_deadline"), share_of_release(each, rows)
        names = [str(each[x]) for x in ("agent", "candidates", "batch", "way")]
        numbers = [f"{each[x]:.0f}" for x in ("median_us", "p99_us")]
        numbers.append("" if ratio is None else f"{ratio:.3f}")
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
    result = {
        "deadline_ms": arguments.deadline_ms,
        "usable_cores": count_cores(),
        "sources": sources(arguments.ramac),
        "rows": rows,
    }
    records.write_record(arguments.out, "acting", result)


if __name__ == "__main__":
    process.run_command(main, "benchmarks.acting", keep_programs=False)
