"""The quantiles of a histogram: against NumPy, closed forms and JAX's own gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from ramac_jax.critics.categorical import (
    SOFTENING,
    filled_bins,
    histogram_quantiles,
)

FINE = (np.arange(20_000) + 0.5) / 20_000


def test_quantiles_invert_the_distribution_function_of_a_histogram():
    probabilities = jnp.array([0.2, 0.5, 0.3])
    tau = jnp.array([0.1, 0.2, 0.45, 0.7, 0.85])
    found = histogram_quantiles(probabilities, tau, -1.0, 2.0)
    np.testing.assert_allclose(found, [-0.5, 0.0, 0.5, 1.0, 1.5], atol=1e-5)


def test_softened_bins_keep_the_mean_and_the_tail():
    """Two modes: .02 of the mass is 8 below the rest, and no mass lies between."""
    probabilities = np.zeros(101, np.float32)
    probabilities[[20, 60]] = 0.02, 0.98
    quantiles = histogram_quantiles(jnp.array(probabilities), FINE, 0.0, 20.2)
    low, high = 20.5 * 0.2, 60.5 * 0.2
    np.testing.assert_allclose(quantiles.mean(), 0.02 * low + 0.98 * high, atol=1e-3)
    tail = quantiles[: len(FINE) // 10].mean()
    within = 0.02 * low + 0.08 * (high - 0.2 / 2 * 0.9 / 0.98)  # lower end of its bin
    np.testing.assert_allclose(tail, within / 0.1, atol=0.02)


@pytest.mark.parametrize("level", [0.1, 0.01])
def test_empty_bins_beyond_a_law_do_not_move_its_tail(level):
    """N(0, 3 bins) in the middle of 121 bins, read by NumPy's interpolation."""
    edges = np.arange(122) - 60.5
    probabilities = np.diff(norm.cdf(edges, scale=3.0)).astype(np.float32)
    tau = level * jnp.asarray(FINE)
    found = histogram_quantiles(jnp.array(probabilities), tau, -60.5, 60.5).mean()
    filled = np.concatenate([[0.0], np.cumsum(probabilities, dtype=np.float64)])
    exact = np.interp(tau, filled, edges).mean()
    np.testing.assert_allclose(found, exact, atol=0.05)


def test_the_gradient_of_an_empty_bin_is_bounded():
    """dZ/dx of the logit x of a bin is at most its width over `SOFTENING`."""
    probabilities = jnp.array([1e-20, 0.5, 1e-12, 0.5 - 1e-12, 1e-20])
    tau = jnp.array([0.0, 2e-6, 0.5, 1.0 - 2e-6, 1.0])

    def quantiles(logits):
        return histogram_quantiles(jax.nn.softmax(logits), tau, 0.0, 5.0)

    slope = jax.jacobian(quantiles)(jnp.log(probabilities))
    assert np.all(np.isfinite(slope))
    assert np.abs(slope).max() <= 1.01 / SOFTENING


def test_the_gradient_of_cvar_is_that_of_its_closed_form():
    """Of a tail within the first bin, of width w and p > alpha: w alpha / (2 p)."""
    level, width = 0.1, 2.0
    tau = level * jnp.asarray(FINE)

    def cvar(p):
        return histogram_quantiles(jnp.array([p, 1.0 - p]), tau, 0.0, 4.0).mean()

    p = 0.4
    np.testing.assert_allclose(cvar(p), width * level / (2 * p), rtol=1e-4)
    np.testing.assert_allclose(
        jax.grad(cvar)(p), -width * level / (2 * p**2), rtol=1e-3
    )


def test_gradients_have_the_types_of_their_arguments():
    tau, bins = jnp.array([0.2, 0.6]), jnp.array([0.1, 0.5, 0.9], jnp.bfloat16)
    for arguments in ((tau, bins, bins), (tau.astype(bins.dtype), tau, tau)):
        slopes = jax.grad(lambda *x: filled_bins(*x).sum(), (0, 1, 2))(*arguments)
        assert [x.dtype for x in slopes] == [x.dtype for x in arguments]


def test_the_gradient_by_hand_is_that_of_the_sum():
    """JAX differentiates the sum of all shares, of several laws, in every argument."""

    def plain(tau, middle, rise):
        share = 0.5 + (tau[:, None] - middle[..., None, :]) / rise[..., None, :]
        return jnp.clip(share, 0.0, 1.0).sum(axis=-1)

    keys = jax.random.split(jax.random.key(0), 4)
    tau = jax.random.uniform(keys[0], (6,))
    middle = jnp.sort(jax.random.uniform(keys[1], (2, 3, 9)))
    rise = jax.random.uniform(keys[2], (2, 3, 9), minval=0.05, maxval=0.5)
    weight = jax.random.normal(keys[3], (2, 3, 6))
    ways = [
        jax.value_and_grad(lambda *x, f=f: (f(*x) ** 2 * weight).sum(), (0, 1, 2))
        for f in (plain, filled_bins)
    ]
    expected, found = (way(tau, middle, rise) for way in ways)
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-4),
        found,
        expected,
    )
