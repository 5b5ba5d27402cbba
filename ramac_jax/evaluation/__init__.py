"""What a policy is worth, from the returns it was seen to earn."""

from ramac_jax.evaluation.statistics import cvar

__all__ = ["cvar"]
