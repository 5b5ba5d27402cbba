"""Whether evaluations and checkpoints stall training: `python -m benchmarks.stalls`.

A population trains a case of `benchmarks.throughput` on random data; evaluations play
its policies in HalfCheetah-v5. Runs with evaluations and checkpoints alternate with
runs without both. The time of a run starts after its first update and ends when the
training function returns, so that it includes the last evaluation and the last
checkpoint. Rates are updates per second of that time, and also per second of that time
minus the seconds that evaluations waited for their simulators.
"""

import dataclasses
import statistics
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import records
from benchmarks.evaluation import TimedEnvironments
from benchmarks.stalls.options import ENV, Arguments, check
from benchmarks.stalls.runs import Run, TimedEvaluation, timed_run, train
from benchmarks.throughput.cases import CASES
from ramac_jax import population as populations
from ramac_jax.cli.options.words import read_words

TITLES = {
    "bare": "without both",
    "with_everything": "with both",
    "apart_from_simulators": "with both, minus simulator time",
}
"""Kinds of rates, by their key in the record."""


def median_and_range(values: Sequence[float]) -> dict[str, Any]:
    """Return the median, the least and the greatest of some numbers."""
    return {"median": statistics.median(values), "range": [min(values), max(values)]}


def summarize(bare: Sequence[Run], full: Sequence[Run]) -> dict[str, Any]:
    """Return rates of the runs without and with both, and their ratio in each turn."""
    rates = {
        "bare": [run.updates / run.wall_s for run in bare],
        "with_everything": [run.updates / run.wall_s for run in full],
        "apart_from_simulators": [
            run.updates / (run.wall_s - run.simulator_s) for run in full
        ],
    }
    ratios = {
        name: [x / y for x, y in zip(values, rates["bare"], strict=True)]
        for name, values in rates.items()
        if name != "bare"
    }
    beside = [run.beside_s / run.evaluation_s for run in full]
    simulators = [run.simulator_s / run.evaluation_s for run in full]
    return {
        "updates_per_s": {name: median_and_range(x) for name, x in rates.items()},
        "of_bare": {name: median_and_range(x) for name, x in ratios.items()},
        "beside_training": median_and_range(beside),
        "simulator_share": median_and_range(simulators),
        "runs": {
            "bare": [run._asdict() for run in bare],
            "with_everything": [run._asdict() for run in full],
        },
    }


def measure(arguments: Arguments) -> dict[str, Any]:
    """Return the options and the measurements."""
    bare, full = [], []
    with TimedEnvironments(
        ENV,
        horizon=arguments.horizon,
        num_workers=arguments.workers,
        num_threads=1,  # as `ramac train` does
    ) as environments:
        case = CASES[arguments.case]
        evaluation = TimedEvaluation(case, environments, arguments.episodes)
        # Makes the simulators, and compiles the programs of evaluations.
        brief = populations.Schedule(
            num_steps=2, log_every=1, save_every=1, eval_every=1
        )
        train(arguments, brief, evaluation)
        for _ in range(arguments.repeats):
            bare.append(timed_run(arguments, None))
            full.append(timed_run(arguments, evaluation))
    options = dataclasses.asdict(arguments)
    del options["out"]
    return {**options, "env": ENV, **summarize(bare, full)}


def print_table(result: dict[str, Any]) -> None:
    """Print the measurements."""
    table = Table(
        title=f"{result['population']} x {result['case']}: an evaluation every "
        f"{result['eval_every']} updates, a checkpoint every {result['save_every']}"
    )
    for name in ("quantity", "median", "least", "greatest"):
        table.add_column(name, justify="left" if name == "quantity" else "right")

    def add(name: str, found: dict[str, Any], form: str) -> None:
        numbers = (found["median"], *found["range"])
        table.add_row(name, *(format(x, form) for x in numbers))

    for key, title in TITLES.items():
        add(f"updates/s, {title}", result["updates_per_s"][key], ",.4g")
    for key, ratio in result["of_bare"].items():
        add(f"{TITLES[key]} / {TITLES['bare']}", ratio, ".1%")
    add("evaluation time during training", result["beside_training"], ".0%")
    add("evaluation time in simulators", result["simulator_share"], ".0%")
    Console(width=100).print(table)
    print("both: evaluations and checkpoints")


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    arguments: Arguments = read_words(
        Arguments, argv, prog="python -m benchmarks.stalls", description=__doc__
    )
    check(arguments)
    records.check_out(arguments.out)
    result = measure(arguments)
    print_table(result)
    records.write_record(arguments.out, "stalls", result)
