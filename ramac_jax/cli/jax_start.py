"""JAX on this machine: whether it starts, and what to do where it does not."""

import os

from ramac_jax.errors import first_line, shorten

DEVICES = ("JAX_PLATFORMS", "JAX_PLATFORM_NAME", "JAX_NUM_CPU_DEVICES")
"""Variables that choose devices; JAX's own message names any other."""


def fault_of_jax(error: Exception) -> str | None:
    """Return the line for a JAX that cannot start; None where it can.

    Args:
      error: that ended a command. JAX raises errors of many types, some without a word,
        when it is imported or first asked for a device: so it is asked again.
    """
    try:
        import jax

        jax.devices()
    except Exception:
        pass
    else:
        return None
    chosen = [f"{name}={os.environ[name]}" for name in DEVICES if name in os.environ]
    line = f"JAX cannot start on this machine ({shorten(first_line(error))})"
    if not chosen:
        return f"{line}: see the error of python -c 'import jax; jax.devices()'"
    return (
        f"{line}: {' and '.join(chosen)} asks for devices that it does not have; unset "
        "it, or install JAX for them"
    )
