"""Statistics against tables worked out by hand."""

import numpy as np
import pytest
import scipy.stats

from ramac_jax import InputError
from ramac_jax.evaluation import cvar, iqm, normalized_score


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (0.1, -4.0),  # the worst of ten
        (0.2, -3.0),  # (-4 - 2) / 2
        (0.25, -2.4),  # (-4 - 2 + 0 / 2) / 2.5
        (1.0, 1.5),  # the mean
    ],
)
def test_cvar_is_the_mean_of_the_worst_share(level, expected):
    returns = [5, 1, 3, -4, 2, 0, 4, 1, -2, 5]
    np.testing.assert_allclose(cvar(np.array(returns), level), expected)


def test_cvar_takes_the_last_axis():
    returns = np.array([[1.0, 2.0, 3.0, 4.0], [8.0, 7.0, 6.0, 5.0]])
    np.testing.assert_allclose(cvar(returns, 0.5), [1.5, 5.5])


def test_cvar_of_a_normal_is_its_closed_form():
    returns = np.random.default_rng(0).normal(2.0, 3.0, 1_000_000)
    closed_form = 2.0 - 3.0 * 1.754983  # phi(Phi^-1(.1)) / .1
    np.testing.assert_allclose(cvar(returns, 0.1), closed_form, atol=0.03)


@pytest.mark.parametrize(
    ("returns", "level"), [([], 0.1), ([1.0], 0.0), ([1.0], 1.1), (1.0, 0.1)]
)
def test_cvar_of_nothing_or_of_no_share_is_refused(returns, level):
    with pytest.raises(InputError, match="at least one return and a level above 0"):
        cvar(np.array(returns), level)


def test_iqm_is_the_mean_of_the_middle_half():
    returns = np.array([[100, 4, 2, 3, 1, 5, -100, 0], [0, 1, 2, 3, 4, 5, 6, 7]])
    np.testing.assert_allclose(iqm(returns), [2.5, 3.5])  # 1 2 3 4 and 2 3 4 5


@pytest.mark.parametrize("returns", [3.0, [], np.zeros((2, 0))])
def test_iqm_of_nothing_is_refused(returns):
    with pytest.raises(InputError, match="at least one return"):
        iqm(returns)


@pytest.mark.parametrize("shape", [(1,), (3,), (4,), (7, 10), (2, 3, 401)])
def test_iqm_is_scipys_trimmed_mean(shape):
    returns = np.random.default_rng(len(shape)).normal(size=shape)
    expected = scipy.stats.trim_mean(returns, 0.25, axis=-1)
    np.testing.assert_allclose(iqm(returns), expected, atol=1e-15)


def test_normalized_score_is_in_percent():
    scores = normalized_score(np.array([-20.0, 180.0, 80.0]), -20.0, 180.0)
    np.testing.assert_allclose(scores, [0.0, 100.0, 50.0])
