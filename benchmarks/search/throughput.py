"""A sweep's agent-updates/s: `python -m benchmarks.search.throughput`.

A sweep trains its rounds as populations, and asks and tells a study in an SQLite file.
Each turn times one population, and then a sweep whose rounds have the same size. Every
population saves its agents. Programs are compiled before the first turn.
"""

import dataclasses
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

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

    def plain(self) -> float:
        """Return the agent-updates/s of one population."""
        weights = np.geomspace(0.01, 0.1, self.arguments.batch)
        settings = rj.grid(rj.Hyperparams(), risk_weight=weights)
        with tempfile.TemporaryDirectory() as folder:
            begin = time.perf_counter()
            self.train(settings, Path(folder))
            return self.rate(1, time.perf_counter() - begin)

    def sweep(self) -> float:
        """Return the agent-updates/s of a sweep, from its study on."""
        rounds, batch = self.arguments.rounds, self.arguments.batch
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)

            def score(round_: Round) -> np.ndarray:
                self.train(round_.hyperparams, folder / str(round_.number))
                return np.asarray(round_.hyperparams.risk_weight)

            begin = time.perf_counter()
            study = open_study(
                open_storage(f"sqlite:///{folder / 'study.db'}"),
                "throughput",
                sampler=make_sampler("tpe", SPACE),
                record={},
            )
            search(study, SPACE, score, num_trials=rounds * batch, batch_size=batch)
            return self.rate(rounds, time.perf_counter() - begin)

    def rate(self, populations: int, seconds: float) -> float:
        """Return agent-updates/s."""
        agents = populations * self.arguments.batch * self.arguments.num_seeds
        return agents * self.arguments.num_steps / seconds


def measure(arguments: Arguments) -> dict[str, Any]:
    """Return both rates and their ratio in each turn, and the median ratio."""
    runs, turns = Runs(arguments), []
    runs.plain()  # compiles
    for _ in range(arguments.turns):
        plain, sweep = runs.plain(), runs.sweep()
        turns.append({"plain": plain, "sweep": sweep, "ratio": sweep / plain})
    median = statistics.median(turn["ratio"] for turn in turns)
    return {"turns": turns, "median_ratio": median}


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
    output = Console()
    for turn in found["turns"]:
        output.print(
            f"population {turn['plain']:.4g}, sweep {turn['sweep']:.4g} "
            f"agent-updates/s, ratio {turn['ratio']:.3f}"
        )
    output.print(f"median ratio {found['median_ratio']:.3f}")
    options = {name: x for name, x in vars(arguments).items() if name != "out"}
    records.write_record(arguments.out, "search.throughput", options | found)


if __name__ == "__main__":
    process.run_command(main, "benchmarks.search.throughput", keep_programs=False)
