"""A program as StableHLO, which `jax.export` runs on several platforms."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax import export

from ramac_jax.errors import InputError, first_line
from ramac_jax.export.program import BATCH, Program

FILE = "policy.stablehlo"
PLATFORMS = ("cpu", "cuda", "tpu")
KNOWN = (*PLATFORMS, "rocm")


def check_platforms(platforms: Sequence[str]) -> None:
    """Raise `InputError` for platforms that JAX cannot export for, or check here."""
    unknown = [x for x in platforms if x not in KNOWN]
    if unknown or not platforms:
        named = f"platform {unknown[0]!r} is unknown" if unknown else "no platform"
        raise InputError(f"{named}: give one or more of {', '.join(KNOWN)}")
    here = current_platform()
    if here not in platforms:
        raise InputError(
            f"the export is checked on this machine's platform: add {here} to the "
            "platforms"
        )


def current_platform() -> str:
    """Return the platform of this process, as `jax.export` names it."""
    name = jax.default_backend()
    return "cuda" if name == "gpu" else name


def serialize(program: Program, platforms: Sequence[str]) -> bytes:
    """Return a program for any number of observations, for these platforms."""
    check_platforms(platforms)
    (batch,) = export.symbolic_shape(BATCH)
    jitted = jax.jit(program.function, keep_unused=True)
    try:
        exported = export.export(jitted, platforms=tuple(platforms))(
            *program.shapes(batch)
        )
        return bytes(exported.serialize())
    except Exception as error:  # what a platform lacks takes many forms
        raise InputError(
            f"cannot export for {', '.join(platforms)}: {first_line(error)}"
        ) from error


class Runner:
    """The function of a serialized program, of NumPy arrays."""

    def __init__(self, content: bytes) -> None:
        self.call = jax.jit(export.deserialize(bytearray(content)).call)

    def __call__(self, *inputs: Any) -> list[np.ndarray]:
        """Return action and score for inputs in the order of the program's."""
        return [np.asarray(x) for x in self.call(*inputs)]
