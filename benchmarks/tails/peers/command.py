"""The command: laws and peers by name, a table and a record."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import ramac_jax as rj
from benchmarks import records
from benchmarks.options import check_at_least, check_not_empty, flag
from benchmarks.packages import commit, installed
from benchmarks.tails import command, training
from benchmarks.tails.laws import LAWS, Law
from benchmarks.tails.peers.problem import Problem, Settings
from benchmarks.tails.peers.torch_critics import learn_d3rlpy, learn_release
from benchmarks.tails.peers.value_flows import learn_value_flows
from ramac_jax.cli.options.words import read_words
from ramac_jax.errors import check_names

CLONES = {
    "ramac": "KaiFukazawa/RAMAC",
    "oraac": "nuria95/O-RAAC",
    "value_flows": "chongyi-zheng/value-flows",
}
"""Option that gives a clone -> repository on GitHub."""
PACKAGES = "d3rlpy", "torch", "flax"
COUNTS = *Settings._fields[2:], "updates", "seeds"
RATES = Settings._fields[:2]


class Peer(NamedTuple):
    """A critic of another library."""

    learn: Callable[..., np.ndarray]  # problem, settings, updates, seed -> quantiles
    clone: str | None = None  # the option of its clone


IQN = partial(learn_d3rlpy, kind="IQN")
C51 = partial(learn_value_flows, name="c51")
PEERS = {
    "d3rlpy QR": Peer(partial(learn_d3rlpy, kind="QR")),
    "d3rlpy IQN": Peer(IQN),
    "d3rlpy IQN, one critic": Peer(partial(IQN, num_critics=1)),
    "RAMAC": Peer(partial(learn_release, name="RAMAC"), "ramac"),
    "O-RAAC": Peer(partial(learn_release, name="O-RAAC"), "oraac"),
    "Value Flows C51": Peer(C51, "value_flows"),
    "Value Flows C51, normalised": Peer(partial(C51, normalised=True), "value_flows"),
    "Value Flows C51, normalised, measured range": Peer(
        partial(C51, normalised=True, measured_range=True), "value_flows"
    ),
    "Value Flows IQN": Peer(partial(learn_value_flows, name="iqn"), "value_flows"),
    "Value Flows": Peer(partial(learn_value_flows, name="value_flows"), "value_flows"),
}
"""The critics by name."""


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    laws: tuple[str, ...] = tuple(LAWS)
    """Laws by name."""
    peers: tuple[str, ...] = ("d3rlpy QR", "d3rlpy IQN")
    """Critics by name."""
    ramac: Path | None = None
    """Clone of KaiFukazawa/RAMAC."""
    oraac: Path | None = None
    """Clone of nuria95/O-RAAC."""
    value_flows: Path | None = None
    """Clone of chongyi-zheng/value-flows."""
    learning_rate: float = 1e-3
    """Of Adam, for every critic."""
    target_rate: float = 0.05
    """Step of the moving average that is the target."""
    batch_size: int = 128
    """Rows of an update."""
    num_quantiles: int = 32
    """Quantiles of a critic that has them."""
    width: int = 64
    """Of every layer."""
    target_steps: int = 1
    """Rewards of a target."""
    updates: int = 12_000
    """Updates of a critic."""
    seeds: int = 1
    """Seeds of a critic."""
    out: Path | None = None
    """JSON file to write; None: print only."""


def check(arguments: Arguments) -> None:
    """Raise `InputError` for bad options."""
    check_at_least(arguments, dict.fromkeys(COUNTS, 1))
    check_not_empty(arguments, ["laws", "peers"])
    check_names("law", arguments.laws, LAWS)
    check_names("peer", arguments.peers, PEERS)
    for name in RATES:
        value = getattr(arguments, name)
        if not 0.0 < value <= 1.0:
            raise rj.InputError(f"{flag(name)} is {value}: give more than 0, at most 1")
    for peer in arguments.peers:
        clone = PEERS[peer].clone
        if clone is not None and getattr(arguments, clone) is None:
            raise rj.InputError(
                f"{peer} needs {flag(clone)}: give a clone of {CLONES[clone]}"
            )


def measure_peer(
    name: str,
    problem: Problem,
    settings: Settings,
    arguments: Arguments,
) -> list[dict[str, Any]]:
    """Return what a peer read at each start of a law."""
    peer, started = PEERS[name], time.perf_counter()
    clone = {} if peer.clone is None else {"clone": getattr(arguments, peer.clone)}
    learned = np.stack(
        [
            peer.learn(problem, settings, arguments.updates, seed, **clone)
            for seed in range(arguments.seeds)
        ]
    ).astype(np.float64)
    seconds = time.perf_counter() - started
    return [
        command.describe_reading(
            name, settings._asdict(), learned[:, start], arguments.updates, seconds
        )
        for start in range(learned.shape[1])
    ]


def measure_law(name: str, law: Law, arguments: Arguments) -> list[dict[str, Any]]:
    """Return a record for each start of a law."""
    found = command.measure_truth(name, law)
    recording = training.record_steps(
        law, training.NUM_WALKERS, training.NUM_STEPS, seed=0
    )
    problem = Problem(law, training.make_dataset(law, recording))
    settings = Settings(*(getattr(arguments, x) for x in Settings._fields))
    for peer in arguments.peers:
        rows = measure_peer(peer, problem, settings, arguments)
        for record, row in zip(found, rows, strict=True):
            record["critics"].append(row)
    return found


def sources(arguments: Arguments) -> Mapping[str, str | None]:
    """Return the version of every package, and the commit of every clone."""
    found = installed(PACKAGES)
    for option, repository in CLONES.items():
        if (clone := getattr(arguments, option)) is not None:
            found[repository] = commit(clone)
    return found


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    arguments: Arguments = read_words(
        Arguments, argv, prog="python -m benchmarks.tails.peers", description=__doc__
    )
    check(arguments)
    records.check_out(arguments.out)
    found: list[dict[str, Any]] = []
    for name in arguments.laws:
        rows = measure_law(name, LAWS[name], arguments)
        for record in rows:
            command.print_table(record)
        found += rows
        result = {"laws": found, "sources": sources(arguments)}
        records.write_record(arguments.out, "tails.peers", result)
