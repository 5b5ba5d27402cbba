"""Time of an evaluation in simulators and policies: `python -m benchmarks.evaluation`.

Untrained agents with the default diffusion network act in halfcheetah-medium-expert.
The timed evaluations exclude compilation and construction of the simulators.
"""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

import ramac_jax as rj
from benchmarks import records
from benchmarks.options import check_at_least, check_not_empty
from ramac_jax.cli import process
from ramac_jax.cli.options.words import read_words
from ramac_jax.evaluation import Environments, evaluate
from ramac_jax.evaluation.simulators import Step
from ramac_jax.normalization import Scaling
from ramac_jax.policy import Policy, PolicySpec
from ramac_jax.tasks import env_id, find_task

TASK, OBSERVATION_DIM, ACTION_DIM = "halfcheetah-medium-expert", 17, 6


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    out: Path | None = None
    """JSON file to write; None: print only."""
    agents: int = 10
    """Agents in the population."""
    episodes: int = 20
    """Episodes of each agent."""
    workers: tuple[int, ...] = (0, 2)
    """Numbers of worker processes to try."""
    repeats: int = 3
    """Timed evaluations with each number of workers; the table shows the median."""


class TimedEnvironments(Environments):
    """Environments that sum the seconds that their caller waits for them."""

    waited = 0.0

    def call(self, name: str, lane: int, *arguments: np.ndarray) -> Step:
        """Call the environments and add the elapsed time to `waited`."""
        start = time.perf_counter()
        step = super().call(name, lane, *arguments)
        self.waited += time.perf_counter() - start
        return step


def make_policy(population: int) -> Policy:
    """Make untrained agents with the default network."""
    actor = rj.diffusion_actor(ACTION_DIM)
    example = jnp.zeros((1, OBSERVATION_DIM)), jnp.zeros((1, ACTION_DIM))
    params = jax.vmap(lambda key: actor.init(key, *example))(
        jax.random.split(jax.random.key(0), population)
    )
    scaling = Scaling(
        observation_mean=jnp.zeros(OBSERVATION_DIM),
        observation_std=jnp.ones(OBSERVATION_DIM),
        action_low=-jnp.ones(ACTION_DIM),
        action_high=jnp.ones(ACTION_DIM),
    )
    spec = PolicySpec(scaling=scaling, actor="diffusion")
    return Policy(spec=spec, actor=actor, params=params)


def timed(
    policy: Policy, environments: TimedEnvironments, num_episodes: int
) -> dict[str, float]:
    """Evaluate once; return seconds, steps/s, and both shares of the time."""
    environments.waited = 0.0
    start = time.perf_counter()
    episodes = evaluate(policy, environments, num_episodes=num_episodes)
    wall = time.perf_counter() - start
    share = environments.waited / wall
    return {
        "wall_s": wall,
        "steps_per_s": int(episodes.length.sum()) / wall,
        "simulator_share": share,
        "policy_share": 1.0 - share,  # includes bookkeeping
    }


def measure(arguments: Arguments) -> dict[str, Any]:
    """Return all measurements."""
    policy, horizon = make_policy(arguments.agents), find_task(TASK).horizon
    environments = {
        count: TimedEnvironments(env_id(TASK), horizon=horizon, num_workers=count)
        for count in arguments.workers
    }
    runs: dict[int, list[dict[str, float]]] = {count: [] for count in environments}
    for repeat in range(arguments.repeats + 1):
        for count, simulators in environments.items():
            run = timed(policy, simulators, arguments.episodes)
            if repeat:  # the first evaluation compiles, and makes the simulators
                runs[count].append(run)
    rows = []
    for count, several in runs.items():
        several.sort(key=lambda run: run["wall_s"])
        walls = [several[0]["wall_s"], several[-1]["wall_s"]]
        middle = several[len(several) // 2]
        rows.append({"workers": count, **middle, "wall_s_range": walls})
    for simulators in environments.values():
        simulators.close()
    return {
        "task": TASK,
        "agents": arguments.agents,
        "episodes": arguments.episodes,
        "horizon": horizon,
        "rows": rows,
    }


def print_table(result: dict[str, Any]) -> None:
    """Print the measurements."""
    sizes = f"{result['agents']} agents x {result['episodes']} episodes"
    table = Table(title=f"{sizes} x {result['horizon']} steps of {result['task']}")
    for name in ("workers", "wall s", "steps/s", "simulator", "policy"):
        table.add_column(name, justify="right")
    for row in result["rows"]:
        low, high = row["wall_s_range"]
        table.add_row(
            str(row["workers"]),
            f"{row['wall_s']:.2f} [{low:.2f}, {high:.2f}]",
            f"{row['steps_per_s']:,.0f}",
            f"{row['simulator_share']:.0%}",
            f"{row['policy_share']:.0%}",
        )
    Console(width=100).print(table)


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    arguments: Arguments = read_words(
        Arguments, argv, prog="python -m benchmarks.evaluation", description=__doc__
    )
    check_not_empty(arguments, ["workers"])
    least = {"agents": 1, "episodes": 1, "workers": 0, "repeats": 1}
    check_at_least(arguments, least)
    records.check_out(arguments.out)
    result = measure(arguments)
    print_table(result)
    records.write_record(arguments.out, "evaluation", result)


if __name__ == "__main__":
    process.run_command(main, "benchmarks.evaluation", keep_programs=False)
