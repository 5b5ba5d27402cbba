"""The rungs of successive halving."""

import pytest

import ramac_jax as rj
from ramac_jax.population import Rung, halving_rungs


@pytest.mark.parametrize(
    ("num_settings", "num_steps", "factor", "rungs"),
    [
        (27, 2700, 3, [(27, 100), (9, 300), (3, 900), (1, 2700)]),
        (9, 900, 3, [(9, 100), (3, 300), (1, 900)]),
        (10, 100, 2, [(10, 12), (5, 25), (2, 50), (1, 100)]),
        (8, 8, 2, [(8, 1), (4, 2), (2, 4), (1, 8)]),
        (5, 100, 3, [(5, 33), (1, 100)]),
        (8, 50, 3, [(8, 16), (2, 50)]),
        (2, 50, 3, [(2, 50)]),
        (1, 50, 2, [(1, 50)]),
        # log 1000 / log 10 is 2.9999999999999996 in floats.
        (1000, 5000, 10, [(1000, 5), (100, 50), (10, 500), (1, 5000)]),
    ],
)
def test_the_rungs_by_hand(num_settings, num_steps, factor, rungs):
    found = halving_rungs(num_settings, num_steps, factor)
    assert found == [Rung(*rung) for rung in rungs]


@pytest.mark.parametrize(
    ("num_settings", "num_steps", "factor", "message"),
    [
        (8, 100, 1, "factor is 1 and num_settings 8: give a factor of 2 or more"),
        (0, 100, 2, "num_settings 0: .* at least one setting"),
        (9, 8, 3, "num_steps is 8: .* needs 9 updates or more; give more updates"),
        (1, 0, 2, "num_steps is 0: .* needs 1 updates"),
    ],
)
def test_rungs_without_updates_are_refused(num_settings, num_steps, factor, message):
    with pytest.raises(rj.InputError, match=message):
        halving_rungs(num_settings, num_steps, factor)
