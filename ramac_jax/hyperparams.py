"""Hyperparameters of one agent and the values that they may take.

This module imports no JAX, so that a command can list its options at once.
"""

import dataclasses
import math
from typing import NamedTuple


class Hyperparams(NamedTuple):
    """Every number that may differ between the members of one vmapped population.

    Each leaf is a traced scalar: another value never recompiles, be it a float, an
    integer or a number of NumPy, and values stacked along a leading axis (see `grid`)
    are a sweep. An array of JAX is another type of argument than a number. The defaults
    suit the quantile critic and rewards scaled so that returns are some tens; the
    presets of the commands are tuned for each agent. Lengths are counted in updates,
    values in returns.
    """

    actor_learning_rate: float = 3e-4
    """Factor on the updates of the actor's optimizer."""
    critic_learning_rate: float = 1e-3
    """Factor on the updates of the critics' optimizer."""
    max_grad_norm: float = 5.0
    """Largest gradient norm of each critic, and of each part of the actor, which is a
    child of the root of its parameters, such as a prior."""
    discount: float = 0.99
    """gamma: weight of the return one step later."""
    target_lambda: float = 1.0
    """lambda: probability that a target joins one step more, up to the agent's
    `target_steps`; 1: always."""
    target_rate: float = 0.05
    """Polyak step of the target critics."""
    ema_rate: float = 0.005
    """Step of the moving average that is the target actor."""
    bc_weight: float = 1.0
    """Weight of behaviour cloning, L_bc."""
    risk_weight: float = 0.05
    """Weight of the risk term, L_risk, once warmed up."""
    risk_level: float = 0.1
    """Level of the risk measure; for CVaR the share of worst outcomes, alpha."""
    risk_warmup: float = 0.0
    """Updates during which the risk term has no weight."""
    risk_ramp: float = 0.0
    """Updates over which its weight then rises linearly; 0: at once."""
    value_min: float = -math.inf
    """Lower bound of the Bellman targets; -inf: none."""
    value_max: float = math.inf
    """Upper bound of the Bellman targets; inf: none."""
    huber_threshold: float = 1.0
    """kappa: error at which the quantile loss turns from quadratic to linear."""
    conservative_weight: float = 0.0
    """Weight of the critics' conservative penalty, where the agent has one."""
    ood_weight: float = 0.0
    """Weight of the sampled actions of an agent with `ood_actions`, which teach its
    categorical critics which actions are out of distribution."""
    decay_steps: float = math.inf
    """Updates over which both learning rates fall to 0 along a cosine; inf: never."""


@dataclasses.dataclass(frozen=True)
class Range:
    """The values that a number may take."""

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    infinite: bool = False

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.open_low else value >= self.low
        return above and value <= self.high and (self.infinite or math.isfinite(value))

    def __str__(self) -> str:
        low = f"above {self.low:g}" if self.open_low else f"at least {self.low:g}"
        bounds = [low] if math.isfinite(self.low) else []
        if math.isfinite(self.high):
            bounds.append(f"at most {self.high:g}")
        return " and ".join(bounds) or "finite"


ANY = Range()
POSITIVE = Range(0.0, open_low=True)
FRACTION = Range(0.0, 1.0)
POSITIVE_FRACTION = Range(0.0, 1.0, open_low=True)
WEIGHT = Range(0.0)
RANGES = {
    "actor_learning_rate": WEIGHT,
    "critic_learning_rate": WEIGHT,
    "max_grad_norm": Range(0.0, open_low=True, infinite=True),
    "discount": FRACTION,
    "target_lambda": FRACTION,
    "target_rate": FRACTION,
    "ema_rate": FRACTION,
    "bc_weight": WEIGHT,
    "risk_weight": WEIGHT,
    "risk_level": ANY,
    "risk_warmup": WEIGHT,
    "risk_ramp": WEIGHT,
    "value_min": Range(infinite=True),
    "value_max": Range(infinite=True),
    "huber_threshold": POSITIVE,
    "conservative_weight": WEIGHT,
    "ood_weight": WEIGHT,
    "decay_steps": Range(0.0, open_low=True, infinite=True),
}
"""What `check_hyperparams` allows; every field of `Hyperparams` has its range here."""
