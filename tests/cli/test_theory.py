"""The paper's bounds on the bandit, for known policies and broken bounds."""

import math

import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.cli.bandit import leakage, theory
from ramac_jax.envs import bandit

SIZE = 40_000


def behaviour(seed=0, size=SIZE):
    return bandit.draw_actions(size, np.random.default_rng(seed))


def smeared(spread, seed=0):
    """Return actions of the behaviour with normal noise, which leak."""
    noise = np.random.default_rng([seed, 1]).normal(size=(SIZE, 2))
    return behaviour(seed) + spread * noise


def test_shares_of_the_behaviour_are_those_of_its_actions():
    exact, counted = theory.behaviour_shares(), theory.policy_shares(behaviour())
    assert exact.sum() == pytest.approx(1.0) and counted.sum() == pytest.approx(1.0)
    assert exact[-1] == counted[-1] == 0.0
    np.testing.assert_allclose(exact, counted, atol=4.0 * np.sqrt(0.05 / SIZE))
    # The centre, the gap, the inner half and the outer half of the ring.
    rings = exact[:-1].reshape(4, -1).sum(axis=1)
    np.testing.assert_allclose(rings, [0.2, 0.0, 0.4, 0.4])


def test_every_action_has_one_cell():
    """By hand: cells of a ring start at angle 0, and the last cell is the rest."""
    actions = np.array([[0.1, 0.01], [0.7, -0.01], [-0.9, 0.0], [0.0, 0.3], [0.5, 0.0]])
    shares = theory.policy_shares(actions)
    angles = theory.NUM_ANGLES
    cells = [0, 2 * angles + angles - 1, 3 * angles + angles // 2, angles // 4]
    np.testing.assert_allclose(shares[cells], 0.2)
    assert shares[-1] == pytest.approx(0.2) and shares.sum() == pytest.approx(1.0)


def check(counted, measured):
    return theory.check_policy(counted, measured, np.random.default_rng(5))


def test_the_behaviour_itself_meets_every_bound():
    found = check(behaviour(0), behaviour(1))
    assert found["ood"] == 0.0 and found["holds"]
    assert found["divergence"] < 0.01 and found["cvar_gap"] < 0.3


@pytest.mark.parametrize("spread", [0.02, 0.1, 0.5])
def test_bounds_hold_for_the_behaviour_with_noise(spread):
    found = check(smeared(spread, 0), smeared(spread, 1))
    assert found["holds"]
    assert found["ood"] > 0.0 and found["cvar_gap"] < found["cvar_gap_bound"]
    # A policy that only leaks nearly meets proposition 1.
    if spread == 0.02:
        assert found["ood"] == pytest.approx(found["ood_bound"], rel=0.2)


def test_a_measurement_beyond_its_bound_breaks_the_bound():
    """The divergence of one policy, and the actions of another that leaks more."""
    wide, narrow = smeared(0.1, 1), smeared(0.02, 0)
    found = check(narrow, wide)
    assert found["ood"] > 2.0 * found["ood_bound"] and not found["holds"]
    # The behaviour's divergence with actions of the centre breaks the other bound
    # alone: these actions never leave the modes.
    centre = behaviour(1)[bandit.in_centre(behaviour(1))]
    found = check(behaviour(0), centre)
    assert found["ood"] == 0.0 and found["cvar_gap"] > found["cvar_gap_bound"]
    assert not found["holds"]


def test_broken_bounds_are_named():
    policies = {"oraac": [{"holds": True}, {"holds": False}]}
    leaks = {"oraac": [{"radius": 0.2, "holds": False}, {"radius": 1, "holds": True}]}
    found = theory.broken({"policies": policies, "leakage": leaks})
    assert found == ["oraac, seed 1", "oraac, radius 0.2"]


def test_a_policy_of_one_mode_has_an_infinite_divergence():
    """A policy of the centre alone is in distribution, with an infinite divergence."""
    halves = [behaviour(x)[bandit.in_centre(behaviour(x))] for x in range(2)]
    found = check(*halves)
    assert found["ood"] == 0.0 and found["divergence"] == math.inf
    assert found["cvar_gap_bound"] == math.inf and found["holds"]
    apart = bandit.cvar_of_shares(0.0, 1.0, 0.1) - bandit.cvar_of_shares(0.8, 0.2, 0.1)
    assert found["cvar_gap"] == pytest.approx(apart, abs=0.01)


def test_actions_that_are_not_finite_are_refused():
    with pytest.raises(rj.InputError, match="not finite: it has diverged"):
        check(behaviour(), np.full((10, 2), np.nan))


@pytest.mark.parametrize("radius", [0.1, 0.4, 1.0])
def test_anchors_moved_at_random_meet_the_lemma_with_equality(radius):
    found = leakage.uniform_leakage(radius, seed=3)
    assert found["holds"] and found["leakage"] > 0.0
    assert found["leakage"] == pytest.approx(found["bound"], abs=0.01)


def about_zero(seed):
    """Return actions that are uniform in the square of side .8 about 0."""
    return np.random.default_rng(seed).uniform(-0.4, 0.4, (200_000, 2))


def test_leakage_of_a_policy_about_one_anchor():
    """The square without the disc of the centre leaks; only whole cells count."""
    found = leakage.check_leakage(about_zero(0), about_zero(1), 0.4)
    truly = 1.0 - math.pi * 0.3**2 / 0.64
    assert found["leakage"] == pytest.approx(truly, abs=0.01)
    assert found["holds"] and 0.0 < found["bound"] < truly
    # Actions without perturbation have no density in most of the ball: the bound is 0.
    # Actions that leak less than the density allows break the bound.
    assert leakage.check_leakage(behaviour(), behaviour(), 0.4)["bound"] == 0.0
    assert not leakage.check_leakage(about_zero(0), behaviour(), 0.4)["holds"]


def test_a_small_radius_has_a_bound():
    """The cells shrink with the radius, so that whole cells fit into the ball."""
    draw = np.random.default_rng(0)
    anchors = bandit.draw_actions(200_000, draw)
    moved = anchors + draw.uniform(-0.1, 0.1, anchors.shape)
    found = leakage.check_leakage(moved[::2], moved[1::2], 0.1)
    assert found["holds"] and 0.0 < found["bound"] < found["leakage"]


def test_cells_outside_the_modes_are_those_of_the_gap_and_the_corners():
    outside = leakage.cells_outside(np.linspace(-1.0, 1.0, 21))
    assert outside[0, 0] and outside[19, 19]  # corners
    assert not outside[10, 10] and not outside[10, 18]  # centre, ring
    assert outside[10, 13] and not outside[10, 12]  # the centre ends at .3
