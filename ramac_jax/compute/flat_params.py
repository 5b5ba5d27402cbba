"""The parameters of a network as one vector, and a network as pure functions of it."""

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
class FlatParams:
    """All parameters of a network in one vector.

    A pytree of one leaf: a step of Adam, a moving average or a check of all parameters
    is one operation, not one for each layer.
    """

    vector: Array  # [..., W]
    structure: Any  # of the tree of layers
    shapes: tuple[tuple[int, ...], ...]  # of its leaves, in order

    def layers(self) -> Any:
        """The tree of layers, each leaf [..., its shape]."""
        sizes = [math.prod(shape) for shape in self.shapes]
        parts = jnp.split(self.vector, np.cumsum(sizes)[:-1], axis=-1)
        front = self.vector.shape[:-1]
        leaves = [
            part.reshape(front + shape)
            for part, shape in zip(parts, self.shapes, strict=True)
        ]
        return jax.tree.unflatten(self.structure, leaves)


def pack(layers: Any) -> FlatParams:
    """Put the layers of one network, all of one dtype, into `FlatParams`."""
    leaves, structure = jax.tree.flatten(layers)
    vector = jnp.concatenate([jnp.ravel(leaf) for leaf in leaves])
    shapes = tuple(leaf.shape for leaf in leaves)
    return FlatParams(vector=vector, structure=structure, shapes=shapes)


def unpack(params: Any) -> Any:
    """The same tree with the layers of each `FlatParams` in it.

    Unpack before a loop: the loop would split the vector in every iteration. The
    `jax.vjp` of this function packs gradients again.
    """

    def is_packed(x: Any) -> bool:
        return isinstance(x, FlatParams)

    return jax.tree.map(
        lambda x: x.layers() if is_packed(x) else x, params, is_leaf=is_packed
    )


class Network(NamedTuple):
    """A Flax module as two pure functions of its `FlatParams`."""

    init: Callable[..., FlatParams]  # (key, *inputs)
    apply: Callable[..., Any]  # (params, packed or not, *inputs)


def functional(module: nn.Module, dtype: str | None = None) -> Network:
    """Build the pure functions of a module.

    Args:
      module: a Flax module.
      dtype: of the parameters that the module receives, such as "bfloat16", in which
        it then computes; stored parameters and gradients keep theirs. None: theirs.
    """

    def init(key: Array, *inputs: Array) -> FlatParams:
        return pack(module.init(key, *inputs)["params"])

    def apply(params: Any, *inputs: Array) -> Any:
        cast = partial(jax.tree.map, lambda x: x.astype(dtype or x.dtype))
        return module.apply({"params": cast(unpack(params))}, *inputs)

    return Network(init=init, apply=apply)
