"""Episodes of many agents, a few agents at a time, with their progress."""

import dataclasses
import functools
import threading
from collections.abc import Sequence

import jax
import numpy as np

from ramac_jax.cli.progress import open_progress
from ramac_jax.cli.runs.acting import with_acting
from ramac_jax.cli.runs.protocol import EvaluationProtocol
from ramac_jax.devices.hosts import join_hosts, rows_of_host
from ramac_jax.errors import InputError
from ramac_jax.evaluation import Environments, Episodes, evaluate
from ramac_jax.export import ExportedPolicy
from ramac_jax.policy import Policy

AT_ONCE = 16
"""Agents that play together, each with several simulators."""


def play(
    policy: Policy | ExportedPolicy,
    seeds: Sequence[int],
    protocol: EvaluationProtocol,
    *,
    environments: Environments | None = None,
    numbers: Sequence[int] | None = None,
    progress: bool = False,
    cancelled: threading.Event | None = None,
) -> Episodes:
    """Play the episodes of every agent of a policy; each host plays some agents.

    Args:
      policy: the agents, one for each seed.
      seeds: their names.
      protocol: how to evaluate.
      environments: open ones of the protocol, left open; None: new ones.
      numbers: of the agents, which decide the seeds of their episodes; agents of one
        number play the same ones. None: 0, 1, 2, ...
      progress: show the progress.
      cancelled: polled after each step; once it is set, `Cancelled` of
        `ramac_jax.evaluation` is raised.

    Raises `InputError` where policy, seeds and environment do not fit.
    """
    if len(seeds) != policy.population:
        raise InputError(
            f"the checkpoint holds {policy.population} agents and the run names "
            f"{len(seeds)} seeds: they are not of one run"
        )
    if numbers is None:
        numbers = range(policy.population)
    if environments is not None:
        return play_in(environments, policy, protocol, numbers, progress, cancelled)
    with Environments(
        protocol.env, horizon=protocol.horizon, num_workers=protocol.workers
    ) as made:
        return play_in(made, policy, protocol, numbers, progress, cancelled)


def play_in(
    environments: Environments,
    policy: Policy | ExportedPolicy,
    protocol: EvaluationProtocol,
    numbers: Sequence[int],
    progress: bool,
    cancelled: threading.Event | None,
) -> Episodes:
    """Play in open environments; see `play`."""
    rows = rows_of_host(policy.population)
    title = f"evaluation of {policy.population} agents in {protocol.env.id}"
    title = with_acting(title, protocol.acting)
    played: list[Episodes] = []
    with open_progress(disable=not progress) as display:
        task = display.add(title, len(rows) * protocol.horizon, "steps")

        def on_step(start: int, size: int, done: int, total: int) -> bool:
            share = start + size * done / total
            display.update(task, int(share * protocol.horizon))
            return cancelled is not None and cancelled.is_set()

        for start in range(0, len(rows), AT_ONCE):
            some = rows[start : start + AT_ONCE]
            played.append(
                evaluate(
                    pick(policy, some),
                    environments,
                    num_episodes=protocol.episodes,
                    seed=protocol.seed,
                    numbers=[numbers[row] for row in some],
                    options=protocol.acting,
                    on_step=functools.partial(on_step, start, len(some)),
                )
            )
    together = jax.tree.map(lambda *x: np.concatenate(x), *played)
    return join_hosts(together, policy.population)


def pick(policy: Policy | ExportedPolicy, rows: np.ndarray) -> Policy | ExportedPolicy:
    """Return some agents of a policy; an exported one has a single agent."""
    if isinstance(policy, ExportedPolicy):
        return policy
    everyone = (policy.params, policy.critic_params)
    params, critic_params = jax.tree.map(lambda x: x[rows], everyone)
    return dataclasses.replace(policy, params=params, critic_params=critic_params)
