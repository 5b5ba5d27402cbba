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


def test_a_tail_of_few_episodes_is_noted():
    few = summarise(make_episodes(np.ones((2, 20))), [0, 1])
    assert few["normalized_score"]["value"] is None
    assert few["notes"] == [
        "pooled CVaR_0.1 of 40 episodes is the mean of the worst 4: give 100 or more "
        "for a reliable figure",
        "per-seed CVaR_0.1 of 20 episodes is the mean of the worst 2: give 100 or more "
        "for a reliable figure",
    ]
    assert summarise(make_episodes(np.ones((2, 100))), [0, 1])["notes"] == []
    alone = summarise(make_episodes(np.ones((1, 20))), [0])
    assert len(alone["notes"]) == 1


def test_a_score_of_another_horizon_is_noted():
    episodes = make_episodes(np.ones((2, 100)), horizon=200)
    (note,) = summarise(episodes, [0, 1], reference=(0.0, 1.0))["notes"]
    assert note.startswith(
        "the normalized score compares 200 steps to references of 1000 steps: "
    )
    charged = episodes._replace(penalties=-np.ones((2, 100)))
    (note,) = summarise(charged, [0, 1], reference=(0.0, 1.0))["notes"]
    assert "200 steps with penalties to references of 1000 steps without:" in note


@pytest.mark.parametrize("known", [200, None])
def test_a_score_of_the_references_own_horizon_is_not_noted(known):
    episodes = make_episodes(np.ones((2, 100)), horizon=200)
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
