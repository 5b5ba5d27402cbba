"""The bounds of the theory, by hand and against policies that are known exactly."""

import math

import numpy as np
import pytest
import scipy.integrate

import ramac_jax as rj
from ramac_jax.evaluation import bounds


def test_a_divergence_by_hand():
    found = bounds.kl_divergence(np.array([0.5, 0.5, 0.0]), np.array([0.25, 0.5, 0.25]))
    assert found == pytest.approx(0.5 * math.log(2.0))
    assert bounds.kl_divergence(np.array([0.3, 0.7]), np.array([0.3, 0.7])) == 0.0
    assert bounds.kl_divergence(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == math.inf


def test_coarser_cells_have_a_smaller_divergence():
    draw = np.random.default_rng(0)
    beta, pi = draw.dirichlet(np.ones(12)), draw.dirichlet(np.ones(12))
    fine = bounds.kl_divergence(beta, pi)
    coarse = [x.reshape(4, 3).sum(axis=1) for x in (beta, pi)]
    assert 0.0 < bounds.kl_divergence(*coarse) < fine


def test_the_rate_is_bounded_tightly_by_what_leaves_alone():
    """A policy that is the behaviour but for a share outside: the bound is met."""
    for ood in (0.0, 0.01, 0.3, 0.999):
        beta, pi = np.array([0.4, 0.6, 0.0]), np.array([0.4, 0.6, 0.0]) * (1.0 - ood)
        pi[2] = ood
        bound = bounds.ood_rate_bound(bounds.kl_divergence(beta, pi))
        assert bound == pytest.approx(ood, abs=1e-12)
    assert bounds.ood_rate_bound(math.inf) == 1.0


def test_the_rate_of_a_wider_uniform_policy():
    """beta on [0, 1], pi on [0, w]: delta = 1 - 1/w, KL = log w, the bound itself."""
    width = 1.6
    assert bounds.ood_rate_bound(math.log(width)) == pytest.approx(1.0 - 1.0 / width)


@pytest.mark.parametrize("level", [0.1, 0.5, 1.0])
def test_the_cvar_of_shifted_uniform_returns_stays_within_its_bound(level):
    """Returns of density 1 + c (1 - 2 x) on [0, 1]: more of the low ones."""
    for slant in (0.01, 0.2, 0.9):

        def density(x, slant=slant):
            return 1.0 + slant * (1.0 - 2.0 * x)

        def log_ratio(x, density=density):
            return -math.log(density(x))

        divergence = scipy.integrate.quad(log_ratio, 0.0, 1.0)[0]
        grid = (np.arange(200_000) + 0.5) / 200_000
        mass = density(grid) / density(grid).sum()
        below = np.minimum(np.cumsum(mass), level)
        worst = np.diff(below, prepend=0.0) @ grid / level
        gap = abs(worst - level / 2.0)
        bound = bounds.cvar_gap_bound(divergence, level, 0.0, 1.0)
        assert 0.0 < gap < bound


def test_leakage_of_a_uniform_ball_is_its_bound():
    """The anchor .9 of the support [-1, 1], moved by up to .4: .3 of .8 is outside."""
    moved = np.random.default_rng(0).uniform(0.5, 1.3, 200_000)
    bound = bounds.leakage_bound(1.0 / 0.8, 0.3)
    assert bound == pytest.approx(0.375)
    assert (moved > 1.0).mean() == pytest.approx(bound, abs=0.005)


@pytest.mark.parametrize(
    ("beta", "pi", "message"),
    [
        ([0.5, 0.5], [1.0], "not probabilities of the same cells"),
        ([0.5, 0.5], [1.5, -0.5], "not probabilities of the same cells"),
        ([0.5, 0.5], [0.5, 0.4], "sum to 0.9: give all cells"),
        ([[1.0]], [[1.0]], "not probabilities of the same cells"),
    ],
)
def test_arrays_that_are_no_probabilities_are_refused(beta, pi, message):
    with pytest.raises(rj.InputError, match=message):
        bounds.kl_divergence(np.array(beta), np.array(pi))
