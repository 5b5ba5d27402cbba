"""The evaluator of a run: plays its agents in environments that stay open."""

import contextlib
import dataclasses
import functools
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ramac_jax.acting import ActingParams
from ramac_jax.cli.runs.episodes import play
from ramac_jax.cli.runs.protocol import EvaluationProtocol, without_evaluation
from ramac_jax.errors import InputError
from ramac_jax.evaluation import Environments, Episodes, corrected_cvar
from ramac_jax.policy import Policy, PolicySpec, build_actor, build_critic
from ramac_jax.population import Callbacks, Members
from ramac_jax.types import Actor, Critic

FIGURES = ("mean", "cvar", "risky_share", "failed")
"""Columns of an agent's episodes, in their order in tables."""


@dataclasses.dataclass(frozen=True)
class Evaluator:
    """Plays the agents of a run, its simulators held open."""

    spec: PolicySpec
    protocol: EvaluationProtocol
    environments: Environments

    @functools.cached_property
    def actor(self) -> Actor:
        """The actor, built once: each actor compiles programs of its own."""
        return build_actor(self.spec)

    @functools.cached_property
    def critic(self) -> Critic | None:
        """The critics that rank candidates, built once; None: the spec has none."""
        return None if self.spec.critic is None else build_critic(self.spec.critic)

    def for_policy(self, spec: PolicySpec) -> "Evaluator":
        """Return an evaluator of other policies in the same environments."""
        return dataclasses.replace(self, spec=spec)

    def play(
        self,
        params: ActingParams,
        numbers: Sequence[int] | None = None,
        *,
        progress: bool = False,
        cancelled: threading.Event | None = None,
        **changed: Any,
    ) -> Episodes:
        """Play the episodes of agents.

        Args:
          params: parameters of their actors and critics [P, ...].
          numbers: of the agents, as `episodes.play` reads them.
          progress: show the progress.
          cancelled: once it is set, `Cancelled` ends the episodes.
          changed: fields that differ from the protocol's.
        """
        protocol = dataclasses.replace(self.protocol, **changed)
        policy = Policy(
            self.spec,
            self.actor,
            params.actor,
            critic=self.critic,
            critic_params=params.critic,
        )
        return play(
            policy,
            range(policy.population),
            protocol,
            environments=self.environments,
            numbers=numbers,
            progress=progress,
            cancelled=cancelled,
        )

    def callback(self, everyone: Members, **changed: Any) -> Callbacks:
        """Return the eval callback of a population that this evaluator plays.

        Args:
          everyone: the members of the population.
          changed: fields that differ from the protocol's.
        """

        def evaluate(
            step: int, params: ActingParams, some: Members, cancelled: threading.Event
        ) -> dict[str, np.ndarray]:
            numbers = np.searchsorted(np.unique(everyone.seed), some.seed).tolist()
            episodes = self.play(params, numbers, cancelled=cancelled, **changed)
            return figures_of(episodes, self.protocol.level)

        return Callbacks(evaluate=evaluate)


@contextlib.contextmanager
def open_evaluator(
    spec: PolicySpec, protocol: EvaluationProtocol
) -> Iterator[Evaluator]:
    """Open the environments of a run; `InputError` where there are none."""
    try:
        environments = Environments(
            protocol.env,
            horizon=protocol.horizon,
            num_workers=protocol.workers,
            num_threads=1,  # the training has the other cores
        )
    except InputError as error:
        raise without_evaluation(error) from None
    with environments:
        yield Evaluator(spec, protocol, environments)


def figures_of(episodes: Episodes, level: float) -> dict[str, np.ndarray]:
    """Summarise the episodes of each agent [P]; failed ones are counted, not used.

    The CVaR is `corrected_cvar`: the mean over agents would keep the bias of each one.
    """
    rows = []
    for returns, failed, length, risky in zip(
        episodes.returns,
        episodes.failed,
        episodes.length,
        episodes.risky_steps,
        strict=True,
    ):
        kept = returns[~failed]
        tail = float(corrected_cvar(kept, level)) if kept.size else np.nan
        mean = kept.mean() if kept.size else np.nan
        rows.append((mean, tail, risky.sum() / max(length.sum(), 1)))
    columns = np.asarray(rows, np.float64).T
    figures = dict(zip(FIGURES, columns, strict=False))
    return figures | {"failed": episodes.failed.sum(axis=-1)}
