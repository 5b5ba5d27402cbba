"""A population of policies, each through episodes of its own, in lockstep.

A row depends on nothing but the agent and its episode seed: neither the number of
episodes, nor the other agents, nor the workers change a bit of it (seen on CPUs).
Matrix products round differently at different sizes, so the policies always act on
`TILE` episodes each. These are a lane; while one lane's actions are computed, another
is stepped.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, NamedTuple

import jax
import numpy as np

from ramac_jax.evaluation.simulators import Environments
from ramac_jax.normalization import Scaling, normalize_observation, unscale_action
from ramac_jax.types import Actor, Array, Params
from ramac_jax.validation import InputError

if TYPE_CHECKING:
    from ramac_jax.policy import Policy

TILE = 8  # episodes of each agent in a lane
MAX_ENVIRONMENTS = 256  # alive at once, or two lanes; each takes 1.5 MB, 10 ms to make


class Episodes(NamedTuple):
    """One row per agent and episode; P agents, M episodes each."""

    episode_seed: np.ndarray  # [P, M], each different
    returns: np.ndarray  # [P, M], penalties included; NaN where it failed
    length: np.ndarray  # [P, M], steps
    risky_steps: np.ndarray  # [P, M]
    penalties: np.ndarray  # [P, M], sum of those charged, at most 0
    base_return: np.ndarray  # [P, M], without penalties; NaN where it failed
    failed: np.ndarray  # [P, M] bool: a NaN, an infinity or an exception ended it
    monitored: np.ndarray  # [P, M, horizon] float32, after each step; NaN past the end


@functools.partial(jax.jit, static_argnums=0)
def act(
    actor: Actor,
    params: Params,
    scaling: Scaling,
    observation: Array,
    seeds: Array,
    step: Array,
) -> Array:
    """Actions [P, M, A] for observations [P, M, O], in the environment's units.

    The noise of an action is drawn from fold_in(key(episode seed), step) alone.

    Args:
      actor: whose functions compile; its parameters are traced.
      params: every leaf [P, ...].
      scaling: the units.
      observation: [P, M, O].
      seeds: [P, M], of the episodes.
      step: [], steps made so far.
    """

    def one_row(params, observation, seed):
        key = jax.random.fold_in(jax.random.key(seed), step)
        observation = normalize_observation(scaling, observation)
        return unscale_action(scaling, actor.sample(params, observation, key))

    one_agent = jax.vmap(one_row, in_axes=(None, 0, 0))
    if jax.default_backend() != "cpu":
        return jax.vmap(one_agent)(params, observation, seeds)
    # Agents in turn: side by side they would round otherwise than alone.
    return jax.lax.map(lambda agent: one_agent(*agent), (params, observation, seeds))


def evaluate(
    policy: Policy,
    environments: Environments,
    *,
    num_episodes: int,
    seed: int = 0,
    on_step: Callable[[int, int], None] | None = None,
) -> Episodes:
    """Take every agent of a policy through M episodes of its own.

    No two agents share an episode, so that their returns are independent draws; the
    same `seed` gives the agents of another policy the same episodes, one by one.

    Where that needs more than `MAX_ENVIRONMENTS` at once, episodes follow one another.
    `dataclasses.replace(policy, params=...)` acts without compiling again.

    Args:
      policy: the agents.
      environments: where they act.
      num_episodes: M.
      seed: of the first episode; agent p's episode m has seed + p M + m.
      on_step: told steps of lanes done, and the most there can be, after each.

    Raises `InputError` for an environment of other widths than the policy's, for no
    episode, or a seed that is negative or beyond 32 bits.
    """
    for name in ("observation_dim", "action_dim"):
        here, there = getattr(policy.spec, name), getattr(environments, name)
        if here != there:
            raise InputError(
                f"{environments.spec.id} has {name} {there} and the policy {here}: "
                "give the environment that it was trained for"
            )
    if num_episodes < 1:
        raise InputError(f"num_episodes is {num_episodes}: give 1 or more")
    size = policy.population * num_episodes
    if not 0 <= seed <= 2**31 - size:
        raise InputError(f"seed is {seed}: give one from 0 to about 2e9")
    seeds = seed + np.arange(size).reshape(policy.population, num_episodes)
    policy = placed_here(policy)
    blocks = [seeds[:, start : start + TILE] for start in range(0, num_episodes, TILE)]
    num_lanes = max(MAX_ENVIRONMENTS // (policy.population * TILE), 2)
    played: dict[int, Episodes] = {}

    def run_lane(lane: int) -> Iterator[None]:
        for index in range(lane, len(blocks), num_lanes):
            played[index] = yield from play(policy, environments, lane, blocks[index])

    lanes = [run_lane(lane) for lane in range(num_lanes)]
    done, total = 0, len(blocks) * environments.horizon
    while lanes:
        lanes = [lane for lane in lanes if next(lane, "over") != "over"]
        done += len(lanes)
        if on_step is not None:
            on_step(done if lanes else total, total)
    in_order = [played[index] for index in range(len(blocks))]
    return Episodes(*(np.concatenate(x, axis=1) for x in zip(*in_order, strict=True)))


def placed_here(policy: Policy) -> Policy:
    """The same agents on this thread's own device, whichever held their parameters."""
    held = jax.tree.map(np.asarray, (policy.params, policy.spec.scaling))
    params, scaling = jax.device_put(held)
    spec = policy.spec._replace(scaling=scaling)
    return dataclasses.replace(policy, spec=spec, params=params)


def play(
    policy: Policy, environments: Environments, lane: int, seeds: np.ndarray
) -> Generator[None, None, Episodes]:
    """Play the episodes of these seeds [P, M], M at most `TILE`, in a lane.

    Yields while the actions of a step are being computed.
    """
    shape, size = seeds.shape, seeds.shape[1]
    padded = np.zeros((shape[0], TILE, policy.spec.observation_dim), np.float32)
    key_seeds = np.pad(seeds, ((0, 0), (0, TILE - size))).astype(np.uint32)
    everyone = seeds.flatten()
    returns, base_return, penalties = np.zeros((3, everyone.size))
    length, risky_steps = np.zeros((2, everyone.size), int)
    monitored = np.full((everyone.size, environments.horizon), np.nan, np.float32)
    now = environments.reset(lane, everyone)
    failed, running = now.failed, ~now.failed
    for step in range(environments.horizon):
        if not running.any():
            break
        padded[:, :size] = now.observation.reshape(*shape, -1)
        acted = act(
            policy.actor,
            policy.params,
            policy.spec.scaling,
            padded,
            key_seeds,
            np.int32(step),
        )
        yield
        actions = np.asarray(acted)[:, :size].reshape(everyone.size, -1)
        failed |= running & ~np.isfinite(actions).all(axis=-1)
        running &= ~failed
        now = environments.step(lane, actions, running)
        failed |= now.failed
        returns += now.reward
        base_return += now.base_reward
        penalties += now.penalty
        risky_steps += now.risky
        length += running & ~now.failed
        monitored[:, step] = now.monitored
        running &= ~now.ended
    returns, base_return = (np.where(failed, np.nan, x) for x in (returns, base_return))
    rows = (
        everyone,
        returns,
        length,
        risky_steps,
        penalties,
        base_return,
        failed,
        monitored,
    )
    return Episodes(*(x.reshape(*shape, *x.shape[1:]) for x in rows))
