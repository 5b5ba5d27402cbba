"""How an update is computed; none of it changes what an update is.

Micro-batches (`gradient`, `map_rows`, `mean_over_rows`) have the plain form
`whole_batch`; data parallelism (`data_parallel`) has the agent itself; sums in the
cache (`sums.sum_of`) have `sums.sum_at_once`.
"""

from ramac_jax.compute.data_parallel import data_parallel
from ramac_jax.compute.microbatches import (
    gradient,
    map_rows,
    mean_over_rows,
    whole_batch,
)

__all__ = ["data_parallel", "gradient", "map_rows", "mean_over_rows", "whole_batch"]
