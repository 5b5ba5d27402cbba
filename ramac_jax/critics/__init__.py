"""Distributional action values, one file for each kind of `Critic`."""

from ramac_jax.critics.categorical import categorical_critic
from ramac_jax.critics.constant import constant_critic
from ramac_jax.critics.implicit_quantile import iqn_critic
from ramac_jax.critics.quantile_loss import quantile_loss
from ramac_jax.critics.value import value_critic

__all__ = [
    "categorical_critic",
    "constant_critic",
    "iqn_critic",
    "quantile_loss",
    "value_critic",
]
