"""Micro-batches whose activations fit the cache of a CPU."""

from functools import partial

import jax

from ramac_jax.devices.mesh import divisors
from ramac_jax.types import MicroBatchFn

# Activations in float32. The measurements are in docs/performance.md.
ALL_CORES = 1024 * 256, 4096 * 256  # (fitting, too many) if one device has all cores
ONE_CORE = 512 * 256, 512 * 256  # the same if every core is a device


def fit_cache(width: int) -> MicroBatchFn:
    """Choose the sizes of micro-batches for the cache of the present CPU.

    Only a CPU benefits, and only with many activations: an accelerator is fastest with
    the whole batch, and small micro-batches leave a second core without work.

    Args:
      width: units of the widest layer with an axis of fractions, or the atoms of a
        categorical critic, on which each value of a target is projected; 0: neither.

    Returns a function (rows of a batch, values for each row) -> rows of a
    micro-batch, a divisor of the rows; None: the whole batch. The function starts JAX
    and looks at its devices.
    """
    return partial(fitting_rows, width)


def fitting_rows(width: int, num_rows: int, num_fractions: int) -> int | None:
    """Return the rows of a micro-batch; see `fit_cache`."""
    activations = num_fractions * width  # of each row
    fitting, too_many = ALL_CORES if jax.local_device_count() == 1 else ONE_CORE
    if jax.default_backend() != "cpu" or num_rows * activations <= too_many:
        return None
    wanted = max(1, fitting // activations)
    size = max(n for n in divisors(num_rows) if n <= wanted)
    # A batch without a divisor of about that size stays whole.
    return size if 2 * size > wanted else None
