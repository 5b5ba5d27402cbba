"""Options of `python -m benchmarks.stalls`."""

import dataclasses
from pathlib import Path

import ramac_jax as rj
from benchmarks.options import check_at_least, flag
from benchmarks.throughput.cases import CASES
from ramac_jax.errors import check_names

ENV, OBSERVATION_DIM, ACTION_DIM = "HalfCheetah-v5", 17, 6


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    out: Path | None = None
    """JSON file to write; None: print only."""
    case: str = "preset"
    """Case of benchmarks.throughput with 17 observations and 6 actions."""
    population: int = 1
    """Members of the population."""
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
    """Worker processes that step the simulators; 0: the training process does."""
    repeats: int = 3
    """Timed runs of each kind; both kinds alternate."""


LEAST = {
    "population": 1,
    "num_steps": 2,
    "eval_every": 1,
    "save_every": 1,
    "episodes": 1,
    "horizon": 1,
    "workers": 0,
    "repeats": 1,
}
"""The smallest number that each option accepts."""


def check(arguments: Arguments) -> None:
    """Raise `InputError` for bad options."""
    check_at_least(arguments, LEAST)
    for name in ("eval_every", "save_every"):
        if getattr(arguments, name) > arguments.num_steps:
            raise rj.InputError(
                f"{flag(name)} is {getattr(arguments, name)}: give --num-steps "
                f"{arguments.num_steps} or less"
            )
    check_names("case", [arguments.case], CASES)
    case = CASES[arguments.case]
    if (case.observation_dim, case.action_dim) != (OBSERVATION_DIM, ACTION_DIM):
        raise rj.InputError(
            f"case {arguments.case} has {case.observation_dim} observations and "
            f"{case.action_dim} actions: {ENV} needs a case with {OBSERVATION_DIM} "
            f"and {ACTION_DIM}"
        )
