"""The loss of a critic whose quantiles are compared with draws of the return."""

import jax
import jax.numpy as jnp

from ramac_jax.errors import InputError
from ramac_jax.losses import quantile_huber
from ramac_jax.types import (
    Array,
    CriticLossFn,
    Params,
    QuantileLossFn,
    QuantilesFn,
    ReturnLaw,
    Scalar,
)


def quantile_loss(
    quantiles: QuantilesFn, loss: QuantileLossFn = quantile_huber
) -> CriticLossFn:
    """Build `Critic.loss` from the quantiles of a critic without a `Critic.law`.

    Args:
      quantiles: of the critic.
      loss: of the quantiles [N] of one critic and row against targets [M].
    """

    def losses(
        params: Params,
        observation: Array,
        action: Array,
        target: ReturnLaw,
        tau: Array,
        kappa: Scalar,
    ) -> Array:
        table = quantiles(params, observation, action, tau)  # [E, B, N]
        if target.probability is not None:
            raise InputError(
                "quantile_loss takes draws that are equally likely: give a critic with "
                "a law a loss of its own"
            )
        value = jnp.broadcast_to(target.value, (len(table), *target.value.shape[1:]))
        per_row = jax.vmap(loss, in_axes=(0, 0, None, None))
        return jax.vmap(per_row, in_axes=(0, 0, None, None))(table, value, tau, kappa)

    return losses
