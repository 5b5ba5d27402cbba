"""A sweep's agent-updates/s: `python -m benchmarks.search.throughput`.

A sweep trains its rounds as populations, and asks and tells a study in an SQLite file.
Each turn times one population, and then a sweep whose rounds have the same size. Every
population saves its agents. Programs are compiled before the first turn. Rates are per
second of the clock, and also per second of the process's own processor time, which
other work on the machine does not stretch.
"""

import dataclasses
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import ramac_jax as rj
from benchmarks import records
from benchmarks.options import check_at_least
from benchmarks.search.surfaces import SPACE
from benchmarks.throughput.cases import CASES
from ramac_jax.cli import process
from ramac_jax.cli.options.words import read_words
from ramac_jax.errors import check_names
from ramac_jax.population import (
    Schedule,
    SharedPrograms,
    Storage,
    cross,
    train_population,
)
from ramac_jax.search import Round, make_sampler, open_storage, open_study, search


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    out: Path | None = None
    """JSON file to write; None: print only."""
    case: str = "small"
    """Agent: a case of benchmarks.throughput."""
    batch: int = 8
    """Settings of a population."""
    num_seeds: int = 2
    """Seeds of each setting."""
    num_steps: int = 300
    """Updates of each agent."""
    rounds: int = 2
    """Populations of a sweep."""
    turns: int = 3
    """Turns of both."""


class Runs:
    """Timed runs that share their programs."""

    def __init__(self, arguments: Arguments) -> None:
        """Make the agent and its random data."""
        self.arguments, self.case = arguments, CASES[arguments.case]
        self.agent, self.dataset = self.case.agent(), self.case.dataset()
        self.shared = SharedPrograms(arguments.batch * arguments.num_seeds)

    def train(self, settings: rj.Hyperparams, folder: Path) -> None:
        """Train a population of these settings [B], and save it."""
        train_population(
            self.agent,
            self.dataset,
            cross(settings, seeds=range(self.arguments.num_seeds)),
            Schedule(self.arguments.num_steps, batch_size=self.case.batch_size),
            storage=Storage(folder=folder),
            shared=self.shared,
        )

    def plain(self) -> "Rates":
        """Return the rates of one population."""
        weights = np.geomspace(0.01, 0.1, self.arguments.batch).tolist()
        settings = rj.grid(rj.Hyperparams(), risk_weight=weights)
        with tempfile.TemporaryDirectory() as folder:
            begin = clocks()
            self.train(settings, Path(folder))
            return self.rates(1, begin)

    def sweep(self) -> "Rates":
        """Return the rates of a sweep, from its study on."""
        rounds, batch = self.arguments.rounds, self.arguments.batch
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)

            def score(round_: Round) -> np.ndarray:
                self.train(round_.hyperparams, folder / str(round_.number))
                return np.asarray(round_.hyperparams.risk_weight)

            begin = clocks()
            study = open_study(
                open_storage(f"sqlite:///{folder / 'study.db'}"),
                "throughput",
                sampler=make_sampler("tpe", SPACE),
                record={},
            )
            search(study, SPACE, score, num_trials=rounds * batch, batch_size=batch)
            return self.rates(rounds, begin)

    def rates(self, populations: int, begin: Sequence[float]) -> "Rates":
        """Return the rates of populations since the clocks showed `begin`."""
        agents = populations * self.arguments.batch * self.arguments.num_seeds
        updates = agents * self.arguments.num_steps
        return Rates(*(updates / (y - x) for x, y in zip(begin, clocks(), strict=True)))


class Rates(NamedTuple):
    """Agent-updates per second."""

    clock: float
    processor: float


def clocks() -> tuple[float, float]:
    """Return the clock and the processor time of this process, in seconds."""
    return time.perf_counter(), time.process_time()


def measure(arguments: Arguments) -> dict[str, Any]:
    """Return all rates and their ratios in each turn, and the median ratios."""
    runs = Runs(arguments)
    runs.plain()  # compiles
    turns = [(runs.plain(), runs.sweep()) for _ in range(arguments.turns)]
    found: dict[str, Any] = {}
    for kind in Rates._fields:
        pairs = [(getattr(x, kind), getattr(y, kind)) for x, y in turns]
        ratios = [sweep / plain for plain, sweep in pairs]
        found[kind] = {
            "plain": [plain for plain, _ in pairs],
            "sweep": [sweep for _, sweep in pairs],
            "ratio": ratios,
            "median_ratio": statistics.median(ratios),
        }
    return found


def check(arguments: Arguments) -> None:
    """Raise `InputError` for bad options."""
    check_names("case", [arguments.case], CASES)
    names = ("batch", "num_seeds", "num_steps", "rounds", "turns")
    check_at_least(arguments, dict.fromkeys(names, 1))


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    arguments: Arguments = read_words(
        Arguments,
        argv,
        prog="python -m benchmarks.search.throughput",
        description=__doc__,
    )
    check(arguments)
    records.check_out(arguments.out)
    found = measure(arguments)
    for kind, rates in found.items():
        for name in ("plain", "sweep", "ratio"):
            numbers = ", ".join(f"{x:.4g}" for x in rates[name])
            print(f"agent-updates/s, {kind}, {name}: {numbers}")
        print(f"median ratio, {kind}: {rates['median_ratio']:.3f}")
    options = {name: x for name, x in vars(arguments).items() if name != "out"}
    records.write_record(arguments.out, "search.throughput", options | found)


if __name__ == "__main__":
    process.run_command(main, "benchmarks.search.throughput", keep_programs=False)
