"""Micro-batches that suit the cache of a CPU."""

import jax

from ramac_jax.compute.microbatches import count_micro_batches
from ramac_jax.types import MicroBatchFn

# float32 activations: the number that suits the cache, and the number above which
# micro-batches pay (docs/performance.md).
ALL_CORES = 1024 * 256, 4096 * 256  # 1 MB and 4 MB, where one device has all cores
ONE_CORE = 512 * 256, 512 * 256  # where each core is a device


def fit_cache(width: int) -> MicroBatchFn:
    """Build the `micro_batch` of an agent whose critics are `width` units wide.

    On a CPU it chooses as many rows as keep the [rows, fractions, width] activations in
    the cache; on an accelerator, which is fastest with all rows at once, it chooses
    none.
    """

    def rows_at_a_time(num_rows: int, num_fractions: int) -> int | None:
        activations = num_fractions * width
        few, many = ALL_CORES if jax.local_device_count() == 1 else ONE_CORE
        if jax.default_backend() != "cpu" or num_rows * activations <= many:
            return None
        wanted = max(1, few // max(activations, 1))
        size = num_rows // count_micro_batches(num_rows, wanted)
        return size if 2 * size > wanted else None  # one row at a time never pays

    return rows_at_a_time
