"""The head of the quantile network (Dabney et al., 2018), in three forms.

The only layer with both a batch and a fraction axis, and so nearly all of the critic's
work and memory. A head is a pure function

    (feature [B, E], weight [N, E], kernel [E, W], bias [W], out_kernel [W, 1],
     out_bias [1]) -> quantiles [B, N]
    Z[b, n] = relu((feature[b] * weight[n]) kernel + bias) out_kernel + out_bias

The forms differ in what they keep in memory, not in what they return. Quantiles are at
least float32, whatever the type of the rest.
"""

from ramac_jax.networks.heads.fused import fused_head
from ramac_jax.networks.heads.plain import (
    HeadFn,
    plain_head,
    rematerialized_head,
)

__all__ = ["HeadFn", "fused_head", "plain_head", "rematerialized_head"]
