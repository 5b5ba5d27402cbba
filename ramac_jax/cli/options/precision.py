"""What numbers training computes with, by their name on the command line."""

import contextlib
import inspect
from typing import NamedTuple

import jax

from ramac_jax import policy as checkpoints
from ramac_jax.actors import BUILDERS
from ramac_jax.types import Actor


class Precision(NamedTuple):
    """What a name stands for."""

    dtype: str | None  # that the networks compute in; None: their weights', float32
    products: str | None  # of float32, for `jax.default_matmul_precision`


PRECISIONS = {
    "float32": Precision(None, "highest"),
    "tf32": Precision(None, None),  # JAX's own default; float32 on a CPU
    "bfloat16": Precision("bfloat16", None),
}
"""Weights, losses and quantiles are float32 in each of them."""
DEFAULT = "tf32"


def training_in(precision: str) -> contextlib.AbstractContextManager[None]:
    """Compile what is trained within this."""
    return jax.default_matmul_precision(PRECISIONS[precision].products)


def knows_dtype(actor: str) -> bool:
    """Whether an actor of this kind can compute in other than float32."""
    return "dtype" in inspect.signature(BUILDERS[actor]).parameters


def training_actor(spec: checkpoints.PolicySpec, precision: str) -> Actor:
    """The actor of a spec as it is trained; it acts in float32 all the same."""
    dtype = PRECISIONS[precision].dtype
    if dtype is not None:
        spec = spec._replace(actor_options=spec.actor_options | {"dtype": dtype})
    return checkpoints.build_actor(spec)
