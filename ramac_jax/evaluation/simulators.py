"""Simulators of this process, stepped together.

An error in one of them marks its row as failed: nothing is raised, and the others
continue.
"""

import importlib
import math
import warnings
from typing import NamedTuple

import numpy as np

from ramac_jax.errors import InputError, first_line
from ramac_jax.extras import require

require("gymnasium", "ramac_jax.evaluation")

import gymnasium  # noqa: E402
from gymnasium.envs.registration import EnvSpec  # noqa: E402

from ramac_jax.envs.hazards import as_number  # noqa: E402
from ramac_jax.envs.registration import make_environment, update_spec  # noqa: E402
from ramac_jax.envs.robots import blew_up, forget_blow_ups  # noqa: E402
from ramac_jax.envs.spaces import flat_environment, is_flat, layout_before  # noqa: E402
from ramac_jax.evaluation.wrappers import check_wrappers  # noqa: E402


class Step(NamedTuple):
    """One step of N environments; rows that are not running are 0, `monitored` NaN."""

    observation: np.ndarray  # [N, O] float64
    reward: np.ndarray  # [N]
    base_reward: np.ndarray  # [N], the reward before any penalty
    penalty: np.ndarray  # [N], at most 0
    risky: np.ndarray  # [N] bool
    monitored: np.ndarray  # [N] float32, the quantity that the hazard depends on
    ended: np.ndarray  # [N] bool
    failed: np.ndarray  # [N] bool: an exception, no finite number, or unstable


def empty_step(size: int, observation_dim: int) -> Step:
    """Return a step in which no environment runs."""
    return Step(
        observation=np.zeros((size, observation_dim)),
        reward=np.zeros(size),
        base_reward=np.zeros(size),
        penalty=np.zeros(size),
        risky=np.zeros(size, bool),
        monitored=np.full(size, np.nan, np.float32),
        ended=np.zeros(size, bool),
        failed=np.zeros(size, bool),
    )


def make(env: EnvSpec, horizon: int) -> gymnasium.Env:
    """Make one environment.

    Its observations are vectors: dictionaries and tuples are flattened.

    Raises `InputError` where it cannot be made, where observations do not become
    vectors or actions are none, and where a wrapper keeps running statistics.
    """
    made = make_environment(env, max_episode_steps=horizon, disable_env_checker=True)
    try:
        return of_vectors(made, env.id)
    except BaseException:
        made.close()
        raise


def of_vectors(made: gymnasium.Env, name: str) -> gymnasium.Env:
    """Return an environment of vectors; raises `InputError` as `make` does."""
    check_wrappers(made)
    if not is_flat(made.action_space):
        raise InputError(
            f"{name} has action_space {made.action_space}: it must be a box of [size]"
        )
    try:
        return flat_environment(made)
    except InputError as error:
        raise InputError(f"{name} has observation_space {error}") from None


def find_spec(env: str | EnvSpec) -> EnvSpec:
    """Return the spec of an id, which may start with `module:`.

    Raises `InputError` for an unknown environment.
    """
    if isinstance(env, EnvSpec):
        return update_spec(env)
    module, _, name = env.rpartition(":")
    try:
        if module:
            importlib.import_module(module)
        return gymnasium.spec(name)
    except Exception as error:  # a module may raise anything
        raise InputError(f"unknown environment {env!r}: {first_line(error)}") from error


class Rows:
    """Environments of this process, made when first needed.

    A lane is a group of environments that are stepped together.
    """

    def __init__(self, env: EnvSpec, horizon: int) -> None:
        self.env, self.horizon = env, horizon
        self.lanes = {0: [make(env, horizon)]}
        self.observation_dim = self.lanes[0][0].observation_space.shape[0]
        self.action_dim = self.lanes[0][0].action_space.shape[0]
        self.layout = layout_before(self.lanes[0][0])

    def reset(self, lane: int, seeds: np.ndarray) -> Step:
        """Start an episode in each of N environments, with its own seed [N]."""
        made = self.lanes.setdefault(lane, [])
        while len(made) < len(seeds):
            made.append(make(self.env, self.horizon))
        step = empty_step(len(seeds), self.observation_dim)
        for row, seed in enumerate(seeds):
            try:
                step.observation[row] = made[row].reset(seed=int(seed))[0]
                forget_blow_ups(made[row])
            except Exception as error:  # a simulator may raise anything
                step.failed[row] = True
                warn_of_error(self.env, error)
        return reject_failed(step)

    def step(self, lane: int, actions: np.ndarray, running: np.ndarray) -> Step:
        """Step the running [N] environments with their actions [N, A]."""
        made = self.lanes[lane]
        step = empty_step(len(actions), self.observation_dim)
        for row in np.flatnonzero(running):
            try:
                observation, reward, terminated, truncated, info = made[row].step(
                    actions[row]
                )
                step.observation[row] = observation
                step.reward[row] = as_number(reward)
                step.base_reward[row] = as_number(info.get("base_reward", reward))
                step.penalty[row] = info.get("penalty", 0.0)
                step.risky[row] = info.get("risky", False)
                step.monitored[row] = info.get("monitored", math.nan)
                step.ended[row] = terminated or truncated
                step.failed[row] = blew_up(made[row])
            except Exception as error:  # a simulator may raise anything
                step.failed[row] = True
                warn_of_error(self.env, error)
        return reject_failed(step)

    def close(self) -> None:
        """Free the simulators."""
        for made in self.lanes.values():
            for env in made:
                env.close()


def warn_of_error(env: EnvSpec, error: Exception) -> None:
    """Warn of an error in a simulator; Python shows the same warning once."""
    text = f"{env.id}: {type(error).__name__}: {first_line(error)}"
    warnings.warn(text, RuntimeWarning, stacklevel=2)


def reject_failed(step: Step) -> Step:
    """Mark rows whose observation or reward is not finite as failed, and blank them."""
    with np.errstate(over="ignore"):  # beyond float32: inf
        finite = np.isfinite(step.observation.astype(np.float32)).all(axis=-1)
    finite &= np.isfinite(step.reward)
    failed = step.failed | ~finite
    for field in (step.observation, step.penalty, step.risky):
        field[failed] = 0
    step.monitored[failed] = np.nan
    return step._replace(failed=failed, ended=step.ended | failed)
