"""The debugging switches of JAX under which no population trains."""

import jax
import numpy as np

from ramac_jax.errors import InputError
from ramac_jax.hyperparams import Hyperparams


def check_switches(hyperparams: Hyperparams) -> None:
    """Raise `InputError` for a switch of JAX that the programs cannot be run with.

    Args:
      hyperparams: of the members; an infinite one stands for none.
    """
    config = jax.config
    if config.jax_disable_jit:  # type: ignore[attr-defined]
        raise InputError(
            "JAX_DISABLE_JIT is set, and a population trains in compiled programs: "
            "unset it, or debug agent.update in a loop of your own"
        )
    infinite = [k for k, x in hyperparams._asdict().items() if np.isinf(x).any()]
    if infinite and config.jax_debug_infs:  # type: ignore[attr-defined]
        raise InputError(
            f"JAX_DEBUG_INFS is set, and {', '.join(infinite)} is infinite, which "
            "stands for none: give finite numbers, or set JAX_DEBUG_NANS instead"
        )
