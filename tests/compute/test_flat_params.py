"""Weights in one vector are those of their layers."""

import jax
import jax.numpy as jnp
import numpy as np

from ramac_jax.compute.flat_params import functional, pack, unpack
from ramac_jax.networks.layers import MLP

LAYERS = {"b": jnp.arange(6.0).reshape(2, 3), "a": jnp.array([7.0]), "c": jnp.ones(())}


def test_what_is_packed_is_unpacked():
    weights = pack(LAYERS)
    np.testing.assert_array_equal(weights.vector, [7, 0, 1, 2, 3, 4, 5, 1])
    assert [x.shape for x in jax.tree.leaves(weights)] == [(8,)]
    for name, leaf in unpack(weights).items():
        np.testing.assert_array_equal(leaf, LAYERS[name])


def test_an_axis_in_front_stays_in_front():
    stacked = jax.vmap(pack)(jax.tree.map(lambda x: jnp.stack([x, 2.0 * x]), LAYERS))
    assert stacked.vector.shape == (2, 8)
    np.testing.assert_array_equal(unpack(stacked)["b"][1], 2.0 * LAYERS["b"])


def test_the_gradient_by_layers_is_packed_by_the_transpose():
    weights = pack(LAYERS)
    layers, back = jax.vjp(unpack, {"only": weights, "other": jnp.zeros(2)})
    (gradient,) = back(layers)
    np.testing.assert_array_equal(gradient["only"].vector, weights.vector)


def test_a_module_is_a_function_of_either():
    network, x = functional(MLP((3,), 2)), jnp.ones((4, 5))
    weights = network.init(jax.random.key(0), x)
    whole = network.apply(weights, x)
    np.testing.assert_array_equal(whole, network.apply(unpack(weights), x))
    by_flax = MLP((3,), 2).init(jax.random.key(0), x)["params"]
    np.testing.assert_array_equal(weights.vector, pack(by_flax).vector)
