"""Intervals against closed forms, and their coverage of known truths."""

import numpy as np
import pytest

from ramac_jax import InputError
from ramac_jax.evaluation import (
    Interval,
    jackknife_interval,
    mean_interval,
    per_seed_cvar,
    pooled_cvar,
)
from ramac_jax.evaluation.estimates import mean, pooled_iqm, ratio
from ramac_jax.evaluation.intervals import LONGEST, UNKNOWN

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("values", "mean", "reach"),
    [
        ([1.0, 3.0], 2.0, 12.7062),  # t of 1 degree of freedom; sd sqrt(2), n 2
        ([1.0, 2.0, 3.0], 2.0, 4.30265 / 3**0.5),  # t of 2; sd 1, n 3
        ([1.0, NAN, 3.0, INF], 2.0, 12.7062),  # the finite ones alone
        ([5.0, 5.0, 5.0], 5.0, 0.0),
        ([7.0], 7.0, NAN),
        ([NAN, 7.0], 7.0, NAN),
        ([NAN, -INF], NAN, NAN),
        ([], NAN, NAN),
    ],
)
def test_a_mean_interval_is_students(values, mean, reach):
    expected = (mean, mean - reach, mean + reach)
    found = mean_interval(np.array(values, np.float32))
    assert found == pytest.approx(expected, rel=1e-5, nan_ok=True)


def test_students_interval_covers_the_mean_as_often_as_it_states():
    """Means of five normal values: 95 % of the intervals contain the truth."""
    draw, trials = np.random.default_rng(0), 2000
    found = [mean_interval(draw.normal(3.0, 2.0, 5)) for _ in range(trials)]
    covered = np.mean([x.low <= 3.0 <= x.high for x in found])
    assert abs(covered - 0.95) < 4.0 * (0.95 * 0.05 / trials) ** 0.5


@pytest.mark.parametrize("size", [50, 100])
def test_the_interval_of_a_cvar_covers_the_truth_as_often_as_it_states(size):
    """Minus an exponential: its CVaR_0.1 is -(1 + log 10)."""
    draw, truth = np.random.default_rng(0), -1.0 - np.log(10.0)
    found = [
        jackknife_interval([-draw.exponential(size=size)], pooled_cvar(0.1))
        for _ in range(400)
    ]
    assert np.mean([x.low <= truth <= x.high for x in found]) > 0.93
    values = np.array([x.value for x in found])
    assert abs(values.mean() - truth) < 3.0 * values.std() / 20.0


def test_the_mean_cvar_of_many_seeds_is_covered_though_each_has_few_episodes():
    """The bias of each seed stays in their mean, and the interval shrinks."""
    draw, level = np.random.default_rng(0), 0.1
    fell = draw.random((200, 20, 50)) < 0.3
    returns = np.where(fell, draw.uniform(0, 900, fell.shape), 1000.0)
    truth, covered = 150.0, 0  # the worst third of the falls
    for rows in returns:
        low, high = jackknife_interval([*rows], per_seed_cvar(level))[1:]
        covered += low <= truth <= high
    assert covered > 0.93 * len(returns)


def test_the_interval_of_constants_is_a_point():
    rows = [np.full(5, 0.25)] * 3
    for statistic in (mean, per_seed_cvar(0.5), pooled_cvar(0.3), pooled_iqm):
        expected = pytest.approx((0.25, 0.25, 0.25), abs=1e-12)
        assert jackknife_interval(rows, statistic) == expected


def test_the_interval_of_a_mean_is_students_within_the_seeds():
    """Seeds at 0 and at 1 are two strata: only the spread within them counts."""
    rows = [np.array([-1.0, 0.0, 1.0]), np.array([9.0, 10.0, 11.0])]
    reach = 2.776445 * (2.0 * 3.0 * 1.0) ** 0.5 / 6.0  # t of 4; variance 1 in each
    found = jackknife_interval(rows, mean)
    assert found == pytest.approx((5.0, 5.0 - reach, 5.0 + reach), rel=1e-6)
    low, high = jackknife_interval([np.concatenate(rows)], mean)[1:]
    assert high - low > 4.0 * reach


def test_the_interval_is_longer_on_the_side_of_the_skew():
    falls = np.array([0.0] * 3 + [10.0] * 37)
    value, low, high = jackknife_interval([falls], mean)
    assert 1.2 < (value - low) / (high - value) < np.exp(LONGEST)
    mirrored = jackknife_interval([-falls], mean)
    assert mirrored == pytest.approx((-value, -high, -low))


def test_an_interval_is_narrower_for_less_confidence():
    rows = [np.random.default_rng(0).normal(size=100)]
    wide = jackknife_interval(rows, pooled_cvar(0.1))
    narrow = jackknife_interval(rows, pooled_cvar(0.1), confidence=0.5)
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high
    assert narrow.value == wide.value


@pytest.mark.parametrize(
    ("rows", "statistic"),
    [
        ([np.ones(1)], mean),
        ([np.ones(1), np.ones(1)], mean),
        ([np.ones((1, 2))], ratio),
        ([np.ones(1)], pooled_iqm),
        ([np.arange(19.0)], pooled_cvar(0.1)),  # a tail of less than two episodes
        ([np.arange(10.0)] * 20, per_seed_cvar(0.1)),
    ],
)
def test_too_few_episodes_have_a_value_and_no_bounds(rows, statistic):
    found = jackknife_interval(rows, statistic)
    assert np.isfinite(found.value)
    assert np.isnan(found[1:]).all()


def test_no_episodes_are_refused_or_unknown():
    assert jackknife_interval([], mean) is UNKNOWN
    with pytest.raises(InputError, match="at least one episode of every seed"):
        jackknife_interval([np.ones(2), np.ones(0)], mean)
    with pytest.raises(InputError, match="confidence is 1: give one between 0 and 1"):
        jackknife_interval([np.ones(2)], mean, confidence=1.0)


def test_an_interval_is_clipped_to_the_range_of_its_figure():
    assert Interval(0.5, -0.1, 1.2).clipped(0.0, 1.0) == (0.5, 0.0, 1.0)
    unknown = UNKNOWN._replace(value=0.5).clipped(0.0, 1.0)
    assert unknown == pytest.approx((0.5, NAN, NAN), nan_ok=True)


def test_strict_json_holds_an_interval():
    known = Interval(value=1.0, low=0.5, high=2.0)
    assert known.to_json() == {"value": 1.0, "low": 0.5, "high": 2.0}
    assert UNKNOWN.to_json() == {"value": None, "low": None, "high": None}
