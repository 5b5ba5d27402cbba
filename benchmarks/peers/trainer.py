"""What a worker times: an agent that trains and acts, ours or another's."""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

import ramac_jax as rj
from benchmarks.peers.data import ACTION_DIM, OBSERVATION_DIM

WARM_UP = 10  # actions before those that are timed
TrainFn = Callable[[float], float]
"""Train for so many seconds -> agent-updates/s."""
ParamsFn = Callable[[], Mapping[str, list[np.ndarray]]]
"""() -> copies of the present parameters of "actor" and "critics"."""


class Trainer(NamedTuple):
    """An agent whose programs are compiled by the first use of each function."""

    train: TrainFn
    act: Callable[[np.ndarray], Any]  # observation [O] -> action [A] as a NumPy array
    params: ParamsFn
    gigaflop: float | None = None
    """Of an update: of ours those of its products, of a peer in JAX as XLA counts."""


def repeat(update: Callable[[], Any], wait: Callable[[Any], Any]) -> TrainFn:
    """Return a function that repeats an update and waits for the last one."""

    def train(seconds: float) -> float:
        start, count, found = time.perf_counter(), 0, None
        while time.perf_counter() - start < seconds:
            found = update()
            count += 1
        wait(found)
        return count / (time.perf_counter() - start)

    return train


def warm_up(name: str, trainer: Trainer) -> dict[str, int]:
    """Compile what an agent does; return the parameters that each of its parts has.

    Raises `InputError` where a part does not learn.
    """
    before = trainer.params()
    trainer.train(0.1)
    after = trainer.params()
    for part, arrays in after.items():
        if not all(np.isfinite(x).all() for x in arrays):
            raise rj.InputError(f"{name} does not train: its {part} is not finite")
        pairs = zip(before[part], arrays, strict=True)
        if all(np.array_equal(old, new) for old, new in pairs):
            raise rj.InputError(f"{name} does not train: its {part} stays the same")
    time_actions(trainer, WARM_UP)
    return {part: sum(x.size for x in arrays) for part, arrays in after.items()}


def time_actions(trainer: Trainer, calls: int) -> float:
    """Return the median of the milliseconds from an observation to an action."""
    draw, found = np.random.default_rng(0), []
    for _ in range(calls):
        observation = draw.standard_normal(OBSERVATION_DIM, np.float32)
        begin = time.perf_counter_ns()
        action = trainer.act(observation)
        found.append((time.perf_counter_ns() - begin) / 1e6)
        assert np.shape(action) == (ACTION_DIM,)
    return float(np.median(found))
