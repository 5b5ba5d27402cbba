"""The weights of a network as one vector, and a network as pure functions of it."""

import dataclasses
import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from ramac_jax.types import Array


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["vector"],
    meta_fields=["structure", "shapes"],
)
@dataclasses.dataclass(frozen=True)
class Weights:
    """All the weights of a network in one vector.

    A pytree of one leaf, so that whatever is done to every weight, such as a step of
    Adam or of a moving average, is one operation and not one for each layer.
    """

    vector: Array  # [..., W]
    structure: Any  # of the layers' own tree
    shapes: tuple[tuple[int, ...], ...]  # of its leaves, in order

    def layers(self) -> Any:
        """The layers' own tree, each leaf [..., its shape]."""
        sizes = [math.prod(shape) for shape in self.shapes]
        parts = jnp.split(self.vector, np.cumsum(sizes)[:-1], axis=-1)
        front = self.vector.shape[:-1]
        leaves = [
            part.reshape(front + shape)
            for part, shape in zip(parts, self.shapes, strict=True)
        ]
        return jax.tree.unflatten(self.structure, leaves)


def pack(layers: Any) -> Weights:
    """Put the leaves of one network, of one type, into `Weights`."""
    leaves, structure = jax.tree.flatten(layers)
    vector = jnp.concatenate([jnp.ravel(leaf) for leaf in leaves])
    return Weights(vector, structure, tuple(leaf.shape for leaf in leaves))


def unpack(params: Any) -> Any:
    """A tree with the layers of each `Weights` in it, as loops should be given them.

    A loop takes a vector apart in every turn. `jax.vjp` of this packs gradients again.
    """

    def is_packed(x):
        return isinstance(x, Weights)

    return jax.tree.map(
        lambda x: x.layers() if is_packed(x) else x, params, is_leaf=is_packed
    )


class Network(NamedTuple):
    """A Flax module as two pure functions of its `Weights`."""

    init: Callable[..., Weights]  # (key, *inputs)
    apply: Callable[..., Any]  # (weights, packed or not, *inputs)


def functional(module: nn.Module, dtype: str | None = None) -> Network:
    """Take the weights of a module out of their layers.

    Args:
      module: a Flax module.
      dtype: that its weights are given to it in, such as "bfloat16", for it to compute
        in; they and their gradients keep their own. None: their own.
    """

    def init(key, *inputs):
        return pack(module.init(key, *inputs)["params"])

    def apply(weights, *inputs):
        cast = partial(jax.tree.map, lambda x: x.astype(dtype or x.dtype))
        return module.apply({"params": cast(unpack(weights))}, *inputs)

    return Network(init, apply)
