"""Sizes, hyperparameters and stages of the agents of the bandit."""

from typing import NamedTuple

import ramac_jax as rj

ACTION_DIM = 2
WIDTHS = (64, 64, 64, 64)  # hidden layers of behaviour models and students
NARROW = (64, 64)  # hidden layers of all other networks
EMBEDDING_WIDTH, NUM_COSINES = 32, 16  # of quantile critics
DENOISING_STEPS, EULER_STEPS = 40, 30  # enough to keep the gap empty
RADIUS = 0.25  # of perturbed actors
RISK_LEVEL = 0.1
NUM_QUANTILES = 16
NUM_CANDIDATES = 5  # of the conservative penalties
NUM_PENALTY_QUANTILES = 4  # of CODAC's

# Every field is named, so that no result depends on the defaults of the library.
BASE = rj.Hyperparams(
    actor_learning_rate=3e-4,
    critic_learning_rate=5e-5,
    max_grad_norm=5.0,
    discount=0.99,
    target_lambda=1.0,
    target_rate=0.005,
    ema_rate=0.005,
    bc_weight=1.0,
    risk_weight=0.02,
    risk_level=RISK_LEVEL,
    risk_warmup=0.0,
    risk_ramp=0.0,
    value_min=-300.0,
    value_max=300.0,
    huber_threshold=1.0,
    conservative_weight=0.0,
    ood_weight=0.0,
    decay_steps=float("inf"),
)
CLONING = BASE._replace(actor_learning_rate=1e-2, max_grad_norm=0.3)
CRITICS = BASE._replace(critic_learning_rate=1e-2)
POLICIES = BASE._replace(
    actor_learning_rate=3e-3,
    critic_learning_rate=1e-3,
    max_grad_norm=1.0,
    risk_ramp=100.0,
)
FROM_SCRATCH = POLICIES._replace(
    critic_learning_rate=1e-2, bc_weight=0.0, conservative_weight=1.0
)
"""For agents without a behaviour model, which learn actor and critic together."""

PHASES = ("critics", "cloning", "policies")
SEEDS_APART = 10**6  # seeds between one phase and the next


class Lengths(NamedTuple):
    """Updates of each phase."""

    cloning: int
    critics: int
    policies: int

    @property
    def distilling(self) -> int:
        """Updates of a student, whose teacher is trained already."""
        return max(self.cloning // 6, 1)
