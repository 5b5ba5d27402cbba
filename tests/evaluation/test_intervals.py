"""Intervals against closed forms, and their coverage of known truths."""

import numpy as np
import pytest

from ramac_jax import InputError
from ramac_jax.evaluation import (
    Interval,
    iqm,
    mean_interval,
    per_seed_cvar,
    pooled,
    stratified_bootstrap,
)
from ramac_jax.evaluation.intervals import UNKNOWN, bootstrap_interval

NAN, INF = float("nan"), float("inf")
MEAN = pooled(lambda returns: returns.mean(axis=-1))


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


def test_the_interval_of_constants_is_a_point():
    rows = [np.full(5, 0.25)] * 3
    for statistic in (MEAN, per_seed_cvar(0.3), pooled(iqm)):
        assert stratified_bootstrap(rows, statistic) == (0.25, 0.25)


def test_resampling_stays_within_the_seeds():
    """Seeds at 0 and at 1 are two strata: their mean never moves, pooled it would."""
    rows = [np.zeros(6), np.ones(6)]
    assert stratified_bootstrap(rows, MEAN) == (0.5, 0.5)
    low, high = stratified_bootstrap([np.concatenate(rows)], MEAN)
    assert low < 0.3 < 0.7 < high


def test_intervals_cover_the_truth_as_often_as_they_say():
    """Means of two seeds of 30 normal returns, at means 0 and 4: the truth is 2."""
    draw = np.random.default_rng(0)
    covered = 0
    for trial in range(400):
        rows = [draw.normal(mean, 1.0, 30) for mean in (0.0, 4.0)]
        low, high = stratified_bootstrap(
            rows, MEAN, num_resamples=200, confidence=0.9, seed=trial
        )
        covered += low <= 2.0 <= high
    assert 0.84 < covered / 400 < 0.94  # 3 deviations are .045


def test_an_interval_is_repeatable_and_narrower_for_less_confidence():
    rows = [np.random.default_rng(0).normal(size=20)]
    wide = stratified_bootstrap(rows, MEAN)
    assert wide == stratified_bootstrap(rows, MEAN)
    assert wide != stratified_bootstrap(rows, MEAN, seed=1)
    low, high = stratified_bootstrap(rows, MEAN, confidence=0.5)
    assert wide[0] < low < high < wide[1]


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([], {}, "at least one episode of every seed"),
        ([np.ones(2), np.ones(0)], {}, "at least one episode of every seed"),
        ([np.ones(2)], {"num_resamples": 0}, "num_resamples is 0"),
        ([np.ones(2)], {"confidence": 1.0}, "confidence 1: give"),
    ],
)
def test_a_bootstrap_of_no_episodes_or_no_resamples_is_refused(rows, options, message):
    with pytest.raises(InputError, match=message):
        stratified_bootstrap(rows, MEAN, **options)


def test_a_bootstrap_interval_has_the_value_and_the_bounds():
    rows = [np.array([1.0, 2.0, 6.0]), np.array([5.0, 6.0])]
    found = bootstrap_interval(rows, MEAN, 100, 0.9)
    bounds = stratified_bootstrap(rows, MEAN, num_resamples=100, confidence=0.9)
    assert found == (4.0, *bounds)
    assert bootstrap_interval([], MEAN) is UNKNOWN


def test_strict_json_holds_an_interval():
    known = Interval(value=1.0, low=0.5, high=2.0)
    assert known.to_json() == {"value": 1.0, "low": 0.5, "high": 2.0}
    assert UNKNOWN.to_json() == {"value": None, "low": None, "high": None}
