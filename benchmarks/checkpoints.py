"""What it costs never to lose a run: `python -m benchmarks.checkpoints`.

The halfcheetah-medium-expert preset on made-up data. One population trains with a
checkpoint every few updates and without any, in turns; the difference is the cost of a
checkpoint, told as a share of 1,000 updates. Then a process is broken off and another
goes on, with the programs that the first one kept.
"""

import dataclasses
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import tyro
from rich.console import Console
from rich.table import Table

import ramac_jax as rj
from benchmarks.circumstances import circumstances
from benchmarks.throughput.cases import PRESET
from ramac_jax import population as populations
from ramac_jax.cli import folders, process
from ramac_jax.files import write_json

EVERY = 1_000  # updates between two checkpoints, of which the cost is told


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    out: Path | None = None
    """JSON file to write; None: print only."""
    population: int = 2
    """Agents trained side by side."""
    num_steps: int = 60
    """Updates of a timed run."""
    save_every: int = 15
    """Updates between two checkpoints in it."""
    repeats: int = 3
    """Timed runs of each kind; the median counts."""
    child: Path | None = None
    """Folder to train in as the process that is broken off, or goes on."""


def train(
    arguments: Arguments, num_steps: int, folder: Path | None, report: Any
) -> None:
    """Train the population of the benchmark."""
    populations.train_population(
        PRESET.agent(),
        PRESET.dataset(),
        populations.cross(rj.Hyperparams(), range(arguments.population)),
        populations.Schedule(
            num_steps=num_steps,
            batch_size=PRESET.batch_size,
            log_every=num_steps,
            save_every=arguments.save_every,
        ),
        callbacks=populations.Callbacks(report=report),
        storage=None if folder is None else populations.Storage(folder=folder),
    )


def timed_run(arguments: Arguments, folder: Path | None) -> float:
    """Seconds from the end of the first update to that of the last save."""
    begun: list[float] = []

    def report(progress: populations.Progress) -> None:
        if progress.step and not begun:
            begun.append(time.perf_counter())

    train(arguments, arguments.num_steps, folder, report)
    return time.perf_counter() - begun[0]


def measure_cost(arguments: Arguments) -> dict[str, Any]:
    """The cost of a checkpoint, beside that of the updates between two."""
    times: dict[bool, list[float]] = {True: [], False: []}
    with tempfile.TemporaryDirectory() as place:
        for turn in range(arguments.repeats):
            for saves in (True, False):
                folder = Path(place, str(turn)) if saves else None
                times[saves].append(timed_run(arguments, folder))
    num_saves = arguments.num_steps // arguments.save_every
    with_saves, without = (statistics.median(times[saves]) for saves in (True, False))
    update = without / (arguments.num_steps - 1)
    checkpoint = (with_saves - without) / num_saves
    return {
        "update_s": update,
        "checkpoint_s": checkpoint,
        "times_s": {"with": times[True], "without": times[False]},
        "num_checkpoints": num_saves,
        f"share_of_{EVERY}_updates": checkpoint / (EVERY * update),
    }


def measure_resume(arguments: Arguments) -> dict[str, Any]:
    """Seconds to the first update of a process, before and after it was broken off."""
    with tempfile.TemporaryDirectory() as place:
        cache, folder = Path(place, "programs"), Path(place, "run")
        first = start_child(arguments, folder, cache)
        kept = sorted(x.name for x in cache.iterdir())
        again = start_child(arguments, folder, cache)
        new = set(x.name for x in cache.iterdir()) - set(kept)
    return {
        "first_update_s": first,
        "first_update_resumed_s": again,
        "programs_kept": len([name for name in kept if name.endswith("-cache")]),
        "programs_compiled_on_resume": len([x for x in new if x.endswith("-cache")]),
    }


def start_child(arguments: Arguments, folder: Path, cache: Path) -> float:
    """Train in another process and kill it after its first checkpoint but one."""
    words = [sys.executable, "-m", "benchmarks.checkpoints", "--child", str(folder)]
    words += ["--population", str(arguments.population)]
    words += ["--save-every", str(arguments.save_every)]
    kept = {
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": str(process.MIN_COMPILE_SECONDS),
    }
    with subprocess.Popen(
        words, env=os.environ | kept, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        told = float(child.stdout.readline())
        child.stdout.readline()  # the first checkpoint is there
        child.send_signal(signal.SIGKILL)
    return told


def be_child(arguments: Arguments, folder: Path) -> None:
    """Tell how long the first update took to come, and when a checkpoint is there."""
    told: list[int] = []

    def report(progress: populations.Progress) -> None:
        if progress.updates_per_s > 0.0 and not told:
            told.append(progress.step)
            age = time.time() - psutil.Process().create_time()
            print(age, flush=True)
        if told and any(x.name.isdigit() for x in folder.glob("chunk-0/training/*")):
            print("saved", flush=True)

    train(arguments, 10**6, folder, report)


def print_table(result: dict[str, Any]) -> None:
    """Print the measurements."""
    cost, resume = result["cost"], result["resume"]
    table = Table(title=f"{result['population']} agents of the preset")
    for name in ("figure", "seen"):
        table.add_column(name)
    share = cost[f"share_of_{EVERY}_updates"]
    table.add_row("an update", f"{cost['update_s']:.3g} s")
    table.add_row("a checkpoint, beyond the updates", f"{cost['checkpoint_s']:.3g} s")
    table.add_row(f"a checkpoint every {EVERY} updates", f"{share:.2%}")
    table.add_row("first update of a process", f"{resume['first_update_s']:.3g} s")
    resumed = resume["first_update_resumed_s"]
    table.add_row("first update of the one that goes on", f"{resumed:.3g} s")
    compiled = resume["programs_compiled_on_resume"]
    table.add_row("programs it compiled", f"{compiled} of {resume['programs_kept']}")
    Console(width=80).print(table)


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    arguments = tyro.cli(Arguments, prog="python -m benchmarks.checkpoints", args=argv)
    counts = vars(arguments).items()
    if any(value < 1 for _, value in counts if isinstance(value, int)):
        raise rj.InputError("all numbers must be 1 or more")
    if arguments.save_every > arguments.num_steps:
        raise rj.InputError("save-every must be num-steps or less")
    if arguments.child is not None:
        be_child(arguments, arguments.child)
        return
    if arguments.out is not None:
        folders.writable_folder(arguments.out.absolute().parent)
    result = {
        "preset": "halfcheetah-medium-expert",
        "population": arguments.population,
        "batch_size": PRESET.batch_size,
        "save_every": arguments.save_every,
        "cost": measure_cost(arguments),
        "resume": measure_resume(arguments),
        **circumstances("checkpoints"),
    }
    print_table(result)
    if arguments.out is not None:
        write_json(arguments.out, result)


if __name__ == "__main__":
    process.run_command(
        main, "benchmarks.checkpoints", keep_programs=False, many_cores=True
    )
