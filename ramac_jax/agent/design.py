"""What an agent is made of: choices that are made before anything is compiled."""

from typing import NamedTuple

from ramac_jax.compute.microbatches import rows_in_cache
from ramac_jax.types import Actor, Array, ConservativeFn, Critic, DistortionFn


class Design(NamedTuple):
    """The arguments of `ramac_jax.ramac`, which says what each of them means."""

    actor: Actor
    critic: Critic
    distortion: DistortionFn
    num_quantiles: int
    num_risk_quantiles: int | None
    conservative: ConservativeFn | None
    num_candidates: int
    normalize_value: bool
    num_ranked: int
    block_size: int | None

    def at_a_time(self, rows: Array, count: int) -> int | None:
        """How many of the rows [B, ...] may be in a block; None: all of them.

        Args:
          rows: transitions.
          count: quantiles that are computed of each.
        """
        return self.block_size or rows_in_cache(len(rows), count * self.critic.width)
