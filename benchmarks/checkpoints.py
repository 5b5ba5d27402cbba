"""Cost of checkpoints and of resumed runs: `python -m benchmarks.checkpoints`.

The networks are those of the preset published/halfcheetah-medium-expert, the data are
random. Runs with a checkpoint every few updates alternate with runs without any; the
difference is the cost of a checkpoint, reported as a share of 1,000 updates. Then a
process is killed, and a second process resumes with the compiled programs that the
first one kept.
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
from rich.console import Console
from rich.table import Table

import ramac_jax as rj
from benchmarks import records
from benchmarks.options import check_at_least
from benchmarks.throughput.cases import PRESET
from ramac_jax import population as populations
from ramac_jax.cli import process
from ramac_jax.cli.options.words import read_words

EVERY = 1_000  # updates between two checkpoints, whose cost is reported


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    out: Path | None = None
    """JSON file to write; None: print only."""
    population: int = 2
    """Members of the population."""
    num_steps: int = 60
    """Updates of a timed run."""
    save_every: int = 15
    """Updates between two checkpoints of a timed run."""
    repeats: int = 3
    """Timed runs of each kind; the table shows the median."""
    child: Path | None = None
    """Folder of the run; used for the process that this benchmark starts and kills."""


def train(
    arguments: Arguments, num_steps: int, folder: Path | None, report: Any
) -> None:
    """Train the population of the benchmark; None: without checkpoints."""
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
    """Return the seconds from the end of the first update to the last checkpoint."""
    started: list[float] = []

    def report(progress: populations.Progress) -> None:
        if progress.step and not started:
            started.append(time.perf_counter())

    train(arguments, arguments.num_steps, folder, report)
    return time.perf_counter() - started[0]


def measure_cost(arguments: Arguments) -> dict[str, Any]:
    """Return the seconds of an update and of a checkpoint."""
    times: dict[bool, list[float]] = {True: [], False: []}
    with tempfile.TemporaryDirectory() as root:
        for turn in range(arguments.repeats):
            for saves in (True, False):
                folder = Path(root, str(turn)) if saves else None
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
    """Return the seconds to the first update, of a new run and of a resumed run."""
    with tempfile.TemporaryDirectory() as root:
        cache, folder = Path(root, "programs"), Path(root, "run")
        first = start_child(arguments, folder, cache)
        kept = set(cache.glob("*-cache"))
        resumed = start_child(arguments, folder, cache)
        new = set(cache.glob("*-cache")) - kept
    return {
        "first_update_s": first,
        "first_update_resumed_s": resumed,
        "programs_kept": len(kept),
        "programs_compiled_on_resume": len(new),
    }


def start_child(arguments: Arguments, folder: Path, cache: Path) -> float:
    """Train in a second process, and kill it once it reports a checkpoint.

    Returns the seconds from the start of that process to its first update.
    """
    words = [sys.executable, "-m", "benchmarks.checkpoints", "--child", str(folder)]
    words += ["--population", str(arguments.population)]
    words += ["--save-every", str(arguments.save_every)]
    words += ["--num-steps", str(arguments.num_steps)]
    kept = {
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": str(process.MIN_COMPILE_SECONDS),
    }
    with subprocess.Popen(
        words, env=os.environ | kept, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        seconds = float(child.stdout.readline())
        child.stdout.readline()  # the process reports a checkpoint
        child.send_signal(signal.SIGKILL)
    return seconds


def run_child(arguments: Arguments, folder: Path) -> None:
    """Train until killed; print the seconds to the first update, then checkpoints."""
    first: list[int] = []

    def report(progress: populations.Progress) -> None:
        if progress.updates_per_s > 0.0 and not first:
            first.append(progress.step)
            age = time.time() - psutil.Process().create_time()
            print(age, flush=True)
        if first and any(x.name.isdigit() for x in folder.glob("chunk-0/training/*")):
            print("saved", flush=True)

    train(arguments, 10**6, folder, report)


def print_table(result: dict[str, Any]) -> None:
    """Print the measurements."""
    cost, resume = result["cost"], result["resume"]
    table = Table(title=f"{result['population']} agents of the preset")
    for name in ("quantity", "measured"):
        table.add_column(name)
    share = cost[f"share_of_{EVERY}_updates"]
    table.add_row("an update", f"{cost['update_s']:.3g} s")
    table.add_row("a checkpoint, beyond the updates", f"{cost['checkpoint_s']:.3g} s")
    table.add_row(f"a checkpoint every {EVERY} updates", f"{share:.2%}")
    table.add_row("first update of a process", f"{resume['first_update_s']:.3g} s")
    resumed = resume["first_update_resumed_s"]
    table.add_row("first update of the resumed process", f"{resumed:.3g} s")
    compiled = resume["programs_compiled_on_resume"]
    table.add_row(
        "programs that it compiled", f"{compiled} of {resume['programs_kept']}"
    )
    Console(width=80).print(table)


def check(arguments: Arguments) -> None:
    """Raise `InputError` for bad options."""
    least = {"population": 1, "num_steps": 2, "save_every": 1, "repeats": 1}
    check_at_least(arguments, least)
    if arguments.save_every > arguments.num_steps:
        raise rj.InputError(
            f"--save-every is {arguments.save_every}: give --num-steps "
            f"{arguments.num_steps} or less"
        )


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    arguments: Arguments = read_words(
        Arguments, argv, prog="python -m benchmarks.checkpoints", description=__doc__
    )
    check(arguments)
    if arguments.child is not None:
        run_child(arguments, arguments.child)
        return
    records.check_out(arguments.out)
    result = {
        "preset": "halfcheetah-medium-expert",
        "population": arguments.population,
        "batch_size": PRESET.batch_size,
        "save_every": arguments.save_every,
        "cost": measure_cost(arguments),
        "resume": measure_resume(arguments),
    }
    print_table(result)
    records.write_record(arguments.out, "checkpoints", result)


if __name__ == "__main__":
    process.run_command(
        main, "benchmarks.checkpoints", keep_programs=False, many_cores=True
    )
