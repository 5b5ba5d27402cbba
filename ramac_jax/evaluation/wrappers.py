"""Wrappers of environments in which the episode of a seed is not always the same."""

import warnings
from collections.abc import Iterator

import gymnasium
import numpy as np

from ramac_jax.errors import InputError

STATISTICS = "RunningMeanStd"
"""The class of running statistics, in Gymnasium as in Stable-Baselines3."""
STEPS = 10
"""Steps of an episode that `warn_of_state` plays twice."""


def wrappers_of(env: gymnasium.Env) -> Iterator[gymnasium.Wrapper]:
    """Yield the wrappers of an environment, the outermost first."""
    while isinstance(env, gymnasium.Wrapper):
        yield env
        env = env.env


def name_of(env: gymnasium.Env) -> str:
    """Return the id of an environment, or the name of its class."""
    spec = env.unwrapped.spec
    return type(env.unwrapped).__name__ if spec is None else str(spec.id)


def keeps_statistics(wrapper: gymnasium.Wrapper) -> bool:
    """Return whether a wrapper holds running statistics."""
    kinds = (kind for value in vars(wrapper).values() for kind in type(value).__mro__)
    return any(kind.__name__ == STATISTICS for kind in kinds)


def check_wrappers(env: gymnasium.Env) -> None:
    """Raise `InputError` where a wrapper normalizes by running statistics.

    A dataset does not hold the statistics of its collector. In an evaluation they start
    anew and depend on every episode played before.
    """
    kept = [type(x).__name__ for x in wrappers_of(env) if keeps_statistics(x)]
    if kept:
        raise InputError(
            f"{name_of(env)} has {' and '.join(kept)}, whose running statistics no "
            "dataset holds and every episode changes: evaluate in an environment with "
            "fixed statistics (gymnasium's TransformObservation and TransformReward)"
        )


def first_steps(env: gymnasium.Env) -> list[np.ndarray]:
    """Play a few steps of the episode of seed 0; return what was observed and paid."""
    action = np.clip(0.0, env.action_space.low, env.action_space.high)
    seen = [np.asarray(env.reset(seed=0)[0], np.float64)]
    for _ in range(STEPS):
        observation, reward, terminated, truncated, _ = env.step(
            action.astype(env.action_space.dtype)
        )
        seen += [np.asarray(observation, np.float64), np.asarray(reward, np.float64)]
        if terminated or truncated:
            break
    return seen


def warn_of_state(env: gymnasium.Env) -> None:
    """Warn where the first steps of a seed's episode differ when they are played again.

    A wrapper or a simulator then keeps a state across episodes, or draws numbers from a
    generator that `reset` does not seed. An environment that raises an error here says
    so in its first episode.
    """
    try:
        one, other = first_steps(env), first_steps(env)
    except Exception:  # an environment may raise anything
        return
    same = len(one) == len(other) and all(
        np.array_equal(a, b, equal_nan=True) for a, b in zip(one, other, strict=True)
    )
    if not same:
        names = [type(x).__name__ for x in wrappers_of(env)]
        warnings.warn(
            f"{name_of(env)}: the episode of a seed differs when it is played again, "
            "so that evaluations of the same seeds differ too; look for a state that "
            "survives reset, or a generator that reset does not seed, in "
            f"{', '.join([*names, type(env.unwrapped).__name__])}",
            RuntimeWarning,
            stacklevel=3,
        )
