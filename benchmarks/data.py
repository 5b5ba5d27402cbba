"""Speed and memory of datasets from disk to device: `python -m benchmarks.data`.

The benchmark relabels random HalfCheetah transitions and moves them to the device. It
also loads a Minari dataset of as many steps, and relabels it into another one as `ramac
data relabel` does. Each part runs in its own process. Its peak is the highest resident
memory that Linux counted, minus the memory before the data were created, as a multiple
of the size of the transitions.
"""

import dataclasses
import multiprocessing
import re
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import jax
import numpy as np
from minari.data_collector.episode_buffer import EpisodeBuffer
from rich.console import Console
from rich.table import Table

import ramac_jax as rj
from benchmarks import records
from benchmarks.options import check_at_least
from ramac_jax.cli import process
from ramac_jax.cli.options.words import read_words
from ramac_jax.data.loading import load_datasets
from ramac_jax.data.penalties import relabel_rewards
from ramac_jax.data.relabel import relabel_dataset
from ramac_jax.data.writing import write_dataset
from ramac_jax.envs.mujoco_log import log_mujoco_warnings
from ramac_jax.tasks import find_task

TASK, ROBOT, DATASET_ID = (
    "halfcheetah-medium-expert",
    "HalfCheetah-v5",
    "benchmark/source-v0",
)
OBSERVATION_DIM, ACTION_DIM, EPISODE_LENGTH = 17, 6, 1000
STEP_BYTES = 4 * (2 * OBSERVATION_DIM + ACTION_DIM + 2)  # of a float32 transition
STATUS = Path("/proc/self/status")  # where Linux reports a process's memory
PARTS = (
    "relabel_and_move",
    "relabel_dataset",
    "load_datasets",
    "load_datasets_normalized",
)


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    steps: int = 2_000_000
    """Transitions."""
    out: Path | None = None
    """JSON file to write; None: print only."""
    repeats: int = 5
    """Timed rounds of relabelling and moving; the table shows the median."""


def resident(field: str, process: int | None = None) -> int:
    """Return the resident memory of a process in bytes; 0 for one that has ended.

    `resource.getrusage` is no alternative: its maximum survives an exec.

    Args:
      field: VmRSS, the present memory; VmHWM, the highest so far.
      process: its number; None: this one.
    """
    status = STATUS if process is None else Path(f"/proc/{process}/status")
    found = re.search(rf"{field}:\s+(\d+) kB", status.read_text())
    return 1024 * int(found[1]) if found is not None else 0


def make_transitions(steps: int) -> rj.Transition:
    """Draw random NumPy transitions, with velocities inside and outside the bounds."""
    rng = np.random.default_rng(0)
    draw = rng.standard_normal
    observation: Any = draw((steps, OBSERVATION_DIM), np.float32)
    next_observation: Any = draw((steps, OBSERVATION_DIM), np.float32)
    observation *= 10.0
    next_observation *= 10.0
    zeros: Any = np.zeros(steps, np.float32)
    action: Any = rng.random((steps, ACTION_DIM), np.float32)
    reward: Any = draw(steps, np.float32)
    return rj.Transition(
        observation=observation,
        action=action,
        reward=reward,
        next_observation=next_observation,
        terminated=zeros,
    )


def relabel_and_move(transitions: rj.Transition, seed: int) -> rj.Transition:
    """Relabel the rewards and move the transitions to the device."""
    hazard = find_task(TASK).hazard
    base: Any = transitions.reward
    quantity: Any = transitions.next_observation[:, hazard.coordinate]
    reward, _, _ = relabel_rewards(hazard, base, quantity, seed)
    penalised: Any = reward.astype(np.float32)
    relabelled = transitions._replace(reward=penalised)
    return jax.block_until_ready(jax.device_put(relabelled))


def measure_relabelling(steps: int, repeats: int) -> dict[str, Any]:
    """Return rate and peak of `relabel_and_move`; the peak includes its input."""
    jax.block_until_ready(jax.device_put(np.zeros(1)))
    before = resident("VmRSS")
    transitions = make_transitions(steps)
    seconds = []
    for seed in range(repeats):
        start = time.perf_counter()
        relabel_and_move(transitions, seed)
        seconds.append(time.perf_counter() - start)
    peak = resident("VmHWM") - before
    return {
        "transitions_per_s": steps / statistics.median(seconds),
        "transitions_per_s_range": [steps / max(seconds), steps / min(seconds)],
        "peak_bytes": peak,
        "peak_over_arrays": peak / (steps * STEP_BYTES),
    }


