"""The paper's bounds on the bandit: policies that are known, and a check that fails."""

import math

import numpy as np
import pytest

from experiments.bandit import theory
from ramac_jax.tasks import bandit

SIZE = 40_000


def behaviour(seed=0, size=SIZE):
    return bandit.draw_actions(size, np.random.default_rng(seed))


def smeared(spread, seed=0):
    """The behaviour with normal noise: it leaks, the more the wider."""
    noise = np.random.default_rng([seed, 1]).normal(size=(SIZE, 2))
    return behaviour(seed) + spread * noise


def test_shares_of_the_behaviour_are_those_of_its_actions():
    exact, counted = theory.behaviour_shares(), theory.policy_shares(behaviour())
    assert exact.sum() == pytest.approx(1.0) and counted.sum() == pytest.approx(1.0)
    assert exact[-1] == counted[-1] == 0.0
    rings = [x[:-1].reshape(len(theory.radii()) - 1, -1) for x in (exact, counted)]
    by_radius = [x.sum(axis=1) for x in rings]
    np.testing.assert_allclose(*by_radius, atol=4.0 * np.sqrt(0.25 / SIZE))
    by_angle = [x.sum(axis=0) for x in rings]
    np.testing.assert_allclose(*by_angle, atol=4.0 * np.sqrt(0.05 / SIZE))
    np.testing.assert_allclose(theory.mode_shares(exact), [0.2, 0.0, 0.8, 0.0])


def test_the_behaviour_itself_is_far_from_no_bound():
    found = theory.check_policy(behaviour())
    assert found["ood"] == 0.0 and found["holds"]
    assert found["divergence"] < 0.01 and found["cvar_gap"] < 0.1


@pytest.mark.parametrize("spread", [0.02, 0.1, 0.5])
def test_bounds_hold_for_a_behaviour_that_is_smeared(spread):
    found = theory.check_policy(smeared(spread))
    assert found["holds"]
    assert 0.0 < found["ood"] <= found["least_ood_bound"] <= found["ood_bound"] <= 1.0
    assert found["cvar_gap"] <= found["least_cvar_gap_bound"] <= found["cvar_gap_bound"]
    # Smearing alone is what the bound is about: it is met within a tenth at first.
    if spread == 0.02:
        assert found["ood"] > 0.9 * found["least_ood_bound"]


def test_who_never_leaves_a_mode_leaves_the_behaviour():
    """A policy of the centre alone is in distribution, and its divergence infinite."""
    actions = behaviour()[bandit.in_centre(behaviour())]
    found = theory.check_policy(actions)
    assert found["ood"] == 0.0 and found["divergence"] == math.inf
    assert found["least_cvar_gap_bound"] == math.inf and found["holds"]
    # CVaR of the centre's noise, and of the behaviour: its share .8 on the ring.
    apart = bandit.cvar_of_shares(0.0, 1.0, 0.1) - bandit.cvar_of_shares(0.8, 0.2, 0.1)
    assert found["cvar_gap"] == pytest.approx(apart)


def test_a_bound_that_is_too_low_is_found_out(monkeypatch):
    """With half of what the theory allows, measurements break it, and it is said."""
    monkeypatch.setattr(
        theory.bounds, "ood_rate_bound", lambda kl: -0.5 * math.expm1(-kl)
    )
    found = {"policies": {"smeared": [theory.check_policy(smeared(0.02))]}}
    leak = {"radius": 0.2, "leakage": 0.1, "bound": 0.2, "holds": False}
    assert not found["policies"]["smeared"][0]["holds"]
    assert theory.broken(found | {"leakage": {"oraac": [leak]}}) == [
        "smeared, seed 0",
        "oraac, radius 0.2",
    ]


@pytest.mark.parametrize("radius", [0.1, 0.4, 1.0])
def test_anchors_moved_at_random_leak_what_the_lemma_says(radius):
    found = theory.uniform_leakage(radius, seed=3)
    assert found["holds"] and found["leakage"] > 0.0
    assert found["leakage"] == pytest.approx(found["bound"], abs=0.01)


def test_leakage_of_a_policy_about_one_anchor():
    """Uniform in the square of side .8 about 0: all but the centre's disc leaks.

    The cells that lie outside both modes entirely are what the bound counts.
    """
    square = np.random.default_rng(0).uniform(-0.4, 0.4, (200_000, 2))
    found = theory.check_leakage(square, 0.4)
    truly = 1.0 - math.pi * 0.3**2 / 0.64
    assert found["leakage"] == pytest.approx(truly, abs=0.01)
    assert found["holds"] and 0.0 < found["bound"] < truly
    # Who perturbs nothing has no density in most of the ball, and so no bound.
    assert theory.check_leakage(behaviour(), 0.4)["bound"] == 0.0


def test_cells_outside_the_modes_are_those_of_the_gap_and_the_corners():
    outside = theory.cells_outside(np.linspace(-1.0, 1.0, 21))
    assert outside[0, 0] and outside[19, 19]  # corners
    assert not outside[10, 10] and not outside[10, 18]  # centre, ring
    assert outside[10, 13] and not outside[10, 12]  # the centre ends at .3
