"""The critics of a run, compared with the episodes of its agents."""

from typing import Any, NamedTuple

from ramac_jax.acting import AS_TRAINED
from ramac_jax.cli.runs.protocol import EvaluationProtocol
from ramac_jax.evaluation import (
    Calibration,
    Episodes,
    calibrate,
    summarise_calibration,
)
from ramac_jax.policy import Policy


class Calibrated(NamedTuple):
    """A calibration and its figures."""

    found: Calibration
    summary: dict[str, Any]


def compare_critics(
    policy: Policy, episodes: Episodes, protocol: EvaluationProtocol
) -> Calibrated | None:
    """Compare the critics of agents with their episodes.

    Returns None where no episode was played to its end, for agents whose critics
    predict no law of returns, and for agents that did not act as trained: critics
    predict the returns of that policy.
    """
    if not predicts_law(policy) or protocol.acting != AS_TRAINED:
        return None
    if episodes.failed.all():
        return None
    found = calibrate(policy, episodes)
    return Calibrated(found, summarise_calibration(found, protocol.level))


def predicts_law(policy: Policy) -> bool:
    """Whether critics know the law of returns, of one known discount."""
    spec = policy.spec.critic
    if policy.critic is None or spec is None or spec.discount is None:
        return False
    return not policy.critic.mean_only


def notes_on_critics(policy: Policy, protocol: EvaluationProtocol) -> list[str]:
    """Say how to compare critics whose agents did not act as they were trained."""
    if not predicts_law(policy) or protocol.acting == AS_TRAINED:
        return []
    return [
        "critics predict the returns of agents that act as they were trained: ramac "
        "evaluate RUN --temperatures 1 --num-candidates 1 --out OTHER compares both"
    ]
