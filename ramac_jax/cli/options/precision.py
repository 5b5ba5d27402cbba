"""Number formats of training, by their name on the command line."""

import contextlib

import jax

from ramac_jax import policy as checkpoints
from ramac_jax.registry import PRECISIONS
from ramac_jax.types import Actor

DEFAULT = "tf32"


def training_in(precision: str) -> contextlib.AbstractContextManager[None]:
    """Compile training programs within this context."""
    return jax.default_matmul_precision(PRECISIONS[precision].matmul)


def training_actor(spec: checkpoints.PolicySpec, precision: str) -> Actor:
    """Build the actor of a spec for training; acting is in float32."""
    dtype = PRECISIONS[precision].dtype
    if dtype is not None:
        spec = spec._replace(actor_options=spec.actor_options | {"dtype": dtype})
    return checkpoints.build_actor(spec)
