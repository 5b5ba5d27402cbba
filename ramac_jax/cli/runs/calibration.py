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

    Returns None where no episode was played to its end, for agents without critics that
    know the tail of returns of one known discount, and for agents that did not act as
    they were trained: critics predict the returns of that policy.
    """
    spec = policy.spec.critic
    if policy.critic is None or spec is None or spec.discount is None:
        return None
    if protocol.acting != AS_TRAINED:
        return None
    if spec.name == "value" or episodes.failed.all():
        return None
    found = calibrate(policy, episodes)
    return Calibrated(found, summarise_calibration(found, protocol.level))
