"""The inputs and outputs of the training of a population."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import numpy as np

from ramac_jax.errors import InputError
from ramac_jax.hyperparams import Hyperparams
from ramac_jax.population.history import History
from ramac_jax.population.members import LARGEST_SEED, Members
from ramac_jax.population.switches import check_switches
from ramac_jax.types import Agent, State, Transition
from ramac_jax.validation import (
    check_hyperparams,
    check_single_steps,
    check_target_steps,
    check_transitions,
)

FORMAT = 5  # of checkpoints; changes with their arrays and with random numbers


class Schedule(NamedTuple):
    """Length of the training and intervals between its events, all in updates."""

    num_steps: int
    """Updates that each member has tried at the end, those of its initial state
    included."""
    batch_size: int = 256
    """Transitions of an update."""
    log_every: int = 500
    """Updates between two rows of metrics."""
    save_every: int = 1000
    """Updates between two checkpoints."""
    eval_every: int | None = None
    """Updates between two calls of the eval callback; None: never."""


class Pretraining(NamedTuple):
    """A start by behaviour cloning. Its updates are not counted as training."""

    agent: Agent
    """Has the same actor as the trained agent, and clones the behaviour alone."""
    num_steps: int
    """Updates; 0: no pretraining."""
    hyperparams_read: Sequence[str] = Hyperparams._fields
    """Hyperparameters that this agent reads. Members with the same seed and the same
    values of these share one pretrained actor."""


class InitialStates(NamedTuple):
    """A start from given states."""

    states: State
    """Every leaf [P, ...]."""
    step: int = 0
    """Updates that the states have behind them."""


class Storage(NamedTuple):
    """Where a run keeps its checkpoints."""

    folder: str | Path
    """A folder for this run alone; all hosts must see it."""
    settings: Mapping[str, Any] = MappingProxyType({})
    """Values of JSON that a resumed run must have in common with the stored one, in
    addition to members, schedule and dataset."""


class Progress(NamedTuple):
    """The progress of a chunk of a population, for reports."""

    phase: str
    """"pretraining" or "training"."""
    step: int
    """Updates tried in this phase."""
    num_steps: int
    """Updates of this phase."""
    updates_per_s: float
    """Recent updates per second of each member; NaN before the first update."""
    members: Members
    """Members of the chunk."""
    history: History
    """History of these members in this phase."""
    chunk: int
    """Index of the chunk."""
    num_chunks: int
    """Chunks of the population."""
    evaluating: int | None = None
    """Step of the evaluation that has not finished; None: there is none."""


class Trained(NamedTuple):
    """A trained population of P members."""

    members: Members
    states: State
    """NumPy, every leaf [P, ...]."""
    history: History
    frozen: dict[int, int]
    """Members that diverged -> the step of their last finite update."""

    def is_frozen(self) -> np.ndarray:
        """Whether each member diverged [P]."""
        return np.isin(np.arange(len(self.members.seed)), list(self.frozen))

    def states_of(self, members: Members) -> State:
        """The states of some of the members, found by setting and seed."""
        known = zip(self.members.setting, self.members.seed, strict=True)
        row_of = {pair: row for row, pair in enumerate(known)}
        pairs = zip(members.setting, members.seed, strict=True)
        rows = np.array([row_of[pair] for pair in pairs])
        states: State = jax.tree.map(lambda x: x[rows], self.states)
        return states


Start = Pretraining | InitialStates | None


def check_inputs(
    agent: Agent,
    members: Members,
    dataset: Transition,
    schedule: Schedule,
    start: Start,
) -> None:
    """Raise `InputError` for inputs of `train_population` that make no run."""
    check_lengths(schedule, start)
    check_members(members)
    if isinstance(start, InitialStates):
        size = len(members.seed)
        for leaf in jax.tree.leaves(start.states):
            if np.shape(leaf)[:1] != (size,):
                raise InputError(
                    f"the states are of {list(np.shape(leaf)[:1])} members, not {size}"
                )
    check_hyperparams(members.hyperparams, agent.risk_measure)
    if agent.ignores_ood_weight and np.any(members.hyperparams.ood_weight):
        raise InputError(
            f"ood_weight is {np.max(members.hyperparams.ood_weight):g} and the agent "
            "samples no OOD actions: build it with ood_actions=True, or give 0"
        )
    check_switches(members.hyperparams)
    check_transitions(dataset)
    check_target_steps(agent.target_steps, dataset)
    if agent.single_step:
        check_single_steps(dataset)


def check_lengths(schedule: Schedule, start: Start) -> None:
    """Raise `InputError` for a length or an interval that is too small."""
    least: dict[str, tuple[int | None, int]] = {
        name: (value, 1) for name, value in schedule._asdict().items()
    }
    if isinstance(start, Pretraining):
        least["num_steps of the pretraining"] = start.num_steps, 0
    if isinstance(start, InitialStates):
        least["step of the initial states"] = start.step, 0
    for name, (value, low) in least.items():
        if value is not None and value < low:
            raise InputError(f"{name} is {value}: give {low} or more")
    if first_step(start) > schedule.num_steps:
        raise InputError(
            f"the initial states have {first_step(start)} updates and num_steps is "
            f"{schedule.num_steps}: give more"
        )


def check_members(members: Members) -> None:
    """Raise `InputError` for no member, uneven shapes or a seed out of range."""
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


def first_step(start: Start) -> int:
    """Updates that the members have behind them at the start."""
    return start.step if isinstance(start, InitialStates) else 0


def describe(
    members: Members,
    dataset: Transition,
    schedule: Schedule,
    start: Start,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """The JSON record of all inputs that a resumed run must repeat."""
    lengths = schedule._asdict()
    del lengths["save_every"]  # changes no number
    pretraining = start.num_steps if isinstance(start, Pretraining) else 0
    return {
        "format": FORMAT,
        **lengths,
        "pretraining_steps": pretraining,
        "start": first_step(start),
        "seeds": members.seed.tolist(),
        "hyperparams": {
            name: [float(x) for x in values]
            for name, values in members.hyperparams._asdict().items()
        },
        "settings": dict(settings),
        "dataset": dataset_digest(dataset),
    }


def dataset_digest(dataset: Transition) -> str:
    """A hash of every number of a dataset."""
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(dataset):
        array = np.ascontiguousarray(leaf)
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()
