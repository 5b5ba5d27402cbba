"""What an agent is made of: every choice made before anything is compiled."""

from typing import NamedTuple

import optax

from ramac_jax.types import (
    Actor,
    ConservativeFn,
    Critic,
    MeanFn,
    MicroBatchFn,
    RiskMeasureFn,
    same,
)


class AgentConfig(NamedTuple):
    """The arguments of `ramac_agent`, which describes each of them."""

    actor: Actor
    critic: Critic
    risk_measure: RiskMeasureFn
    num_quantiles: int
    num_risk_quantiles: int | None
    conservative: ConservativeFn | None
    num_candidates: int
    num_penalty_quantiles: int | None
    normalize_value: bool
    independent_targets: bool
    single_step: bool
    optimizer: optax.GradientTransformation
    micro_batch: MicroBatchFn
    mean: MeanFn = same
    """The mean over the devices that share a batch (`compute.data_parallel`)."""
