"""How long a user waits before anything happens: `python -m benchmarks.starts`.

Each round starts, one after the other, `import jax`, the help texts of `ramac` and of
`ramac train`, and a run of one update with a preset's networks: first without any
compiled program, then with those that the first run kept. Times are CPU seconds of the
process, which other work on the machine hardly changes, and elapsed seconds. The table
shows medians, and ratios to `import jax` in the same round.
"""

import dataclasses
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

import ramac_jax as rj
from benchmarks import records
from benchmarks.data import DATASET_ID, STATUS, TASK, make_dataset, resident
from benchmarks.options import check_at_least
from ramac_jax.cli import process
from ramac_jax.cli.agents import ROBOT_AGENTS
from ramac_jax.cli.options.words import read_words
from ramac_jax.envs.mujoco_log import log_mujoco_warnings
from ramac_jax.errors import check_names

IMPORT = "import jax"
PROGRAM = ("-m", "ramac_jax")
POLL = 0.01
"""Seconds between two looks at a process."""


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    out: Path | None = None
    """JSON file to write; None: print only."""
    preset: str = "radac"
    """Agent of the runs."""
    steps: int = 64_000
    """Transitions of the runs' data."""
    repeats: int = 3
    """Rounds."""


class Cost(NamedTuple):
    """What a process took."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int  # of resident memory, as last seen


def start(words: Sequence[str], **variables: str) -> Cost:
    """Run Python with these words to its end; `InputError` where it fails."""
    begin = time.perf_counter()
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            [sys.executable, *words],
            env={**os.environ, **variables},
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        ended, peak = 0, 0
        try:
            while not ended:
                peak = max(peak, resident("VmHWM", child.pid))
                time.sleep(POLL)
                ended, status, usage = os.wait4(child.pid, os.WNOHANG)
            child.returncode = os.waitstatus_to_exitcode(status)
        finally:
            if not ended:
                child.kill()
                child.wait()
        seconds = time.perf_counter() - begin
        if child.returncode:
            errors.seek(0)
            *_, line = errors.read().decode().splitlines() or ["no message"]
            raise rj.InputError(f"python {' '.join(words)} failed: {line}")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, peak)


def run_words(preset: str, out: Path) -> list[str]:
    """Return the words of a run that makes one update and plays no episode."""
    options = {
        "task": TASK,
        "dataset": DATASET_ID,
        "preset": preset,
        "num-seeds": 1,
        "bc-steps": 0,
        "num-steps": 1,
        "episodes": 0,
        "out": out,
    }
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    return [*PROGRAM, "train", *map(str, words), "--overwrite"]


def one_round(preset: str, folder: Path) -> dict[str, Cost]:
    """Start each command once; the folder holds the data."""
    run = run_words(preset, folder / "run")
    with tempfile.TemporaryDirectory() as programs:
        variables = {
            "MINARI_DATASETS_PATH": str(folder),
            "JAX_COMPILATION_CACHE_DIR": programs,
        }
        return {
            IMPORT: start(["-c", IMPORT]),
            "ramac --help": start([*PROGRAM, "--help"]),
            "ramac train --help": start([*PROGRAM, "train", "--help"]),
            "first run": start(run, **variables),
            "second run": start(run, **variables),
        }


def measure(arguments: Arguments) -> list[dict[str, Any]]:
    """Return a row of medians for each command."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_dataset(arguments.steps, folder)
        one_round(arguments.preset, folder)  # makes the task's data
        rounds = [one_round(arguments.preset, folder) for _ in range(arguments.repeats)]
    rows = []
    for command in rounds[0]:
        ratios = [x[command].cpu_seconds / x[IMPORT].cpu_seconds for x in rounds]
        costs = [x[command] for x in rounds]
        rows.append(
            {
                "command": command,
                "ratio": statistics.median(ratios),
                "ratio_range": [min(ratios), max(ratios)],
                "seconds": statistics.median(x.seconds for x in costs),
                "cpu_seconds": statistics.median(x.cpu_seconds for x in costs),
                "peak_bytes": max(x.peak_bytes for x in costs),
            }
        )
    return rows


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    """Print the measurements."""
    table = Table(title="From the command to the end of the process")
    for name in ("command", "CPU / import jax", "CPU s", "s", "peak MB"):
        table.add_column(name, justify="right")
    for row in rows:
        low, high = row["ratio_range"]
        table.add_row(
            row["command"],
            f"{row['ratio']:.2f} [{low:.2f}, {high:.2f}]",
            f"{row['cpu_seconds']:.2f}",
            f"{row['seconds']:.2f}",
            f"{row['peak_bytes'] / 1e6:.0f}",
        )
    Console(width=100).print(table)


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    arguments: Arguments = read_words(
        Arguments, argv, prog="python -m benchmarks.starts", description=__doc__
    )
    check_at_least(arguments, {"steps": 1000, "repeats": 1})
    check_names("preset", [arguments.preset], ROBOT_AGENTS)
    if not STATUS.exists():
        raise rj.InputError(f"no {STATUS}: run this benchmark on Linux")
    records.check_out(arguments.out)
    log_mujoco_warnings()
    rows = measure(arguments)
    print_table(rows)
    records.write_record(arguments.out, "starts", {"rows": rows})


if __name__ == "__main__":
    process.run_command(main, "benchmarks.starts", keep_programs=False)
