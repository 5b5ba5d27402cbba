"""What the training of a population is asked for, and what it tells."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from ramac_jax.population.checkpoints import dataset_digest
from ramac_jax.population.history import History
from ramac_jax.population.members import LARGEST_SEED, Members
from ramac_jax.types import Params, State, Transition
from ramac_jax.validation import InputError, check_hyperparams, check_transitions

FORMAT = 4  # of checkpoints: another where arrays or random numbers are others


class Schedule(NamedTuple):
    """How long a population trains, and what happens how often; all in updates."""

    num_steps: int
    """Updates that each member has tried at the end."""
    batch_size: int = 256
    """Transitions of each."""
    bc_steps: int = 0
    """Updates of behaviour cloning alone, before all others and not counted."""
    log_every: int = 500
    """Updates between two rows of metrics."""
    save_every: int = 1000
    """Updates between two checkpoints."""
    watch_every: int | None = None
    """Updates between two calls of the watcher; None: never."""
    start: int = 0
    """Updates that the given states have behind them."""


class Progress(NamedTuple):
    """Where a population stands, as it is reported."""

    phase: str  # "cloning" or "training"
    step: int
    num_steps: int
    updates_per_s: float  # lately, of every member of the chunk; NaN before the first
    members: Members  # of the chunk
    history: History  # of these members, in this phase
    chunk: int
    num_chunks: int
    looking: int | None = None  # step whose figures the watcher has still to tell


class Trained(NamedTuple):
    """What became of a population of P members."""

    members: Members
    states: State  # NumPy, every leaf [P, ...]
    history: History
    frozen: dict[int, int]  # member -> the step at which it diverged

    def is_frozen(self) -> np.ndarray:
        """Which members did [P]."""
        return np.isin(np.arange(len(self.members.seed)), list(self.frozen))

    def states_of(self, members: Members) -> State:
        """The states of some of the members, found by setting and seed."""
        known = zip(self.members.setting, self.members.seed, strict=True)
        row_of = {pair: row for row, pair in enumerate(known)}
        pairs = zip(members.setting, members.seed, strict=True)
        rows = np.array([row_of[pair] for pair in pairs])
        return jax.tree.map(lambda x: x[rows], self.states)


Watch = Callable[[int, Params, Members], Mapping[str, np.ndarray]]
"""(step, actor params in NumPy [P, ...], members) -> figures, each [P, ...]."""
Report = Callable[[Progress], None]
Say = Callable[[str], None]


def check(
    members: Members, dataset: Transition, schedule: Schedule, states: State | None
) -> None:
    """Raise `InputError` for anything that no run could be made of."""
    for name, value in schedule._asdict().items():
        low = 0 if name in ("bc_steps", "start") else 1
        if value is not None and value < low:
            raise InputError(f"{name} is {value}: give {low} or more")
    if schedule.start > schedule.num_steps:
        raise InputError(
            f"start is {schedule.start} and num_steps {schedule.num_steps}: give more"
        )
    size = len(members.seed)
    if not size:
        raise InputError("the population is empty: give at least one member")
    for path, leaf in jax.tree.leaves_with_path(members):
        if np.shape(leaf) != (size,):
            raise InputError(
                f"{jax.tree_util.keystr(path)} of the members has shape "
                f"{list(np.shape(leaf))}: it needs one value for each of {size}"
            )
    if np.min(members.seed) < 0 or np.max(members.seed) > LARGEST_SEED:
        raise InputError(f"a seed is out of range: give seeds from 0 to {LARGEST_SEED}")
    for leaf in jax.tree.leaves(states):
        if np.shape(leaf)[:1] != (size,):
            raise InputError(
                f"the states are of {list(np.shape(leaf)[:1])} members, not {size}"
            )
    check_hyperparams(members.hyperparams)
    check_transitions(dataset)


def describe(
    members: Members,
    dataset: Transition,
    schedule: Schedule,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """What a run must have in common with the one that it goes on with, as JSON."""
    lengths = schedule._asdict()
    del lengths["save_every"]  # changes no number
    return {
        "format": FORMAT,
        **lengths,
        "seeds": members.seed.tolist(),
        "hyperparams": {
            name: [float(x) for x in values]
            for name, values in members.hyperparams._asdict().items()
        },
        "settings": dict(settings),
        "dataset": dataset_digest(dataset),
    }
