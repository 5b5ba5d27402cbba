"""What a policy is worth, from the returns it was seen to earn."""

from ramac_jax.evaluation import bounds
from ramac_jax.evaluation.ood import Detector, density_detector, nearest_detector
from ramac_jax.evaluation.rollouts import Episodes, evaluate
from ramac_jax.evaluation.simulators import Environments
from ramac_jax.evaluation.statistics import (
    cvar,
    iqm,
    normalized_score,
    per_seed_cvar,
    stratified_bootstrap,
    summarise,
)

__all__ = [
    "Detector",
    "Environments",
    "Episodes",
    "bounds",
    "cvar",
    "density_detector",
    "evaluate",
    "iqm",
    "nearest_detector",
    "normalized_score",
    "per_seed_cvar",
    "stratified_bootstrap",
    "summarise",
]
