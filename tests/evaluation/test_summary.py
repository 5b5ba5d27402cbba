"""The summary of episodes that are known."""

import json

import numpy as np
import pytest

from ramac_jax import InputError
from ramac_jax.evaluation import Episodes, summarise


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


def test_a_summary_is_that_of_a_table_by_hand():
    episodes = make_episodes([[0, 1, 2, 3], [4, 5, 6, 7]])
    summary = summarise(episodes, [3, 4], level=0.5, reference=(0.0, 10.0))
    values = {k: v["value"] for k, v in summary.items() if isinstance(v, dict)}
    assert values == pytest.approx(
        {
            "mean": 3.5,
            "pooled_cvar": 1.5,  # 0 1 2 3, all of one seed: its resamples are the tail
            "per_seed_cvar": 2.2578125,  # (.5 + 4.5) / 2, less the bias 31/128
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


def test_a_tail_of_few_episodes_is_noted():
    returns = np.arange(200.0).reshape(2, 100)
    few = summarise(make_episodes(returns[:, :20]), [0, 1])
    assert few["normalized_score"]["value"] is None
    assert few["notes"] == [
        "pooled CVaR_0.1 of 40 episodes is of the worst 4, and its interval is not to "
        "be trusted: give 100 or more",
        "per-seed CVaR_0.1 of 20 episodes is of the worst 2, and its interval is not "
        "to be trusted: give 100 or more",
    ]
    assert summarise(make_episodes(returns), [0, 1])["notes"] == []
    alone = summarise(make_episodes(returns[:1, :20]), [0])
    assert len(alone["notes"]) == 1


@pytest.mark.parametrize("num_worse", [0, 11])
def test_a_tail_of_equal_returns_is_noted(num_worse):
    """No interval sees what is too rare to have happened."""
    returns = np.ones((1, 100))
    returns[0, :num_worse] = -5.0
    summary = summarise(make_episodes(returns), [0])
    value = -5.0 if num_worse else 1.0
    assert summary["pooled_cvar"]["high"] >= value >= summary["pooled_cvar"]["low"]
    assert summary["notes"] == [
        "the worst 10 of 100 episodes have the same return: CVaR_0.1 and its interval "
        "do not speak of worse episodes that are too rare to be among them"
    ]


def test_a_tail_of_less_than_two_episodes_has_no_bounds():
    summary = summarise(make_episodes(np.arange(19.0)[None]), [0])
    tail = summary["pooled_cvar"]
    assert (tail["low"], tail["high"]) == (None, None)
    assert tail["value"] < 1 / 19 * 10  # of the worst, and a tenth of the next less
    assert summary["mean"]["low"] is not None


def test_shares_stay_between_0_and_1_and_the_method_is_named():
    episodes = make_episodes([[0.0] * 19 + [4.0]])
    summary = summarise(episodes, [0])
    assert summary["risky_share"]["value"] == pytest.approx(0.02)
    assert summary["risky_share"]["low"] == 0.0
    assert summary["intervals"].startswith("95 % intervals over the episodes")


def test_a_score_of_another_horizon_is_noted():
    episodes = make_episodes(np.arange(200).reshape(2, 100), horizon=200)
    (note,) = summarise(episodes, [0, 1], reference=(0.0, 1.0))["notes"]
    assert note.startswith(
        "the normalized score compares 200 steps to references of 1000 steps: "
    )
    charged = episodes._replace(penalties=-np.ones((2, 100)))
    (note,) = summarise(charged, [0, 1], reference=(0.0, 1.0))["notes"]
    assert "200 steps with penalties to references of 1000 steps without:" in note


@pytest.mark.parametrize("known", [200, None])
def test_a_score_of_the_references_own_horizon_is_not_noted(known):
    episodes = make_episodes(np.arange(200.0).reshape(2, 100), horizon=200)
    options = {"reference": (0.0, 1.0), "reference_horizon": known}
    assert summarise(episodes, [0, 1], **options)["notes"] == []


def test_failed_episodes_are_counted_and_left_out():
    failed = [[False, True], [True, True], [False, False]]
    episodes = make_episodes([[1, 99], [99, 99], [3, 5]], failed)
    summary = summarise(episodes, [5, 6, 7], level=1.0)
    assert summary["mean"]["value"] == 3.0
    assert summary["per_seed_cvar"]["value"] == 2.5  # (1 + 4) / 2
    assert summary["num_failed"] == 3
    assert summary["notes"][0].startswith("3 of 6 episodes failed")
    assert summary["notes"][0].endswith("left out: seed 5 (1), seed 6 (2)")


def test_a_population_whose_episodes_all_failed_has_no_figures():
    episodes = make_episodes(np.ones((2, 3)), np.ones((2, 3), bool))
    summary = summarise(episodes, [0, 1], reference=(0.0, 1.0))
    assert summary["mean"] == {"value": None, "low": None, "high": None}
    assert summary["risky_share"]["value"] is None
    assert summary["notes"][-1] == "every episode failed: there are no figures"
    json.dumps(summary, allow_nan=False)


def test_other_numbers_of_seeds_and_levels_outside_the_unit_interval_are_refused():
    episodes = make_episodes(np.ones((2, 3)))
    with pytest.raises(InputError, match="3 seeds for 2 agents"):
        summarise(episodes, [0, 1, 2])
    with pytest.raises(InputError, match="level is 0"):
        summarise(episodes, [0, 1], level=0.0)
