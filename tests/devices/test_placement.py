"""The placement of arrays on devices, and functions of one member."""

import jax
import numpy as np
import pytest

from ramac_jax.devices import placement
from ramac_jax.devices.mesh import make_mesh


def test_spread_arrays_do_not_alias_the_callers_memory():
    room = np.zeros(4096 + 64, np.uint8)  # aligned so that JAX could alias it
    numbers = room[-room.ctypes.data % 64 :][:4096].view(np.float32)
    numbers[:] = expected = np.arange(1024)
    spread = placement.spread(numbers, make_mesh(1024))
    copy = placement.gather(spread)
    numbers[:] = -1.0
    np.testing.assert_array_equal(spread, expected)
    add = jax.jit(lambda x: x + 1.0, donate_argnums=0)
    np.testing.assert_array_equal(add(spread), expected + 1)
    assert spread.is_deleted()
    np.testing.assert_array_equal(copy, expected)


@pytest.mark.parametrize("in_axes", [(0, 0, None), (None, 0, 0), (0, None, None)])
def test_the_sequential_map_equals_vmap(in_axes):
    def function(x, tree, y):
        return {"sum": x + tree["a"] * y, "b": tree["b"]}

    args = [np.arange(3.0), {"a": np.arange(3.0), "b": np.ones((3, 2))}, np.arange(3.0)]
    args = [
        jax.tree.map(lambda leaf: leaf[1], x) if axis is None else x
        for x, axis in zip(args, in_axes, strict=True)
    ]
    found = placement.sequential_map(function, in_axes)(*args)
    jax.tree.map(
        np.testing.assert_array_equal, found, jax.vmap(function, in_axes)(*args)
    )
