"""One of our cases and one peer: their workers, their rounds and what is recorded."""

import contextlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.peers.checkouts import version
from benchmarks.peers.theirs import PEERS
from benchmarks.peers.turns import ratios, take_turns
from benchmarks.peers.workers import Worker
from benchmarks.throughput.measurement import median_and_range

CALLS = 100  # actions of a turn


class Comparison(NamedTuple):
    """An agent of ours and the peer of the same sizes."""

    case: str
    peer: str


COMPARISONS = (
    Comparison("fql", "FQL"),
    Comparison("diffusion-ql", "flow-rl DQL"),
    Comparison("radac", "RADAC"),
    Comparison("radac-categorical", "RADAC"),
    Comparison("rafmac", "RAFMAC"),
    Comparison("rafmac-categorical", "RAFMAC"),
)


class Plan(NamedTuple):
    """How long a comparison takes, and where its packages are."""

    rounds: int
    seconds: float
    population: int
    packages: Path | None


def compare(chosen: Comparison, clone: Path, plan: Plan) -> dict[str, Any]:
    """Return the measurements of a comparison, whose workers end with it."""
    packages = "" if plan.packages is None else str(plan.packages.resolve())
    words = {
        "ours": [packages, "ours", chosen.case, "1"],
        "theirs": [packages, "theirs", chosen.peer, str(clone.resolve())],
        "population": [packages, "ours", chosen.case, str(plan.population)],
    }
    with contextlib.ExitStack() as stack:
        workers = {x: stack.enter_context(Worker(words[x])) for x in words}
        theirs = workers["theirs"].receive()  # what fails, fails before we compile
        agents = {x: theirs if x == "theirs" else workers[x].receive() for x in words}
        rates, times = measure(workers, plan)
    for name, rate in rates.items():
        agents[name] |= median_and_range("updates_per_s", rate)
        agents[name] |= median_and_range("ms_per_update", 1000.0 / rate)
    for name, found in times.items():
        agents[name] |= median_and_range("ms_per_action", found)
    peer = PEERS[chosen.peer]
    agents["theirs"] |= {"repository": peer.repository, "commit": version(clone)}
    return {
        **chosen._asdict(),
        "agents": agents,
        **ratios("ratio", rates["ours"], rates["theirs"]),
        **ratios("population_ratio", rates["population"], rates["theirs"]),
    }


def measure(
    workers: Mapping[str, Worker], plan: Plan
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return agent-updates/s of each agent, and milliseconds of an action: [rounds].

    A population acts as one agent does, and is not asked.
    """
    turns = {x: partial(w.ask, seconds=plan.seconds) for x, w in workers.items()}
    rates = take_turns(turns, plan.rounds)
    acting = {x: partial(workers[x].ask, calls=CALLS) for x in ("ours", "theirs")}
    return rates, take_turns(acting, plan.rounds)
