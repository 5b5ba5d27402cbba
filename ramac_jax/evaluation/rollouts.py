"""Evaluation: a population of policies plays episodes in lockstep.

A row of the result depends on its agent and its episode seed alone: neither the number
of episodes, nor the other agents, nor the workers change a bit of it (observed on
CPUs). Matrix products round differently at different sizes, so the policies always act
on `TILE` episodes each. Such a group is a lane; while the actions of one lane are
computed, another lane is stepped.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from ramac_jax import acting
from ramac_jax.acting import AS_TRAINED, ActingOptions
from ramac_jax.errors import InputError
from ramac_jax.normalization import Scaling, normalize_observation, unscale_action
from ramac_jax.policy import Policy
from ramac_jax.types import Array

if TYPE_CHECKING:
    from ramac_jax.evaluation.environments import Environments
    from ramac_jax.evaluation.simulators import Step

TILE = 8  # episodes of each agent in a lane
MAX_ENVIRONMENTS = 256  # open at once, or two lanes; Gymnasium's take 1.5 MB, 10 ms

ActFn = Callable[[np.ndarray, np.ndarray, np.int32], Array]
"""(centred observations [P, M, O], seeds [P, M], step) -> actions [P, M, A]."""
OnStep = Callable[[int, int], bool | None]
"""(steps of lanes done, largest possible number) -> True to cancel the evaluation."""


class PlayingPolicy(Protocol):
    """A policy that brings its own function to play with, such as an exported one.

    It may have an `observation_centre` [O] and a `layout`, as `ExportedPolicy` has.
    """

    @property
    def population(self) -> int: ...
    @property
    def observation_dim(self) -> int: ...
    @property
    def action_dim(self) -> int: ...
    def act_fn(self, options: ActingOptions, /) -> ActFn: ...


class Cancelled(Exception):
    """An evaluation ended before its last episode because `on_step` asked for it."""


class Episodes(NamedTuple):
    """The episodes of an evaluation: P agents, M episodes each."""

    episode_seed: np.ndarray  # [P, M], those of one number alike
    returns: np.ndarray  # [P, M], penalties included; NaN for a failed episode
    length: np.ndarray  # [P, M], steps
    risky_steps: np.ndarray  # [P, M]
    penalties: np.ndarray  # [P, M], sum over the episode, at most 0
    base_return: np.ndarray  # [P, M], without penalties; NaN for a failed episode
    failed: np.ndarray  # [P, M] bool: no finite number, an error, or unstable
    monitored: np.ndarray  # [P, M, horizon] float32, after each step; NaN past the end
    rewards: np.ndarray | None = None  # [P, M, horizon] float32, 0 past the end
    start: np.ndarray | None = None
    """[P, M, O] float32, centred as the policy reads it, before the first step."""


class Actors(NamedTuple):
    """The arrays by which P agents act."""

    params: acting.ActingParams  # every leaf [P, ...]
    scaling: Scaling  # units of the environment
    numbers: acting.ActingNumbers


@functools.partial(jax.jit, static_argnums=0)
def act(
    rule: acting.ActingRule,
    actors: Actors,
    observation: Array,
    seeds: Array,
    step: Array,
) -> Array:
    """Actions [P, M, A] for centred observations [P, M, O].

    Both are in the environment's units.
    The noise of an action is drawn from fold_in(key(episode seed), step) alone.

    Args:
      rule: static; every rule compiles once.
      actors: P agents.
      observation: [P, M, O].
      seeds: [P, M], of the episodes.
      step: [], steps made so far.
    """

    scaling = actors.scaling

    def one_row(params: acting.ActingParams, observation: Array, seed: Array) -> Array:
        key = jax.random.fold_in(jax.random.key(seed), step)
        observation = normalize_observation(scaling, observation)
        action = acting.act(rule, params, observation, key, actors.numbers)
        return unscale_action(scaling, action)

    one_agent = jax.vmap(one_row, in_axes=(None, 0, 0))
    if jax.default_backend() != "cpu":
        return jax.vmap(one_agent)(actors.params, observation, seeds)
    # One agent after the other: a batch of agents rounds differently than one alone.
    agents = (actors.params, observation, seeds)
    return jax.lax.map(lambda agent: one_agent(*agent), agents)


def evaluate(
    policy: Policy | PlayingPolicy,
    environments: Environments,
    *,
    num_episodes: int,
    seed: int = 0,
    numbers: Sequence[int] | None = None,
    options: ActingOptions = AS_TRAINED,
    on_step: OnStep | None = None,
) -> Episodes:
    """Play M episodes with every agent of a policy.

    Agents of different numbers share no episode, so that their returns are independent
    draws; agents of one number meet the same episodes, to be compared. The
    same `seed` gives the agents of another policy the same episodes, one by one. Where
    more than `MAX_ENVIRONMENTS` would be open at once, lanes play several groups of
    episodes in turn. `dataclasses.replace(policy, params=...)` does not compile again.

    Args:
      policy: the agents; `ramac_jax.export.load_exported` reads others.
      environments: where the agents act; usable again afterwards, cancelled or not.
      num_episodes: M.
      seed: of the first episode; episode m of agent p has the seed
        `seed + numbers[p] M + m`.
      numbers: of the agents [P], 0 or more; None: 0 to P - 1.
      options: how the agents act.
      on_step: called after each step of the lanes, in this thread; to cancel from
        another thread, let it return the state of a `threading.Event`.

    Raises `InputError` for an environment of other widths than the policy's, for no
    episode, for a seed that is negative or beyond 32 bits, for numbers of other agents,
    and for options by which the policy cannot act; `Cancelled` once `on_step` returns
    True before the end.
    """
    numbers = range(policy.population) if numbers is None else numbers
    check_request(policy, environments, num_episodes, seed, numbers)
    act_in_lane = act_fn(policy, options)
    centre = getattr(policy, "observation_centre", None)
    shift = 0.0 if centre is None else np.asarray(centre, np.float64)
    first = np.asarray(numbers)[:, None] * num_episodes
    seeds = seed + first + np.arange(num_episodes)  # [P, M]
    groups = [seeds[:, start : start + TILE] for start in range(0, num_episodes, TILE)]
    num_lanes = max(MAX_ENVIRONMENTS // (policy.population * TILE), 2)
    played: dict[int, Episodes] = {}

    def run_lane(lane: int) -> Iterator[None]:
        for index in range(lane, len(groups), num_lanes):
            played[index] = yield from play(
                act_in_lane, environments, lane, groups[index], shift
            )

    lanes = [run_lane(lane) for lane in range(num_lanes)]
    done, total = 0, len(groups) * environments.horizon
    while lanes:
        lanes = [lane for lane in lanes if next(lane, "over") != "over"]
        done = done + len(lanes) if lanes else total
        if on_step is not None and on_step(done, total) and lanes:
            raise Cancelled(f"the evaluation was cancelled after {done} of {total}")
    in_order = [played[index] for index in range(len(groups))]
    return jax.tree.map(lambda *x: np.concatenate(x, axis=1), *in_order)


def act_fn(policy: Policy | PlayingPolicy, options: ActingOptions) -> ActFn:
    """Return the function by which the agents of a policy act."""
    if not isinstance(policy, Policy):
        return policy.act_fn(options)
    rule, actors = prepare(policy, options)
    return functools.partial(act, rule, actors)


def check_request(
    policy: Policy | PlayingPolicy,
    environments: Environments,
    num_episodes: int,
    seed: int,
    numbers: Sequence[int],
) -> None:
    """Raise `InputError` where `evaluate` cannot play these episodes."""
    given = policy.spec if isinstance(policy, Policy) else policy
    layout = getattr(given, "layout", None)
    if layout is not None and environments.layout not in (None, layout):
        raise InputError(
            f"{environments.spec.id} has other parts of observations than the data of "
            "the policy, or another order: give the environment that it was trained for"
        )
    for name in ("observation_dim", "action_dim"):
        here, there = getattr(policy, name), getattr(environments, name)
        if here != there:
            raise InputError(
                f"{environments.spec.id} has {name} {there} and the policy {here}: "
                "give the environment that it was trained for"
            )
    if num_episodes < 1:
        raise InputError(f"num_episodes is {num_episodes}: give 1 or more")
    if len(numbers) != policy.population or min(numbers) < 0:
        raise InputError(
            f"numbers is {list(numbers)} for {policy.population} agents: give one for "
            "each, 0 or more"
        )
    if not 0 <= seed <= 2**31 - (max(numbers) + 1) * num_episodes:
        raise InputError(f"seed is {seed}: give one from 0 to about 2e9")


def prepare(policy: Policy, options: ActingOptions) -> tuple[acting.ActingRule, Actors]:
    """Return what `act` needs, the arrays on this thread's default device.

    Raises `InputError` for options by which the policy cannot act.
    """
    options = policy.resolve(options)
    if options.risk_level is None:  # without candidates nothing reads it
        options = options._replace(risk_level=1.0)
    critic_params = policy.critic_params if options.num_candidates > 1 else None
    params = acting.ActingParams(policy.params, critic_params)
    held = jax.tree.map(np.asarray, (params, policy.spec.scaling))
    params, scaling = jax.device_put(held)
    actors = Actors(
        params=params,
        scaling=scaling,
        numbers=jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), options.numbers),
    )
    return policy.rule(options.num_candidates), actors


def play(
    act: ActFn,
    environments: Environments,
    lane: int,
    seeds: np.ndarray,
    centre: np.ndarray | float,
) -> Generator[None, None, Episodes]:
    """Play the episodes of seeds [P, M], M at most `TILE`, in a lane.

    The centre [O] is subtracted from observations before they are rounded. Yields while
    the actions of a step are being computed.
    """
    shape, size = seeds.shape, seeds.shape[1]
    padded = np.zeros((shape[0], TILE, environments.observation_dim), np.float32)
    key_seeds = np.pad(seeds, ((0, 0), (0, TILE - size))).astype(np.uint32)
    rows = seeds.flatten()
    now = environments.reset(lane, rows)
    start = (now.observation - centre).astype(np.float32)
    episodes = empty_episodes(rows, environments.horizon, start)
    episodes.failed[:] = now.failed
    running = ~now.failed
    for step in range(environments.horizon):
        if not running.any():
            break
        padded[:, :size] = (now.observation - centre).reshape(*shape, -1)
        acted = act(padded, key_seeds, np.int32(step))
        yield
        actions = np.asarray(acted)[:, :size].reshape(seeds.size, -1)
        episodes.failed[:] |= running & ~np.isfinite(actions).all(axis=-1)
        running &= ~episodes.failed
        now = environments.step(lane, actions, running)
        add_step(episodes, step, now, running)
        running &= ~now.ended
    episodes.returns[episodes.failed] = np.nan
    episodes.base_return[episodes.failed] = np.nan
    return jax.tree.map(lambda x: x.reshape(*shape, *x.shape[1:]), episodes)


def empty_episodes(seeds: np.ndarray, horizon: int, start: np.ndarray) -> Episodes:
    """Return episodes of seeds [N] before their first step; every leaf is [N, ...]."""
    size = seeds.size
    return Episodes(
        episode_seed=seeds,
        returns=np.zeros(size),
        length=np.zeros(size, int),
        risky_steps=np.zeros(size, int),
        penalties=np.zeros(size),
        base_return=np.zeros(size),
        failed=np.zeros(size, bool),
        monitored=np.full((size, horizon), np.nan, np.float32),
        rewards=np.zeros((size, horizon), np.float32),
        start=start,
    )


def add_step(episodes: Episodes, step: int, now: Step, running: np.ndarray) -> None:
    """Add one step of the running [N] environments to episodes [N], in place."""
    episodes.failed[:] |= now.failed
    episodes.returns[:] += now.reward
    episodes.base_return[:] += now.base_reward
    episodes.penalties[:] += now.penalty
    episodes.risky_steps[:] += now.risky
    episodes.length[:] += running & ~now.failed
    episodes.monitored[:, step] = now.monitored
    assert episodes.rewards is not None
    episodes.rewards[:, step] = now.reward
