"""The paper's equations against numbers worked by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ramac_jax import losses
from ramac_jax.types import ReturnLaw

PREDICTED, TARGET = jnp.array([0.0, 2.0]), jnp.array([1.0, 4.0])
TAU = jnp.array([0.25, 0.75])


def test_quantile_huber_of_a_two_by_two_table():
    # errors [[1, 4], [-1, 2]], Huber [[.5, 3.5], [.5, 1.5]],
    # weights [[.25, .25], [.25, .75]]: (.125 + .875 + .125 + 1.125) / 4
    loss = losses.quantile_huber(PREDICTED, TARGET, TAU)
    np.testing.assert_allclose(loss, 0.5625, rtol=1e-6)


def test_quantile_huber_turns_linear_at_kappa():
    # Huber at kappa .5: [[.375, 1.875], [.375, .875]]
    loss = losses.quantile_huber(PREDICTED, TARGET, TAU, 0.5)
    np.testing.assert_allclose(loss, 0.328125, rtol=1e-6)


@pytest.mark.parametrize(
    ("error", "expected"),
    [(-3.0, 2.5), (-0.5, 0.125), (0.0, 0.0), (1.0, 0.5), (4.0, 3.5)],
)
def test_huber_of_one_error(error, expected):
    # at tau = 1/2 both sides weigh one half
    at_median = losses.quantile_huber(
        jnp.zeros(1), jnp.array([error]), jnp.array([0.5])
    )
    np.testing.assert_allclose(2.0 * at_median, expected, rtol=1e-6)


def test_squared_error_of_a_two_by_two_table():
    # errors [[1, 4], [-1, 2]]
    loss = losses.squared_error(PREDICTED, TARGET, TAU)
    np.testing.assert_allclose(loss, (1.0 + 16.0 + 1.0 + 4.0) / 4.0, rtol=1e-6)


def test_conservative_gaps_of_a_two_by_two_table():
    hoped, taken = jnp.log(jnp.array([[1.0, 2.0], [3.0, 8.0]])), jnp.array([0.5, 1.5])
    # log of the means 2 and 5 less what was taken; of the values log 2 / 2, log 24 / 2
    by_quantile = (np.log(2.0) - 0.5 + np.log(5.0) - 1.5) / 2.0
    by_value = np.log((np.sqrt(2.0) + np.sqrt(24.0)) / 2.0) - 1.0
    np.testing.assert_allclose(losses.quantile_gap(hoped, taken), by_quantile, 1e-6)
    np.testing.assert_allclose(losses.value_gap(hoped, taken), by_value, 1e-6)
    alike = jnp.broadcast_to(taken, (7, 2))
    for gap in (losses.quantile_gap, losses.value_gap):
        np.testing.assert_allclose(gap(alike, taken), 0.0, atol=1e-6)


def test_gradient_weighs_errors_above_by_tau_and_below_by_the_rest():
    predicted, tau = jnp.zeros(3), jnp.array([0.1, 0.5, 0.9])
    slope = jax.grad(losses.quantile_huber)
    np.testing.assert_allclose(slope(predicted, jnp.array([9.0]), tau), -tau / 3)
    np.testing.assert_allclose(slope(predicted, jnp.array([-9.0]), tau), (1 - tau) / 3)


def tau_on_the_target_axis(predicted, target, tau, kappa):
    """The known defect of the public release: tau weighs the target."""
    error = target[None, :] - predicted[:, None]
    small = jnp.minimum(jnp.abs(error), kappa)
    huber = small * (jnp.abs(error) - 0.5 * small)
    return jnp.mean(jnp.abs(tau[None, :] - (error < 0.0)) * huber)


def minimisers(loss, tau, returns):
    """For each fraction the prediction in 0..100 that has the least mean loss."""
    guesses = jnp.arange(101.0)
    draws = returns[np.add.outer(np.arange(101), 37 * np.arange(len(tau))) % 101]

    def expected(index, guess):
        predicted = jnp.full(len(tau), 50.0).at[index].set(guess)
        return jnp.mean(jax.vmap(lambda y: loss(predicted, y, tau, 1.0))(draws))

    indices = jnp.arange(len(tau))
    over_guesses = jax.vmap(expected, in_axes=(None, 0))
    table = jax.jit(jax.vmap(over_guesses, in_axes=(0, None)))(indices, guesses)
    return guesses[jnp.argmin(table, axis=1)]


def test_minimisers_are_the_quantiles_only_with_tau_on_the_prediction():
    tau, returns = jnp.array([0.1, 0.5, 0.9]), jnp.arange(101.0)
    right = minimisers(losses.quantile_huber, tau, returns)
    np.testing.assert_allclose(right, [10.0, 50.0, 90.0], atol=1.0)
    collapsed = minimisers(tau_on_the_target_axis, tau, returns)
    np.testing.assert_allclose(collapsed, [50.0, 50.0, 50.0], atol=1.0)


QUANTILES = jnp.array([[1.0, 5.0], [3.0, 2.0]])  # their minimum at each tau: 1, 2


@pytest.mark.parametrize(
    ("terminated", "bounds", "expected"),
    [
        (0.0, (-jnp.inf, jnp.inf), [1.4, 2.3]),
        (1.0, (-jnp.inf, jnp.inf), [0.5, 0.5]),
        (0.0, (1.5, 2.0), [1.5, 2.0]),
        (1.0, (1.5, 2.0), [1.5, 1.5]),
    ],
)
def test_bellman_target(terminated, bounds, expected):
    target = losses.bellman_target(0.5, terminated, 0.9, QUANTILES, *bounds)
    np.testing.assert_allclose(target, expected, rtol=1e-6)


def test_bellman_target_passes_no_gradient():
    slope = jax.grad(lambda q: losses.bellman_target(0.5, 0.0, 0.9, q).sum())(QUANTILES)
    np.testing.assert_array_equal(slope, jnp.zeros((2, 2)))


def test_the_least_law_has_the_least_quantile_at_each_fraction():
    """Z_1 is 0 or 2 with equal chance, Z_2 is 1 with .75, else 2: min_e Z_e(tau)."""
    laws = jnp.array([[0.5, 0.0, 0.5], [0.0, 0.75, 0.25]])
    np.testing.assert_allclose(losses.least_law(laws), [0.5, 0.25, 0.25])
    np.testing.assert_allclose(losses.least_law(laws[:1]), laws[0])


def test_the_expectation_of_laws_weighs_values_by_their_probability():
    value = jnp.array([[0.0, 10.0], [4.0, 6.0]])
    probability = jnp.array([[0.9, 0.1], [0.5, 0.5]])
    found = losses.expectation(ReturnLaw(value, probability))
    np.testing.assert_allclose(found, 3.0, rtol=1e-6)  # of 1 and 5
    assert losses.expectation(ReturnLaw(value)) == 5.0


def test_risk_adjusted_value_takes_the_least_critic_at_each_fraction():
    quantiles = jnp.array([[1.0, 5.0, 3.0], [2.0, 4.0, 6.0]])
    np.testing.assert_allclose(losses.risk_adjusted_value(quantiles), 8.0 / 3.0)


@pytest.mark.parametrize(
    ("warmup", "ramp", "expected"),
    [
        (0.0, 0.0, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
        (2.0, 0.0, [0.0, 0.0, 1.0, 1.0, 1.0, 1.0]),
        (0.0, 4.0, [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]),
        (1.0, 4.0, [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]),
    ],
)
def test_linear_ramp(warmup, ramp, expected):
    weights = losses.linear_ramp(jnp.arange(6), warmup, ramp)
    np.testing.assert_allclose(weights, expected)


def test_cosine_decay():
    half = np.sqrt(0.5) / 2
    expected = [1.0, 0.5 + half, 0.5, 0.5 - half, 0.0, 0.0]
    np.testing.assert_allclose(
        losses.cosine_decay(jnp.arange(6), 4.0), expected, atol=1e-6
    )
    np.testing.assert_array_equal(losses.cosine_decay(jnp.arange(6), jnp.inf), 1.0)


def test_the_least_critic_takes_the_whole_gradient():
    x = jnp.array([[3.0, 1.0, 2.0], [2.0, 4.0, 2.0]])
    np.testing.assert_array_equal(losses.least(x), [2.0, 1.0, 2.0])
    slope = jax.grad(lambda x: losses.least(x).sum())(x)
    np.testing.assert_array_equal(slope, [[0, 1, 1], [1, 0, 0]])
    for critic in (0, 1):
        assert np.isnan(losses.least(x.at[critic, 0].set(jnp.nan))[0])


def test_the_gradient_of_the_least_critic_is_finite_without_the_optimiser():
    """XLA rounds the two copies of these numbers differently; `jnp.min` gives NaN."""
    rng = np.random.default_rng(0)
    z = jnp.asarray(rng.normal(size=(2, 64, 16)), jnp.float32)
    tau = jnp.asarray(rng.uniform(0.0, 0.1, size=8), jnp.float32)

    def total(z):
        far = 1.3 * jnp.sum((tau[:, None] - z[..., None, :]) ** 2, axis=-1) - 9.0
        return jnp.sum(losses.least(far))

    assert np.all(np.isfinite(jax.jit(jax.grad(total))(z)))
