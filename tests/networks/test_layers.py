"""Layer shapes and initial weights, against the published preset."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.compute.flat_params import functional
from ramac_jax.networks.layers import MLP, mish
from ramac_jax.networks.vector_field import VectorField, sinusoidal_embedding

OBSERVATION, ACTION = jnp.zeros((1, 17)), jnp.zeros((1, 6))  # HalfCheetah


def layers(weights):
    """Kernel and bias of each layer, in their order: those named Dense come first."""
    named = weights.layers()
    ordered = sorted(named, key=lambda name: (name[0], int(name.rpartition("_")[2])))
    return [(named[name]["kernel"], named[name]["bias"]) for name in ordered]


@pytest.fixture(scope="module")
def critic_layers():
    params = rj.iqn_critic().init(jax.random.key(0), OBSERVATION, ACTION)
    return layers(params)


def actor_shapes(actor):
    key = jax.random.key(0)
    return layers(actor.init(key, OBSERVATION, ACTION))


def sizes(pairs):
    return [tuple(kernel.shape) for kernel, _ in pairs]


def count(pairs):
    return sum(kernel.size + bias.size for kernel, bias in pairs)


def test_default_diffusion_is_the_published_denoiser():
    pairs = actor_shapes(rj.diffusion_actor(6))
    wide = [(39, 256), (256, 256), (256, 256), (256, 6)]  # 39 = 17 + 6 + 16
    assert sizes(pairs) == [(16, 32), (32, 16), *wide]
    assert count(pairs) == 544 + 528 + 10_240 + 2 * 65_792 + 1_542


def test_default_flow_is_the_published_field():
    pairs = actor_shapes(rj.flow_actor(6))
    wide = [(27, 128), (128, 128), (128, 128), (128, 6)]  # 27 = 17 + 6 + 4
    assert sizes(pairs) == [(4, 8), (8, 4), *wide]
    assert count(pairs) == 40 + 36 + 3_584 + 2 * 16_512 + 774


def test_default_critics_are_the_published_pair(critic_layers):
    encoders, rest = [(2, 17, 256), (2, 6, 256)], [(2, 512, 128), (2, 32, 128)]
    assert sizes(critic_layers) == [*encoders, *rest, (2, 128, 256), (2, 256, 1)]
    assert count(critic_layers) == 2 * (4_608 + 1_792 + 65_664 + 4_224 + 33_024 + 257)


def test_critic_weights_start_normal_with_deviation_a_tenth(critic_layers):
    for kernel, _ in critic_layers[:-1]:
        error = 5.0 / np.sqrt(kernel.size)  # five standard errors, relative
        np.testing.assert_allclose(np.std(kernel), 0.1, rtol=error)
        np.testing.assert_allclose(np.mean(kernel), 0.0, atol=0.1 * error)
        assert np.max(np.abs(kernel)) > 0.2  # not cut off, not uniform


def fills(values, bound):
    """Whether the values lie in +-bound, and reach near it where they are many."""
    reach = np.max(np.abs(values))
    return reach <= bound and (np.size(values) < 100 or reach > 0.9 * bound)


def test_critic_head_starts_within_3e_4_without_bias(critic_layers):
    kernel, bias = critic_layers[-1]
    assert fills(kernel, 3e-4)
    np.testing.assert_allclose(np.std(kernel), 3e-4 / np.sqrt(3.0), rtol=0.1)
    assert not np.any(bias)


def test_critic_biases_start_within_the_root_of_the_fan_in(critic_layers):
    for kernel, bias in critic_layers[:-1]:
        assert fills(bias, kernel.shape[1] ** -0.5) and np.any(bias)


@pytest.mark.parametrize("build", [rj.diffusion_actor, rj.flow_actor])
def test_actor_weights_start_uniform_within_the_root_of_the_fan_in(build):
    actor = build(6, widths=(64,))
    for kernel, bias in layers(actor.init(jax.random.key(0), OBSERVATION, ACTION)):
        bound = kernel.shape[0] ** -0.5
        assert fills(kernel, bound) and fills(bias, bound) and np.any(bias)
        if kernel.size > 1000:
            np.testing.assert_allclose(np.std(kernel), bound / np.sqrt(3.0), rtol=0.05)


def test_critics_of_an_ensemble_start_apart(critic_layers):
    for kernel, _ in critic_layers:
        assert not np.any(np.all(kernel[0] == kernel[1]))


def test_sinusoidal_embedding_of_width_four():
    embedded = sinusoidal_embedding(jnp.array([[2.0]]), 4)
    expected = [[np.sin(2.0), np.sin(2e-4), np.cos(2.0), np.cos(2e-4)]]
    np.testing.assert_allclose(embedded, expected, rtol=1e-5)


def mlp_by_hand(layers, x):
    """Mish between affine layers, in NumPy."""
    for index, (kernel, bias) in enumerate(layers):
        if index:
            x = x * np.tanh(np.log1p(np.exp(x)))
        x = x @ np.float64(kernel) + np.float64(bias)
    return x


@pytest.mark.parametrize("widths", [(), (5,), (5, 4)])
def test_a_field_is_a_network_of_all_its_inputs_side_by_side(widths):
    draw = np.random.default_rng(0)
    observation, action = draw.normal(size=(4, 3)), draw.normal(size=(4, 2))
    time = np.array([[0.0], [1.0], [2.0], [3.0]])
    field = functional(VectorField(2, widths, 4))
    weights = field.init(jax.random.key(1), *map(jnp.float32, (observation, time)))
    named = weights.layers()
    pairs = [(x["kernel"], x["bias"]) for x in named.values()]
    assert list(named)[:3] == ["Dense_0", "Dense_1", "Layer_0"]
    embedded = np.float64(sinusoidal_embedding(jnp.float32(time), 4))
    embedded = mlp_by_hand(pairs[:2], embedded)
    inputs = np.concatenate([observation, action, embedded], axis=1)
    found = field.apply(weights, *map(jnp.float32, (observation, time)))
    vector = found.vector(jnp.float32(action))
    np.testing.assert_allclose(vector, mlp_by_hand(pairs[2:], inputs), 1e-4, 1e-5)


def test_mish_and_its_slope():
    """x tanh(log(1 + e^x)), and tanh + x (1 - tanh^2) sigmoid(x)."""
    x = np.array([-60.0, -20.0, -12.0, -1.0, 0.0, 0.5, 3.0, 19.0, 25.0, 90.0])
    inside = np.tanh(np.log1p(np.exp(x)))
    value, slope = jax.vmap(jax.value_and_grad(mish))(jnp.float32(x))
    np.testing.assert_allclose(value, x * inside, rtol=1e-5)
    expected = inside + x * (1.0 - inside**2) / (1.0 + np.exp(-x))
    np.testing.assert_allclose(slope, expected, rtol=1e-5)


def test_mish_in_bfloat16_is_right_to_its_digits():
    x = np.array([-8.0, -4.0, -3.0, -1.0, 0.5, 3.0])
    value = np.float64(mish(jnp.asarray(x, jnp.bfloat16)))
    np.testing.assert_allclose(value, x * np.tanh(np.log1p(np.exp(x))), rtol=0.02)


@pytest.mark.parametrize("layer_norm", [True, False])
def test_normalized_layers_ignore_the_scale_of_what_enters_them(layer_norm):
    network = MLP((8, 8), 3, layer_norm=layer_norm)
    x = jax.random.normal(jax.random.key(0), (5, 4))
    params = network.init(jax.random.key(1), x)["params"]
    tenfold = jax.tree.map(lambda leaf: 10.0 * leaf, params["Dense_0"])
    scaled = network.apply({"params": {**params, "Dense_0": tenfold}}, x)
    same = np.allclose(scaled, network.apply({"params": params}, x), atol=1e-4)
    assert same == layer_norm
