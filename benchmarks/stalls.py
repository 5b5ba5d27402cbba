"""Whether evaluation and checkpoints stall training: `python -m benchmarks.stalls`.

A case of `benchmarks.throughput` on made-up data, its policies played in
HalfCheetah-v5. A run with evaluations and checkpoints and one with neither train in
turns, both timed from their first update to their return: the last evaluation and save
count. Rates are per second of that time, and once more per second of what is left of it
without the time that the evaluations waited for their simulators, whether or not they
ran beside training.
"""

import dataclasses
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

import ramac_jax as rj
from benchmarks.circumstances import circumstances
from benchmarks.evaluation import TimedEnvironments
from benchmarks.throughput.cases import CASES, Case
from ramac_jax import population as populations
from ramac_jax.cli import folders, process
from ramac_jax.errors import check_names
from ramac_jax.evaluation import evaluate
from ramac_jax.files import write_json
from ramac_jax.normalization import Scaling
from ramac_jax.policy import Policy, PolicySpec

ENV, WIDTHS = "HalfCheetah-v5", (17, 6)  # of an observation and an action
Spans = Sequence[tuple[float, float]]  # from when to when, in seconds


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    out: Path | None = None
    """JSON file to write; None: print only."""
    case: str = "preset"
    """Case of benchmarks.throughput, of 17 observations and 6 actions."""
    population: int = 1
    """Agents trained side by side."""
    num_steps: int = 10_000
    """Updates of a timed run."""
    eval_every: int = 5_000
    """Updates between two evaluations."""
    save_every: int = 1_000
    """Updates between two checkpoints."""
    episodes: int = 10
    """Episodes of each agent in an evaluation."""
    horizon: int = 1_000
    """Steps of an episode."""
    workers: int = 0
    """Processes that step the simulators; 0: the one that trains."""
    repeats: int = 3
    """Timed runs of each kind, in turns."""


class Run(NamedTuple):
    """One timed run."""

    updates: int
    wall_s: float
    simulator_s: float = 0.0  # that evaluations waited for their simulators
    evaluation_s: float = 0.0  # that they took in all
    beside_s: float = 0.0  # of these, while updates were made


class Player:
    """An eval callback that plays the agents of a case and notes when."""

    def __init__(self, case: Case, environments: TimedEnvironments, episodes: int):
        mean, std = jnp.zeros(case.observation_dim), jnp.ones(case.observation_dim)
        bounds = -jnp.ones(case.action_dim), jnp.ones(case.action_dim)
        spec = PolicySpec(scaling=Scaling(mean, std, *bounds))
        actor = case.actor(
            case.action_dim,
            case.sampler_steps,
            widths=case.actor_widths,
            time_width=case.time_width,
        )
        self.policy = Policy(spec, actor, None)
        self.environments, self.episodes = environments, episodes
        self.spans: list[tuple[float, float]] = []

    def __call__(
        self,
        step: int,
        params: Any,
        members: populations.Members,
        cancelled: threading.Event,
    ) -> dict[str, np.ndarray]:
        """The mean return of each agent."""
        begin = time.perf_counter()
        policy = dataclasses.replace(self.policy, params=params)
        played = evaluate(policy, self.environments, num_episodes=self.episodes)
        self.spans.append((begin, time.perf_counter()))
        return {"mean": played.returns.mean(axis=1)}


class Clock:
    """Notes when updates are made, from the reports of a run."""

    def __init__(self) -> None:
        self.step = 0  # of the last report
        self.at = 0.0  # its time
        self.first: tuple[int, float] | None = None  # step and time of the first update
        self.spans: list[tuple[float, float]] = []

    def __call__(self, progress: populations.Progress) -> None:
        """Note what was trained since the report before."""
        now = time.perf_counter()
        if self.first is None and progress.step:
            self.first = progress.step, now
        elif progress.step > self.step:
            trained = (progress.step - self.step) / progress.updates_per_s
            self.spans.append((self.at, min(self.at + trained, now)))
        self.step, self.at = progress.step, now


def train(
    arguments: Arguments,
    schedule: populations.Schedule,
    player: Player | None,
    report: Any = lambda progress: None,
) -> None:
    """Train the population of the benchmark, without a player without a folder."""
    case = CASES[arguments.case]
    with tempfile.TemporaryDirectory() as folder:
        populations.train_population(
            case.agent(),
            case.dataset(),
            populations.cross(rj.Hyperparams(), range(arguments.population)),
            schedule._replace(batch_size=case.batch_size),
            callbacks=populations.Callbacks(evaluate=player, report=report),
            storage=None if player is None else populations.Storage(folder=folder),
        )


def timed_run(arguments: Arguments, player: Player | None) -> Run:
    """Train once, with evaluations and checkpoints or with neither."""
    schedule = populations.Schedule(
        arguments.num_steps,
        save_every=arguments.save_every,
        eval_every=None if player is None else arguments.eval_every,
    )
    clock = Clock()
    if player is not None:
        player.spans, player.environments.waited = [], 0.0
    train(arguments, schedule, player, clock)
    assert clock.first is not None
    step, begun = clock.first
    run = Run(arguments.num_steps - step, time.perf_counter() - begun)
    if player is None:
        return run
    return run._replace(
        simulator_s=player.environments.waited,
        evaluation_s=sum(end - begin for begin, end in player.spans),
        beside_s=shared(player.spans, clock.spans),
    )


