"""Distributional action values, one file for each kind of `Critic`."""

from ramac_jax.critics.constant import constant_critic
from ramac_jax.critics.implicit_quantile import iqn_critic
from ramac_jax.critics.value import value_critic

__all__ = ["constant_critic", "iqn_critic", "value_critic"]
