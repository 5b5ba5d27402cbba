"""Time of an evaluation in simulators and policies: `python -m benchmarks.evaluation`.

Untrained agents with the default diffusion network act in a task, in batches of robots
and by Gymnasium's own steps, in turns. The timed evaluations exclude compilation and
construction of the simulators.
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
from ramac_jax.envs.mujoco_log import log_mujoco_warnings
from ramac_jax.evaluation import Environments, evaluate
from ramac_jax.evaluation.simulators import Rows, Step
from ramac_jax.normalization import Scaling
from ramac_jax.policy import Policy, PolicySpec
from ramac_jax.tasks import env_id, find_task

GYMNASIUM = "gymnasium"


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    out: Path | None = None
    """JSON file to write; None: print only."""
    task: str = "halfcheetah-medium-expert"
    """Task to play."""
    agents: int = 10
    """Agents in the population."""
    episodes: int = 20
    """Episodes of each agent."""
    threads: tuple[int, ...] = (1, 2)
    """Numbers of threads of a batch to try."""
    repeats: int = 3
    """Timed evaluations in each way; the table shows the median."""


class TimedEnvironments(Environments):
    """Environments that sum the seconds that their caller waits for them."""

    waited = 0.0

    def call(self, name: str, lane: int, *arguments: np.ndarray) -> Step:
        """Call the environments and add the elapsed time to `waited`."""
        start = time.perf_counter()
        step = super().call(name, lane, *arguments)
        self.waited += time.perf_counter() - start
        return step


def open_environments(env: str, horizon: int, threads: int) -> TimedEnvironments:
    """Open batches of so many threads; 0: environments that Gymnasium steps."""
    environments = TimedEnvironments(env, horizon=horizon, num_workers=threads)
    if not threads:
        environments.rows = Rows(environments.spec, horizon)
    elif isinstance(environments.rows, Rows):
        environments.close()
        raise rj.InputError(f"{env} is stepped in no batch here: install MuJoCo 4")
    return environments


def make_policy(population: int, observation_dim: int, action_dim: int) -> Policy:
    """Make untrained agents with the default network."""
    actor = rj.diffusion_actor(action_dim)
    example = jnp.zeros((1, observation_dim)), jnp.zeros((1, action_dim))
    params = jax.vmap(lambda key: actor.init(key, *example))(
        jax.random.split(jax.random.key(0), population)
    )
    scaling = Scaling(
        observation_mean=jnp.zeros(observation_dim),
        observation_std=jnp.ones(observation_dim),
        action_low=-jnp.ones(action_dim),
        action_high=jnp.ones(action_dim),
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
    task = find_task(arguments.task)
    environments = {
        threads: open_environments(env_id(task.name), task.horizon, threads)
        for threads in (0, *arguments.threads)
    }
    sizes = environments[0].observation_dim, environments[0].action_dim
    policy = make_policy(arguments.agents, *sizes)
    runs: dict[int, list[dict[str, float]]] = {key: [] for key in environments}
    for repeat in range(arguments.repeats + 1):
        for threads, simulators in environments.items():
            run = timed(policy, simulators, arguments.episodes)
            if repeat:  # the first evaluation compiles, and makes the simulators
                runs[threads].append(run)
    rows = []
    for threads, several in runs.items():
        pairs = zip(runs[0], several, strict=True)
        gains = sorted(gym["wall_s"] / own["wall_s"] for gym, own in pairs)
        middle = sorted(several, key=lambda run: run["wall_s"])[len(several) // 2]
        rows.append(
            {
                "way": f"batches, threads: {threads}" if threads else GYMNASIUM,
                **middle,
                "times_as_fast": gains[len(gains) // 2],
                "times_as_fast_range": [gains[0], gains[-1]],
            }
        )
    for simulators in environments.values():
        simulators.close()
    return {
        "task": task.name,
        "agents": arguments.agents,
        "episodes": arguments.episodes,
        "horizon": task.horizon,
        "rows": rows,
    }


def print_table(result: dict[str, Any]) -> None:
    """Print the measurements."""
    sizes = f"{result['agents']} agents x {result['episodes']} episodes"
    table = Table(title=f"{sizes} x {result['horizon']} steps of {result['task']}")
    for name in ("way", "times as fast", "steps/s", "simulator", "policy"):
        table.add_column(name, justify="right")
    for row in result["rows"]:
        low, high = row["times_as_fast_range"]
        table.add_row(
            row["way"],
            f"{row['times_as_fast']:.2f} [{low:.2f}, {high:.2f}]",
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
    check_not_empty(arguments, ["threads"])
    least = {"agents": 1, "episodes": 1, "threads": 1, "repeats": 1}
    check_at_least(arguments, least)
    records.check_out(arguments.out)
    log_mujoco_warnings()
    result = measure(arguments)
    print_table(result)
    records.write_record(arguments.out, "evaluation", result)


if __name__ == "__main__":
    process.run_command(
        main, "benchmarks.evaluation", keep_programs=False, one_thread=True
    )