def shared(some: Spans, others: Spans) -> float:
    """Seconds that lie in some spans and in others, neither overlapping in itself."""
    return sum(
        max(0.0, min(end, last) - max(begin, first))
        for begin, end in some
        for first, last in others
    )


def middle(values: Sequence[float]) -> dict[str, Any]:
    """The median of some numbers, and their range."""
    return {"median": statistics.median(values), "range": [min(values), max(values)]}


def summarise(bare: Sequence[Run], full: Sequence[Run]) -> dict[str, Any]:
    """Rates of the runs without and with everything, and of each turn their ratio."""
    rates = {
        "bare": [x.updates / x.wall_s for x in bare],
        "with_everything": [x.updates / x.wall_s for x in full],
        "apart_from_simulators": [x.updates / (x.wall_s - x.simulator_s) for x in full],
    }
    ratios = {
        name: middle([x / y for x, y in zip(values, rates["bare"], strict=True)])
        for name, values in rates.items()
        if name != "bare"
    }
    return {
        "updates_per_s": {name: middle(values) for name, values in rates.items()},
        "of_bare": ratios,
        "beside_training": middle([x.beside_s / x.evaluation_s for x in full]),
        "simulator_share": middle([x.simulator_s / x.evaluation_s for x in full]),
        "runs": {
            "bare": [x._asdict() for x in bare],
            "with_everything": [x._asdict() for x in full],
        },
    }


def measure(arguments: Arguments) -> dict[str, Any]:
    """Everything the command reports."""
    bare, full = [], []
    with TimedEnvironments(
        ENV, horizon=arguments.horizon, num_workers=arguments.workers
    ) as environments:
        player = Player(CASES[arguments.case], environments, arguments.episodes)
        # Makes the simulators, and compiles what the timed runs compile no more.
        brief = populations.Schedule(2, log_every=1, save_every=1, eval_every=1)
        train(arguments, brief, player)
        for _ in range(arguments.repeats):
            bare.append(timed_run(arguments, None))
            full.append(timed_run(arguments, player))
    options = dataclasses.asdict(arguments)
    del options["out"]
    return {**options, "env": ENV, **summarise(bare, full), **circumstances("stalls")}


def print_table(result: dict[str, Any]) -> None:
    """Print the measurements."""
    table = Table(
        title=f"{result['population']} x {result['case']}: an evaluation every "
        f"{result['eval_every']} updates, a checkpoint every {result['save_every']}"
    )
    for name in ("figure", "median", "least", "greatest"):
        table.add_column(name, justify="left" if name == "figure" else "right")

    def add(name: str, seen: dict[str, Any], form: str) -> None:
        numbers = (seen["median"], *seen["range"])
        table.add_row(name, *(format(x, form) for x in numbers))

    names = {
        "bare": "bare",
        "with_everything": "with everything",
        "apart_from_simulators": "apart from the simulators' time",
    }
    for key, name in names.items():
        add(f"updates/s, {name}", result["updates_per_s"][key], ",.4g")
    for key, seen in result["of_bare"].items():
        add(f"{names[key]} / bare", seen, ".1%")
    add("evaluation's time beside training", result["beside_training"], ".0%")
    add("evaluation's time in the simulators", result["simulator_share"], ".0%")
    Console(width=100).print(table)
    print("apart from the simulators' time: updates / (wall - simulator seconds)")


def check(arguments: Arguments) -> None:
    """Raise `InputError` for options that nothing can be measured with."""
    for name, value in dataclasses.asdict(arguments).items():
        least = {"workers": 0, "num_steps": 2}.get(name, 1)
        if isinstance(value, int) and value < least:
            option = name.replace("_", "-")
            raise rj.InputError(f"--{option} is {value}: give {least} or more")
    for name in ("eval_every", "save_every"):
        if getattr(arguments, name) > arguments.num_steps:
            option = name.replace("_", "-")
            raise rj.InputError(
                f"--{option} is {getattr(arguments, name)}: give --num-steps "
                f"{arguments.num_steps} or less"
            )
    check_names("case", [arguments.case], CASES)
    case = CASES[arguments.case]
    if (case.observation_dim, case.action_dim) != WIDTHS:
        raise rj.InputError(
            f"case {arguments.case} has {case.observation_dim} observations and "
            f"{case.action_dim} actions: {ENV} needs one of {WIDTHS[0]} and {WIDTHS[1]}"
        )


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    arguments = tyro.cli(Arguments, prog="python -m benchmarks.stalls", args=argv)
    check(arguments)
    if arguments.out is not None:
        folders.writable_folder(arguments.out.absolute().parent)
    result = measure(arguments)
    print_table(result)
    if arguments.out is not None:
        write_json(arguments.out, result)


if __name__ == "__main__":
    process.run_command(main, "benchmarks.stalls", keep_programs=False, many_cores=True)
