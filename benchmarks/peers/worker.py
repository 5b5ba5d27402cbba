"""A process that holds one agent and answers the command by lines of JSON.

`python -m benchmarks.peers.worker PACKAGES ours CASE AGENTS`, or `... PACKAGES theirs
PEER CHECKOUT`; PACKAGES may be empty. The first line describes the agent. Each line of
the standard input then asks for updates or actions. An error is a line too.
"""

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

import ramac_jax as rj
from benchmarks.packages import installed
from benchmarks.peers.trainer import Trainer, time_actions, warm_up
from ramac_jax.cli import process
from ramac_jax.errors import first_line

PACKAGES = "jax", "jaxlib", "flax", "torch"


def build_ours(case: str, agents: str) -> Trainer:
    """Build a population of ours, each core a device."""
    process.set_up(keep_programs=False, many_cores=True)
    from benchmarks.peers import ours

    return ours.build_ours(case, int(agents))


def build_theirs(peer: str, clone: str) -> Trainer:
    """Build an agent of a checkout."""
    from benchmarks.peers.theirs import PEERS

    return PEERS[peer].build(Path(clone))


BUILDERS: dict[str, Callable[..., Trainer]] = {
    "ours": build_ours,
    "theirs": build_theirs,
}


def describe(name: str, trainer: Trainer) -> dict[str, Any]:
    """Return what the command records of an agent, which is warm afterwards."""
    return {
        "parameters": warm_up(name, trainer),
        "gigaflop": trainer.gigaflop,
        "versions": installed(PACKAGES),
    }


def answer(trainer: Trainer, request: dict[str, Any]) -> float:
    """Return agent-updates/s, or milliseconds per action."""
    if "seconds" in request:
        return trainer.train(request["seconds"])
    return time_actions(trainer, request["calls"])


def serve(words: Sequence[str], requests: TextIO, answers: TextIO) -> None:
    """Build the agent of the words and answer until the requests end."""

    def send(line: dict[str, Any]) -> None:
        print(json.dumps(line), file=answers, flush=True)

    packages, kind, name, size = words
    if packages:
        sys.path.append(packages)  # last, so that no package here is replaced
    try:
        trainer = BUILDERS[kind](name, size)
        send(describe(name, trainer))
        for line in requests:
            send({"found": answer(trainer, json.loads(line))})
    except rj.InputError as error:
        send({"error": str(error)})
    except Exception as error:  # of other people's code
        kind_of_error = type(error).__name__
        send({"error": f"{name} fails: {kind_of_error}: {first_line(error)}"})


def main() -> None:
    """Serve; what other people's code prints goes to the standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    serve(sys.argv[1:], sys.stdin, answers)


if __name__ == "__main__":
    main()
