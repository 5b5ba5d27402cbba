"""Random numbers: the bits of `jax.random`, and fractions one of each stratum."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from ramac_jax.compute import random_numbers

KEY = jax.random.key(3)
LEVEL = 0.1
CVAR = -norm.pdf(norm.ppf(LEVEL)) / LEVEL  # of N(0, 1)


@pytest.mark.parametrize("shape", [(), (7,), (3, 5, 2)])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_numbers_are_those_of_jax_bit_by_bit(shape, dtype):
    one = random_numbers.normal(KEY, shape, dtype)
    np.testing.assert_array_equal(one, jax.random.normal(KEY, shape, dtype))
    one = random_numbers.uniform(KEY, shape, dtype, -1.0, 3.0)
    other = jax.random.uniform(KEY, shape, dtype, -1.0, 3.0)
    np.testing.assert_array_equal(one, other)
    assert one.dtype == other.dtype and one.shape == other.shape


def stratified(key, size):
    return random_numbers.stratified(random_numbers.uniform(key, (size,)))


@pytest.mark.parametrize("size", [1, 8, 33])
def test_each_stratum_has_one_number(size):
    tau = stratified(KEY, size)
    assert tau.shape == (size,) and tau.dtype == jnp.float32
    np.testing.assert_array_equal(np.floor(np.asarray(tau) * size), np.arange(size))
    inside = np.asarray(tau) * size % 1.0
    assert size == 1 or inside.std() > 0.1  # not the same offset in every part


def cvar_estimates(draw, size, count=20_000):
    """CVaR of N(0, 1) as the mean of its quantiles at fractions: [count]."""
    keys = jax.random.split(KEY, count)
    tau = np.asarray(jax.vmap(lambda key: draw(key, size))(keys), np.float64)
    return norm.ppf(LEVEL * np.maximum(tau, 1e-8)).mean(axis=1)


def test_strata_scatter_less_than_four_times_as_many_free_draws():
    free = cvar_estimates(lambda key, size: random_numbers.uniform(key, (size,)), 32)
    strata = cvar_estimates(stratified, 8)
    for seen in (free, strata):  # the same expectation, five standard errors wide
        error = 5.0 * seen.std() / np.sqrt(len(seen))
        assert abs(seen.mean() - CVAR) < error < 0.005
    assert strata.var() < 0.5 * free.var()
