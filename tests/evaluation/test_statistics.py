"""Statistics against tables worked out by hand, and intervals against known truths."""

import json

import numpy as np
import pytest

from ramac_jax import InputError
from ramac_jax.evaluation import (
    Episodes,
    cvar,
    iqm,
    normalized_score,
    per_seed_cvar,
    stratified_bootstrap,
    summarise,
)
from ramac_jax.evaluation.statistics import pooled

MEAN = pooled(lambda returns: returns.mean(axis=-1))


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


def test_normalized_score_is_in_percent():
    scores = normalized_score(np.array([-20.0, 180.0, 80.0]), -20.0, 180.0)
    np.testing.assert_allclose(scores, [0.0, 100.0, 50.0])


def test_cvar_of_each_seed_is_not_that_of_all():
    rows = [np.array([[0.0, 1.0]]), np.array([[10.0, 12.0, 14.0, 16.0]])]
    np.testing.assert_allclose(per_seed_cvar(0.5)(rows), [5.5])  # (0 + 11) / 2
    whole = pooled(lambda returns: cvar(returns, 0.5))(rows)
    np.testing.assert_allclose(whole, [11 / 3])  # (0 + 1 + 10) / 3


def test_the_interval_of_constants_is_a_point():
    rows = [np.full(5, 0.25)] * 3
    for statistic in (MEAN, per_seed_cvar(0.3), pooled(iqm)):
        assert stratified_bootstrap(rows, statistic) == (0.25, 0.25)


def test_resampling_keeps_to_the_seeds():
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


def test_an_interval_is_the_same_again_and_narrower_for_less_confidence():
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
def test_what_the_bootstrap_refuses(rows, options, message):
    with pytest.raises(InputError, match=message):
        stratified_bootstrap(rows, MEAN, **options)


def make_episodes(returns, failed=None, horizon=1000):
    """Episodes of these returns, of 10 steps each, one risky per unit of return."""
    returns = np.array(returns, float)
    failed = np.zeros(returns.shape, bool) if failed is None else np.array(failed)
    returns[failed] = np.nan
    zeros = np.zeros(returns.shape, int)
    return Episodes(
        episode_seed=zeros,
        returns=returns,
        length=zeros + 10,
        risky_steps=np.nan_to_num(returns).astype(int),
        penalties=zeros.astype(float),
        base_return=returns,
        failed=failed,
        monitored=np.zeros((*returns.shape, horizon), np.float32),
    )


def test_the_summary_of_a_table():
    episodes = make_episodes([[0, 1, 2, 3], [4, 5, 6, 7]])
    summary = summarise(episodes, [3, 4], level=0.5, reference=(0.0, 10.0))
    values = {k: v["value"] for k, v in summary.items() if isinstance(v, dict)}
    assert values == pytest.approx(
        {
            "mean": 3.5,
            "pooled_cvar": 1.5,  # 0 1 2 3
            "per_seed_cvar": 2.5,  # (.5 + 4.5) / 2
            "iqm": 3.5,
            "normalized_score": 35.0,
            "risky_share": 28 / 80,
            "length": 10.0,
        }
    )
    for figure in ("mean", "pooled_cvar", "risky_share"):
        bounds = summary[figure]
        assert bounds["low"] < bounds["value"] < bounds["high"]
    assert summary["length"] == {"value": 10.0, "low": 10.0, "high": 10.0}
    assert (summary["num_failed"], summary["num_episodes"]) == (0, 8)
    assert summary["num_seeds"] == 2
    json.dumps(summary, allow_nan=False)


def test_a_tail_of_few_episodes_is_told():
    few = summarise(make_episodes(np.ones((2, 20))), [0, 1])
    assert few["normalized_score"]["value"] is None
    assert few["notes"] == [
        "pooled CVaR_0.1 of 40 episodes is the mean of the worst 4: give 100 or more "
        "for a figure to trust",
        "per-seed CVaR_0.1 of 20 episodes is the mean of the worst 2: give 100 or more "
        "for a figure to trust",
    ]
    assert summarise(make_episodes(np.ones((2, 100))), [0, 1])["notes"] == []
    alone = summarise(make_episodes(np.ones((1, 20))), [0])
    assert len(alone["notes"]) == 1


def test_a_score_of_another_horizon_is_told():
    episodes = make_episodes(np.ones((2, 100)), horizon=200)
    (note,) = summarise(episodes, [0, 1], reference=(0.0, 1.0))["notes"]
    assert note.startswith("the normalized score compares 200 steps with penalties")


def test_failed_episodes_are_counted_and_left_out():
    failed = [[False, True], [True, True], [False, False]]
    episodes = make_episodes([[1, 99], [99, 99], [3, 5]], failed)
    summary = summarise(episodes, [5, 6, 7], level=1.0)
    assert summary["mean"]["value"] == 3.0
    assert summary["per_seed_cvar"]["value"] == 2.5  # (1 + 4) / 2
    assert summary["num_failed"] == 3
    assert summary["notes"][0].startswith("3 of 6 episodes failed")
    assert summary["notes"][0].endswith("left out: seed 5 (1), seed 6 (2)")


def test_a_population_of_which_all_failed():
    episodes = make_episodes(np.ones((2, 3)), np.ones((2, 3), bool))
    summary = summarise(episodes, [0, 1], reference=(0.0, 1.0))
    assert summary["mean"] == {"value": None, "low": None, "high": None}
    assert summary["risky_share"]["value"] is None
    assert summary["notes"][-1] == "every episode failed: there is no figure to tell"
    json.dumps(summary, allow_nan=False)


def test_what_a_summary_refuses():
    episodes = make_episodes(np.ones((2, 3)))
    with pytest.raises(InputError, match="3 seeds for 2 agents"):
        summarise(episodes, [0, 1, 2])
    with pytest.raises(InputError, match="level is 0"):
        summarise(episodes, [0, 1], level=0.0)
