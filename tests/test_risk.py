"""Risk measures: maps of [0, 1], their signs and hand-worked values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

import ramac_jax as rj
from ramac_jax import losses, risk

LEVELS = {
    risk.neutral: (1.0,),
    risk.cvar: (0.05, 0.1, 0.5, 1.0),
    risk.wang: (-2.0, -0.75, 0.0, 0.75, 2.0),
    risk.cpw: (0.4, 0.71, 1.0),
    risk.power: (-3.0, -0.5, 0.0, 0.5, 3.0),
}
CASES = [(measure, level) for measure in LEVELS for level in LEVELS[measure]]
MIDPOINTS = (np.arange(10_000) + 0.5) / 10_000


def rare_penalty(tau):
    """Quantiles of a return that is -10 with probability .04, else 1: mean .56."""
    return jnp.where(tau < 0.04, -10.0, 1.0)


def value(measure, level):
    return float(jnp.mean(rare_penalty(measure(MIDPOINTS, level))))


@pytest.mark.parametrize(("measure", "level"), CASES)
def test_maps_the_unit_interval_monotonically_into_itself(measure, level):
    fractions = measure(jnp.linspace(0.0, 1.0, 501), level)
    assert np.all(np.isfinite(fractions))
    assert fractions.min() >= 0.0 and fractions.max() <= 1.0
    assert np.all(np.diff(fractions) >= -1e-6)
    np.testing.assert_allclose(fractions[0], 0.0, atol=1e-6)


@pytest.mark.parametrize(
    ("measure", "level"),
    [
        (risk.neutral, 0.3),
        (risk.cvar, 1.0),
        (risk.wang, 0.0),
        (risk.cpw, 1.0),
        (risk.power, 0.0),
    ],
)
def test_the_neutral_level_changes_nothing(measure, level):
    tau = jnp.linspace(0.01, 0.99, 99)
    np.testing.assert_allclose(measure(tau, level), tau, atol=1e-6)


@pytest.mark.parametrize(
    ("measure", "level", "tau", "expected"),
    [
        (risk.cvar, 0.1, 0.5, 0.05),
        (risk.wang, -1.0, 0.5, norm.cdf(-1.0)),
        (risk.wang, 0.5, norm.cdf(-1.5), norm.cdf(-1.0)),
        (risk.cpw, 0.5, 0.5, 0.5**1.5),
        (risk.cpw, 0.5, 0.2, 0.2**0.5 / (0.2**0.5 + 0.8**0.5) ** 2),
        (risk.power, -1.0, 0.36, 0.2),
        (risk.power, 1.0, 0.36, 0.6),
        (risk.power, -3.0, 1.0 - 0.5**4, 0.5),
        (risk.power, 3.0, 0.5**4, 0.5),
    ],
)
def test_hand_worked_fractions(measure, level, tau, expected):
    np.testing.assert_allclose(measure(jnp.float32(tau), level), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("level", "expected"), [(0.05, -7.8), (0.1, -3.4), (1.0, 0.56)]
)
def test_cvar_of_a_rare_penalty(level, expected):
    np.testing.assert_allclose(value(risk.cvar, level), expected, atol=5e-3)


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.5])
def test_cvar_of_a_normal_has_its_closed_form(alpha):
    quantiles = norm.ppf(risk.cvar(MIDPOINTS, alpha))
    truth = -norm.pdf(norm.ppf(alpha)) / alpha
    estimate = losses.risk_adjusted_value(jnp.asarray(quantiles)[None])
    np.testing.assert_allclose(estimate, truth, rtol=1e-3)


def test_wang_of_a_normal_shifts_its_mean_by_the_level():
    shifted = norm.ppf(risk.wang(jnp.asarray(MIDPOINTS), -0.5))
    np.testing.assert_allclose(shifted.mean(), -0.5, atol=2e-3)


@pytest.mark.parametrize("measure", [risk.cvar, risk.wang, risk.power])
def test_the_smaller_the_level_the_more_a_low_tail_counts(measure):
    values = [value(measure, level) for level in LEVELS[measure]]
    assert np.all(np.diff(values) > 0.01), values


@pytest.mark.parametrize("measure", [risk.wang, risk.power])
def test_the_sign_of_the_level_is_the_side_of_the_mean(measure):
    assert value(measure, -0.5) < value(measure, 0.0) - 0.1
    assert value(measure, 0.5) > value(measure, 0.0) + 0.1
    assert value(risk.neutral, 0.0) == pytest.approx(0.56, abs=5e-3)


@pytest.mark.parametrize("level", [0.5, 0.71])
def test_cpw_below_one_gives_both_extremes_less_than_their_share(level):
    fractions = risk.cpw(MIDPOINTS, level)
    assert 0.0 < np.mean(fractions < 0.05) < 0.05
    assert 0.0 < np.mean(fractions > 0.95) < 0.05


@pytest.mark.parametrize("measure", LEVELS)
def test_levels_are_traced(measure):
    levels = jnp.asarray(LEVELS[measure])
    tau = jnp.linspace(0.1, 0.9, 5)
    many = jax.jit(jax.vmap(measure, in_axes=(None, 0)))(tau, levels)
    each = jnp.stack([measure(tau, level) for level in LEVELS[measure]])
    np.testing.assert_allclose(many, each, rtol=1e-5)


@pytest.mark.parametrize("actor_name", ["diffusion", "flow"])
def test_each_measure_trains_each_actor(actor_name, make_agent, make_batch, distance):
    measures = list(LEVELS)

    def chosen(tau, level):  # one program: the level also selects the measure
        index, level = level
        return jnp.stack([measure(tau, level) for measure in measures])[index]

    agent, batch = make_agent(actor_name, chosen), make_batch()
    state, key = agent.init(jax.random.key(0), batch), jax.random.key(1)
    update = jax.jit(agent.update)
    values = set()
    for index, measure in enumerate(measures):
        hyperparams = rj.Hyperparams(
            bc_weight=0.0,
            risk_weight=1.0,
            risk_level=(index, LEVELS[measure][0]),
            critic_learning_rate=5e-5,  # a larger step silences so small a critic
        )
        new, metrics = update(state, batch, key, hyperparams)
        assert all(np.all(np.isfinite(x)) for x in jax.tree.leaves((new, metrics)))
        assert distance(new.actor_params, state.actor_params) > 0.0
        values.add(float(metrics["risk_value"]))
    assert len(values) == len(measures)
