"""The Gaussian actor and its likelihood, worked by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ramac_jax.actors import gaussian, gaussian_actor
from ramac_jax.compute.flat_params import pack

KEY = jax.random.key(3)


@pytest.fixture(scope="module")
def actor():
    return gaussian_actor(2, widths=(8,))


def constant(actor, mean, log_std):
    """Parameters whose mean (before tanh) and log deviation are the same everywhere."""
    params = actor.init(KEY, jnp.zeros(3), jnp.zeros(2))
    silent = jax.tree.map(jnp.zeros_like, params.layers())
    silent["Dense_1"]["bias"] = jnp.array([*mean, *log_std], jnp.float32)
    return pack(silent)


def test_it_draws_the_normal_that_its_network_tells(actor):
    params = constant(actor, np.arctanh([0.2, -0.5]), np.log([0.1, 0.02]))
    drawn = actor.sample(params, jnp.zeros((40_000, 3)), KEY)
    np.testing.assert_allclose(drawn.mean(axis=0), [0.2, -0.5], atol=0.003)
    np.testing.assert_allclose(drawn.std(axis=0), [0.1, 0.02], rtol=0.02)
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.02


def test_the_loss_is_the_negative_log_likelihood_per_coordinate(actor):
    mean, deviation = np.array([0.2, -0.5]), np.array([0.1, 0.02])
    params = constant(actor, np.arctanh(mean), np.log(deviation))
    action = jnp.array([[0.4, -0.47], [0.2, -0.5]])
    error = (np.asarray(action) - mean) / deviation
    expected = np.mean(0.5 * error**2 + np.log(deviation))
    found = actor.bc_loss(params, jnp.zeros((2, 3)), action, KEY)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_the_deviation_is_held_in_its_range(actor):
    low, high = gaussian.LOG_STD_RANGE
    params = constant(actor, [0.0, 0.0], [-99.0, 99.0])
    loss = actor.bc_loss(params, jnp.zeros(3), jnp.zeros(2), KEY)
    np.testing.assert_allclose(loss, (low + high) / 2.0, rtol=1e-6)
