"""Speed and memory of the data's path: `python -m benchmarks.data`.

Made-up HalfCheetah steps are charged and moved to the device, and a Minari dataset of
as many steps is loaded, and relabelled into another as `ramac data relabel` does. Each
part runs in a process of its own. Its peak is the highest resident memory that Linux
counted, minus the memory before there were any data, as a multiple of the size of the
transitions.
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
import tyro
from minari.data_collector.episode_buffer import EpisodeBuffer
from rich.console import Console
from rich.table import Table

import ramac_jax as rj
from benchmarks.circumstances import circumstances
from ramac_jax.cli import folders, process
from ramac_jax.data.loading import load_datasets
from ramac_jax.data.penalties import relabel_rewards
from ramac_jax.data.relabel import relabel_dataset
from ramac_jax.data.writing import write_dataset
from ramac_jax.envs.mujoco_log import log_mujoco_warnings
from ramac_jax.files import write_json
from ramac_jax.tasks import find_task

TASK, ROBOT, DATASET_ID = "halfcheetah-medium-expert", "HalfCheetah-v5", "made/large-v0"
OBSERVATION_DIM, ACTION_DIM, EPISODE_LENGTH = 17, 6, 1000
STEP_BYTES = 4 * (2 * OBSERVATION_DIM + ACTION_DIM + 2)  # of a transition in float32
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
    """Timed rounds of charging and moving; the median counts."""


def resident(field: str) -> int:
    """Return bytes of resident memory of this process: VmRSS now, VmHWM at most.

    The maximum of `resource.getrusage` is no alternative: it outlives exec.
    """
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None, "Linux reports the memory of a process there"
    return 1024 * int(found[1])


def make_transitions(steps: int) -> rj.Transition:
    """Draw random NumPy transitions, with velocities inside and outside the bounds."""
    rng = np.random.default_rng(0)
    draw = rng.standard_normal
    observation: Any = draw((steps, OBSERVATION_DIM), np.float32)
    following: Any = draw((steps, OBSERVATION_DIM), np.float32)
    observation *= 10.0
    following *= 10.0
    zeros: Any = np.zeros(steps, np.float32)
    action: Any = rng.random((steps, ACTION_DIM), np.float32)
    reward: Any = draw(steps, np.float32)
    return rj.Transition(
        observation=observation,
        action=action,
        reward=reward,
        next_observation=following,
        terminated=zeros,
    )


def charge_and_move(transitions: rj.Transition, seed: int) -> rj.Transition:
    """Relabel the rewards and move the transitions to the device: the timed part."""
    hazard = find_task(TASK).hazard
    base: Any = transitions.reward
    quantity: Any = transitions.next_observation[:, hazard.coordinate]
    reward, _, _ = relabel_rewards(hazard, base, quantity, seed)
    charged: Any = reward.astype(np.float32)
    return jax.block_until_ready(jax.device_put(transitions._replace(reward=charged)))


def measure_charging(steps: int, repeats: int) -> dict[str, Any]:
    """Return rate and peak of `charge_and_move`, its input included."""
    jax.block_until_ready(jax.device_put(np.zeros(1)))
    before = resident("VmRSS")
    transitions = make_transitions(steps)
    seconds = []
    for seed in range(repeats):
        start = time.perf_counter()
        charge_and_move(transitions, seed)
        seconds.append(time.perf_counter() - start)
    peak = resident("VmHWM") - before
    return {
        "transitions_per_s": steps / statistics.median(seconds),
        "transitions_per_s_range": [steps / max(seconds), steps / min(seconds)],
        "peak_bytes": peak,
        "peak_over_arrays": peak / (steps * STEP_BYTES),
    }


def measure_relabelling(steps: int, root: Path) -> dict[str, Any]:
    """Return seconds, rate and peak of `relabel_dataset`, with reading and writing."""
    hazard = find_task(TASK).hazard
    before, start = resident("VmRSS"), time.perf_counter()
    relabel_dataset([DATASET_ID], "made/charged-v0", hazard, 0, task=TASK, root=root)
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
    """Yield random episodes with float64 observations and rewards, as robots return."""
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
    """Write the dataset to be loaded."""
    env = gymnasium.make(ROBOT)
    write_dataset(
        DATASET_ID,
        make_episodes(steps),
        observation_space=env.observation_space,
        action_space=env.action_space,
        algorithm_name="noise",
        description="Noise of HalfCheetah's sizes.",
        env_spec=env.spec,
        root=root,
    )


def measure(arguments: Arguments) -> dict[str, Any]:
    """Return everything that the command reports."""
    spawn = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory() as folder,
        # A fresh process for each part has its own peak.
        spawn.Pool(1, log_mujoco_warnings, maxtasksperchild=1) as pool,
    ):
        root = Path(folder)
        pool.apply(make_dataset, [arguments.steps, root])
        measured = [
            pool.apply(measure_charging, [arguments.steps, arguments.repeats]),
            pool.apply(measure_relabelling, [arguments.steps, root]),
            pool.apply(measure_loading, [arguments.steps, root, False]),
            pool.apply(measure_loading, [arguments.steps, root, True]),
        ]
    return {
        "steps": arguments.steps,
        **dict(zip(PARTS, measured, strict=True)),
        **circumstances("data"),
    }


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
    arguments = tyro.cli(Arguments, prog="python -m benchmarks.data", args=argv)
    if min(arguments.steps, arguments.repeats) < 1:
        raise rj.InputError("steps and repeats must be 1 or more")
    if arguments.out is not None:
        folders.writable_folder(arguments.out.absolute().parent)
    result = measure(arguments)
    print_table(result)
    if arguments.out is not None:
        write_json(arguments.out, result)


if __name__ == "__main__":
    process.run_command(main, "benchmarks.data", keep_programs=False)
