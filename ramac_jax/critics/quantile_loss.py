"""The loss of a critic whose quantiles are compared with draws of the return."""

import jax

from ramac_jax.losses import quantile_huber
from ramac_jax.types import (
    Array,
    CriticLossFn,
    Params,
    QuantileLossFn,
    QuantilesFn,
    Scalar,
)


def quantile_loss(
    quantiles: QuantilesFn, loss: QuantileLossFn = quantile_huber
) -> CriticLossFn:
    """Build `Critic.loss` from the quantiles of a critic.

    Args:
      quantiles: of the critic.
      loss: of the quantiles [N] of one critic and row against target draws [M].
    """

    def losses(
        params: Params,
        observation: Array,
        action: Array,
        target: Array,
        tau: Array,
        kappa: Scalar,
    ) -> Array:
        table = quantiles(params, observation, action, tau)  # [E, B, N]
        per_row = jax.vmap(loss, in_axes=(0, 0, None, None))
        return jax.vmap(per_row, in_axes=(0, 0, None, None))(table, target, tau, kappa)

    return losses
