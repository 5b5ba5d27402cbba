"""Estimates, their influences and the bias of CVaR, against direct calculations."""

import itertools

import numpy as np
import pytest

from ramac_jax import InputError
from ramac_jax.evaluation import corrected_cvar, cvar, iqm, per_seed_cvar, pooled_cvar
from ramac_jax.evaluation.estimates import mean, pooled_iqm, ratio

ROWS = [np.array([4.0, -1.0, 7.0, 3.0]), np.array([0.0, 2.5]), np.array([9.0] * 3)]


def exact_bias(rows, level):
    """The mean CVaR of every possible resample of each seed, less the CVaR."""
    within = [list(itertools.product(row, repeat=len(row))) for row in rows]
    resamples = [np.concatenate(parts) for parts in itertools.product(*within)]
    return cvar(np.array(resamples), level).mean() - cvar(np.concatenate(rows), level)


@pytest.mark.parametrize("level", [0.1, 0.25, 0.4, 0.5, 0.9, 1.0])
@pytest.mark.parametrize(
    "returns", [[3.0], [1.0, 2.0], [5.0, -3.0, 4.0, 4.0, 0.0, 2.0]]
)
def test_the_correction_is_the_bias_of_all_resamples(returns, level):
    returns = np.array(returns)
    expected = cvar(returns, level) - exact_bias([returns], level)
    assert corrected_cvar(returns, level) == pytest.approx(expected)
    assert pooled_cvar(level)([returns]).value == pytest.approx(expected)


@pytest.mark.parametrize("level", [0.1, 0.2, 0.5, 0.8, 1.0])
@pytest.mark.parametrize(
    "other", [[2.0, 2.5, 9.0], [7.0, 8.0, 9.0, 9.5], [-3.0, -3.0, -2.0]]
)
def test_the_correction_of_several_seeds_is_of_resamples_within_each(other, level):
    rows = [np.array([0.0, 1.0, 5.0, 6.0]), np.array(other)]
    bias = exact_bias(rows, level)
    found = pooled_cvar(level)(rows)
    empirical = cvar(np.concatenate(rows), level)
    assert found.value == pytest.approx(empirical - bias, abs=0.1 * bias + 1e-12)
    assert found.correction == pytest.approx(bias, rel=0.1, abs=1e-12)


def test_seeds_that_do_not_overlap_need_no_correction_between_them():
    """The tail is one seed whole: resampling within the seeds never changes it."""
    rows = [np.zeros(5), np.full(5, 100.0)]
    found = pooled_cvar(0.5)(rows)
    assert (found.value, found.correction) == (0.0, 0.0)
    pooled = corrected_cvar(np.concatenate(rows), 0.5)
    assert pooled < -10.0


@pytest.mark.parametrize("size", [10, 20, 50, 100])
def test_most_of_the_bias_of_normal_returns_is_corrected(size):
    """The CVaR_0.1 of a standard normal is -1.755."""
    returns = np.random.default_rng(0).normal(size=(40_000, size))
    before = cvar(returns, 0.1).mean() + 1.754983
    after = corrected_cvar(returns, 0.1).mean() + 1.754983
    assert before > 2.0 / size
    assert abs(after) < 0.2 * before


def test_corrected_cvar_takes_the_last_axis_and_refuses_what_cvar_refuses():
    returns = np.random.default_rng(0).normal(size=(2, 3, 7))
    alone = [[corrected_cvar(x, 0.3) for x in row] for row in returns]
    np.testing.assert_allclose(corrected_cvar(returns, 0.3), alone)
    with pytest.raises(InputError, match="CVaR of 0 returns at level 0.1"):
        corrected_cvar(np.array([]), 0.1)


def raw_cvar(level):
    return lambda returns: cvar(returns, level)


@pytest.mark.parametrize(
    ("statistic", "plain"),
    [
        (mean, np.mean),
        (pooled_iqm, iqm),
        (pooled_cvar(0.3), raw_cvar(0.3)),
        (pooled_cvar(1.0), raw_cvar(1.0)),
    ],
    ids=["mean", "iqm", "cvar", "cvar_1"],
)
def test_the_influence_of_an_episode_is_the_change_without_it(statistic, plain):
    found, everything = statistic(ROWS), np.concatenate(ROWS)
    assert found.value + found.correction == pytest.approx(plain(everything))
    size = len(everything)
    without = np.array([plain(np.delete(everything, i)) for i in range(size)])
    expected = np.split((plain(everything) - without) * (size - 1) / size, [4, 6])
    for changes, each in zip(found.influence, expected, strict=True):
        np.testing.assert_allclose(
            changes - changes.mean(), each - each.mean(), atol=1e-12
        )


def test_an_episode_changes_the_mean_over_seeds_by_its_own_seed_alone():
    found = per_seed_cvar(0.5)(ROWS)
    for changes, row in zip(found.influence, ROWS, strict=True):
        (alone,) = pooled_cvar(0.5)([row]).influence
        np.testing.assert_allclose(changes, alone / 3)


def test_the_mean_of_per_seed_cvars_differs_from_the_pooled_cvar():
    rows = [np.array([0.0, 1.0]), np.array([10.0, 12.0, 14.0, 16.0])]
    by_seed, whole = per_seed_cvar(0.5)(rows), pooled_cvar(0.5)(rows)
    expected = np.mean([corrected_cvar(row, 0.5) for row in rows])
    assert by_seed.value == pytest.approx(expected)
    assert whole.value < 11 / 3  # the CVaR of all six: (0 + 1 + 10) / 3
    assert by_seed.degrees == 1.0  # a tail of one episode, and one of two


def test_a_ratio_is_of_the_sums():
    rows = [np.array([[1.0, 10.0], [2.0, 10.0]]), np.array([[0.0, 20.0]])]
    found = ratio(rows)
    assert found.value == 3 / 40
    expected = [[0.25, 1.25], [-1.5]]  # (part - 3/40 whole), of 40 steps
    for values, each in zip(found.influence, expected, strict=True):
        np.testing.assert_allclose(values, np.array(each) / 40)
