"""The head of the quantile network (Dabney et al., 2018), in three forms.

The only layers with both a batch and a fraction axis take nearly all of the critic's
time and memory. A head is a pure function

    (feature [B, E], weight [N, E], kernel [E, W], bias [W], out_kernel [W, 1],
     out_bias [1]) -> quantiles [B, N]
    Z[b, n] = relu((feature[b] * weight[n]) kernel + bias) out_kernel + out_bias

The forms differ in what they store, not in what they return. Quantiles are at least
float32.
"""

from ramac_jax.networks.heads.fused import fused_head
from ramac_jax.networks.heads.plain import (
    HeadFn,
    plain_head,
    rematerialized_head,
)

__all__ = ["HeadFn", "fused_head", "plain_head", "rematerialized_head"]
