"""The hazard rule against numbers worked out by hand."""

import math

import numpy as np
import pytest

from ramac_jax import InputError
from ramac_jax.envs import hazards
from ramac_jax.tasks import Hazard, angle_hazard, velocity_hazard

SPEED = velocity_hazard(10.0, -70.0)
ANGLE = angle_hazard(-0.17, 0.04, -50.0, end=0.2)
INF = math.inf


@pytest.mark.parametrize(
    ("hazard", "quantity", "risky", "end"),
    [
        (SPEED, [-10.1, -10.0, 0.0, 10.0, 10.1, 1e9], [1, 0, 0, 0, 1, 1], [0] * 6),
        (
            ANGLE,
            [-0.21, -0.2, -0.18, -0.17, 0.04, 0.05, 0.2, 0.21],
            [1, 1, 1, 0, 0, 1, 1, 1],
            [1, 0, 0, 0, 0, 0, 0, 1],
        ),
    ],
)
def test_bounds_belong_to_the_safe_side(hazard, quantity, risky, end):
    quantity = np.array(quantity)
    np.testing.assert_array_equal(hazards.is_risky(hazard, quantity), risky)
    np.testing.assert_array_equal(hazards.is_end(hazard, quantity), end)


@pytest.mark.parametrize(
    ("hazard", "quantity", "draws", "charge"),
    [
        # Charged where the state is risky and the draw is below the probability.
        (SPEED, [0, 11, 11, 11, -11], [0, 0, 0.049, 0.05, 0.0], [0, -70, -70, 0, -70]),
        (ANGLE, [0, 0.1, 0.1, -0.2, 0.04], [0, 0.099, 0.1, 0.5, 0], [0, -50, 0, 0, 0]),
    ],
)
def test_penalties_by_hand(hazard, quantity, draws, charge):
    got = hazards.penalties(hazard, np.array(quantity), np.array(draws))
    np.testing.assert_array_equal(got, charge)


def test_probability_one_charges_every_risky_step_and_zero_none():
    quantity, draws = np.full(1000, 0.1), np.random.default_rng(0).random(1000)
    always, never = ANGLE._replace(probability=1.0), ANGLE._replace(probability=0.0)
    assert (hazards.penalties(always, quantity, draws) == -50).all()
    assert (hazards.penalties(never, quantity, draws) == 0).all()


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"quantity": "speed"}, "unknown quantity 'speed'"),
        ({"coordinate": -1}, "coordinate is -1"),
        ({"probability": 1.5}, "probability of the hazard is 1.5"),
        ({"probability": math.nan}, "probability of the hazard is nan"),
        ({"penalty": 5.0}, "penalty of the hazard is 5: it must be at most 0"),
        ({"penalty": -math.inf}, "penalty of the hazard is -inf"),
        ({"low": 10.0}, "low of the hazard is 10 and high 10"),
        ({"high": math.nan}, "low of the hazard is -10 and high nan"),
        ({"end_low": 1.0, "end_high": -1.0}, "end_low of the hazard is 1"),
    ],
)
def test_rules_without_meaning_are_refused(change, fault):
    with pytest.raises(InputError) as refused:
        hazards.check_hazard(SPEED._replace(**change))
    assert fault in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_one_sided_band_is_a_rule():
    hazard = Hazard("x velocity", 8, -INF, 5.0, 0.5, -1.0)
    hazards.check_hazard(hazard)
    got = hazards.is_risky(hazard, np.array([-1e9, 5.0, 5.1]))
    np.testing.assert_array_equal(got, [False, False, True])
