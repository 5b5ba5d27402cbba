"""Training next to other people's agents: `python -m benchmarks.peers`.

Checkouts of FQL, flow-rl and the PyTorch release train on random data by their own
code, and our agents of the same sizes as `ramac train` does on a CPU. Every agent has a
process of its own, and the processes take turns: ours, theirs, a population of ours.
Nothing is fetched. The parameters of actors and critics show how equal the sizes are.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

import ramac_jax as rj
from benchmarks import records
from benchmarks.options import check_at_least
from benchmarks.peers.checkouts import check_checkout
from benchmarks.peers.comparison import COMPARISONS, Plan, compare
from benchmarks.peers.tables import agent_table, ratio_table
from benchmarks.peers.theirs import PEERS
from ramac_jax.cli.options.words import read_words
from ramac_jax.devices.limits import count_cores


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    fql: Path | None = None
    """Checkout of seohongpark/fql; it needs distrax and ml_collections."""
    flow_rl: Path | None = None
    """Checkout of typoverflow/flow-rl; it needs distrax and hydra-core."""
    ramac: Path | None = None
    """Checkout of KaiFukazawa/RAMAC; it needs torch."""
    packages: Path | None = None
    """Folder of packages that are not installed here (`pip install --target`)."""
    rounds: int = 5
    """Rounds in which the agents take turns; the table shows medians."""
    seconds: float = 2.0
    """Approximate duration of a turn."""
    population: int = 8
    """Agents of our population."""
    out: Path | None = None
    """JSON file to write; None: print only."""


def check(arguments: Arguments) -> None:
    """Raise `InputError` for bad options."""
    check_at_least(arguments, {"rounds": 1, "population": 1})
    if not 0.0 < arguments.seconds < float("inf"):
        raise rj.InputError(f"--seconds is {arguments.seconds:g}: give more than 0")
    if arguments.packages is not None and not arguments.packages.is_dir():
        raise rj.InputError(f"--packages {arguments.packages} is no folder")
    for peer in PEERS.values():
        if (clone := getattr(arguments, peer.option)) is not None:
            check_checkout(peer, clone, arguments.packages)
    records.check_out(arguments.out)
    if not any(getattr(arguments, peer.option) for peer in PEERS.values()):
        raise rj.InputError("nothing to compare: give --fql, --flow-rl or --ramac")


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    arguments: Arguments = read_words(
        Arguments, argv, prog="python -m benchmarks.peers", description=__doc__
    )
    check(arguments)
    plan = Plan(*(getattr(arguments, name) for name in Plan._fields))
    screen, found = Console(width=124), list[dict[str, Any]]()
    for chosen in COMPARISONS:
        clone = getattr(arguments, PEERS[chosen.peer].option)
        if clone is None:
            continue
        found.append(compare(chosen, clone, plan))
        screen.print(ratio_table(found[-1], plan.population), agent_table(found[-1]))
        result = {
            "comparisons": found,
            "population": plan.population,
            "usable_cores": count_cores(),
        }
        records.write_record(arguments.out, "peers", result)  # keeps what is measured