def measure_relabelled_files(steps: int, root: Path) -> dict[str, Any]:
    """Return seconds, rate and peak of `relabel_dataset`, which reads and writes."""
    hazard = find_task(TASK).hazard
    before, start = resident("VmRSS"), time.perf_counter()
    relabel_dataset(
        [DATASET_ID], "benchmark/relabelled-v0", hazard, 0, task=TASK, root=root
    )
    seconds, peak = time.perf_counter() - start, resident("VmHWM") - before
    return {
        "seconds": seconds,
        "transitions_per_s": steps / seconds,
        "peak_bytes": peak,
        "peak_over_arrays": peak / (steps * STEP_BYTES),
    }


def measure_loading(steps: int, root: Path, normalize: bool) -> dict[str, Any]:
    """Return seconds and peak of `load_datasets`."""
    jax.block_until_ready(jax.device_put(np.zeros(1)))
    before, start = resident("VmRSS"), time.perf_counter()
    dataset = load_datasets([DATASET_ID], normalize=normalize, root=root)
    jax.block_until_ready(dataset.transitions)
    seconds, peak = time.perf_counter() - start, resident("VmHWM") - before
    return {
        "seconds": seconds,
        "peak_bytes": peak,
        "peak_over_arrays": peak / (steps * STEP_BYTES),
    }


def make_episodes(steps: int) -> Iterator[EpisodeBuffer]:
    """Yield random episodes with float64 observations and rewards, as in MuJoCo."""
    rng = np.random.default_rng(0)
    for start in range(0, steps, EPISODE_LENGTH):
        length = min(EPISODE_LENGTH, steps - start)
        yield EpisodeBuffer(
            observations=rng.standard_normal((length + 1, OBSERVATION_DIM)),
            actions=rng.uniform(-1, 1, (length, ACTION_DIM)).astype(np.float32),
            rewards=rng.standard_normal(length),
            terminations=np.zeros(length, bool),
            truncations=np.arange(length) == length - 1,
        )


def make_dataset(steps: int, root: Path) -> None:
    """Write the dataset that the other parts read."""
    env = gymnasium.make(ROBOT)
    write_dataset(
        DATASET_ID,
        make_episodes(steps),
        observation_space=env.observation_space,
        action_space=env.action_space,
        algorithm_name="noise",
        description="Random numbers in HalfCheetah's shapes.",
        env_spec=env.spec,
        root=root,
    )


def measure(arguments: Arguments) -> dict[str, Any]:
    """Return the measurements of all parts."""
    spawn = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory() as folder,
        # Each part has its own process and therefore its own peak.
        spawn.Pool(1, log_mujoco_warnings, maxtasksperchild=1) as pool,
    ):
        root = Path(folder)
        pool.apply(make_dataset, [arguments.steps, root])
        measured = [
            pool.apply(measure_relabelling, [arguments.steps, arguments.repeats]),
            pool.apply(measure_relabelled_files, [arguments.steps, root]),
            pool.apply(measure_loading, [arguments.steps, root, False]),
            pool.apply(measure_loading, [arguments.steps, root, True]),
        ]
    return {"steps": arguments.steps, **dict(zip(PARTS, measured, strict=True))}


def print_table(result: dict[str, Any]) -> None:
    """Print the measurements."""
    table = Table(title=f"{result['steps']:,} transitions")
    for name in ("part", "transitions/s", "peak / arrays"):
        table.add_column(name, justify="right")
    for part in PARTS:
        found = result[part]
        rate = found.get("transitions_per_s") or result["steps"] / found["seconds"]
        table.add_row(part, f"{rate:,.0f}", f"{found['peak_over_arrays']:.2f}")
    Console().print(table)


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    arguments: Arguments = read_words(
        Arguments, argv, prog="python -m benchmarks.data", description=__doc__
    )
    check_at_least(arguments, {"steps": 1, "repeats": 1})
    if not STATUS.exists():
        raise rj.InputError(f"no {STATUS}: run this benchmark on Linux")
    records.check_out(arguments.out)
    result = measure(arguments)
    print_table(result)
    records.write_record(arguments.out, "data", result)


if __name__ == "__main__":
    process.run_command(main, "benchmarks.data", keep_programs=False)
