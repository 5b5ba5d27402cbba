"""The ranking of settings whose figures are known."""

import json

import numpy as np
import pytest
from rich.console import Console

from experiments import ranking
from ramac_jax import InputError

NAN, INF = float("nan"), float("inf")


def ranked(selection, scores=None, frozen=None, by="cvar", numbers=None):
    """Rank rows of one measure; the other selection measure is its opposite."""
    selection = np.array(selection, float)
    scores = np.zeros((len(selection), 2)) if scores is None else np.array(scores)
    if frozen is None:
        frozen = np.zeros((len(selection), 4), bool)
    other = {"cvar": "mean", "mean": "cvar"}.get(by, "mean")
    return ranking.rank(
        {number: f"x={number}" for number in numbers or range(len(selection))},
        {by: selection, other: -selection},
        {"cvar": scores, "mean": scores + 1.0, "risky_share": scores / 100.0},
        np.array(frozen),
        by,
    )


def order(*args, **options):
    return [entry.setting for entry in ranked(*args, **options)]


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
def test_an_interval_is_students(values, mean, reach):
    expected = (mean, mean - reach, mean + reach)
    found = ranking.mean_interval(np.array(values, np.float32))
    assert found == pytest.approx(expected, rel=1e-5, nan_ok=True)


@pytest.mark.parametrize("by", ["cvar", "mean"])
def test_the_best_mean_of_the_selection_comes_first(by):
    rows = [[0.0, 4.0], [3.0, 3.0], [-9.0, 1.0]]
    assert order(rows, by=by) == [1, 0, 2]
    assert [entry.chosen_by for entry in ranked(rows, by=by)] == [3.0, 2.0, -4.0]


def test_ties_go_to_the_lower_number_whatever_the_order_of_the_rows():
    rows = [[1.0, 3.0], [5.0, 5.0], [2.0, 2.0]]
    assert order(rows, numbers=[8, 4, 6]) == [4, 6, 8]


def test_a_failed_or_diverged_selection_agent_ranks_below_every_sound_setting():
    rows = [[9.0, NAN], [1.0, 1.0], [NAN, NAN], [8.0, 8.0], [7.0, INF], [2.0, 2.0]]
    frozen = np.zeros((6, 4), bool)
    frozen[3, 1] = True
    # Sound: 5, 1. Then by the mean of what is finite: 9, 8, 7, and nothing at all.
    found = ranked(rows, frozen=frozen)
    assert [entry.setting for entry in found] == [5, 1, 0, 3, 4, 2]
    assert [entry.chosen_by for entry in found[2:5]] == [9.0, 8.0, 7.0]
    assert np.isnan(found[5].chosen_by)


def test_the_scoring_agents_have_no_say_in_the_order():
    rows = [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]
    scores = [[99.0, 99.0], [NAN, NAN], [-99.0, NAN]]
    frozen = np.zeros((3, 4), bool)
    frozen[2, 2:] = True
    found = ranked(rows, scores, frozen)
    assert [entry.setting for entry in found] == [2, 1, 0]
    assert [entry.frozen for entry in found] == [2, 0, 0]
    assert [entry.unscored for entry in found] == [1, 2, 0]


def test_the_selection_has_no_say_in_the_scores():
    scores = [[10.0, 30.0], [5.0, NAN]]
    one, other = ([[7.0, 7.0], [1.0, 1.0]], [[-50.0, 3.0], [NAN, 900.0]])
    assert ranked(one, scores)[0].chosen_by != ranked(other, scores)[0].chosen_by
    for entry in (ranked(one, scores)[0], ranked(other, scores)[0]):
        assert entry.setting == 0
        assert entry.score["cvar"] == ranking.mean_interval(np.array([10.0, 30.0]))
        assert entry.score["mean"].value == 21.0
        assert entry.score["risky_share"].value == pytest.approx(0.2)


def test_one_seed_chooses_and_scores():
    (first, _) = ranked([[1.0], [2.0]], [[3.0], [4.0]], [[True], [False]])
    assert (first.setting, first.chosen_by) == (1, 2.0)
    assert first.score["cvar"] == pytest.approx((4.0, NAN, NAN), nan_ok=True)


def test_another_measure_is_refused():
    with pytest.raises(InputError, match="unknown measure 'risky_share': did you mean"):
        ranked([[1.0]], by="risky_share")


def test_the_table_says_what_chose_and_what_it_scored():
    frozen = np.zeros((2, 4), bool)
    frozen[0, 3] = True
    found = ranked([[4.0, 5.0], [400.0, 600.0]], [[1.0, 3.0], [NAN, NAN]], frozen)
    text = ranking.markdown(found, 0.2, "Seeds 0 and 1 chose.")
    head, _, first, second = text.splitlines()[:4]
    assert head == (
        "| rank | setting | selection | CVaR 0.2 | mean | risky steps, % | diverged |"
    )
    assert first == "| 1 | 1: x=1 | 500 | - | - | - | 0 |"
    assert second == (
        "| 2 | 0: x=0 | 4.5 | 2.0 [-10.7, 14.7] | 3.0 [-9.7, 15.7] "
        "| 2.0 [-10.7, 14.7] | 1 |"
    )
    assert "\n\nSeeds 0 and 1 chose.\n\nBrackets: Student's t" in text
    assert text.endswith(
        "\n- Setting 1: its score leaves out 2 of its agents, without "
        "a finite figure.\n"
    )


def test_a_bar_in_a_label_leaves_the_table_whole():
    (entry,) = ranked([[1.0]])
    row = ranking.markdown([entry._replace(label="a|b")], 0.1, "").splitlines()[2]
    assert r"| 0: a\|b |" in row


def printed(table, width):
    console = Console(width=width)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def test_the_terminal_shows_the_first_and_counts_the_rest():
    frozen = np.zeros((5, 4), bool)
    frozen[4, :2] = True
    found = ranked([[5.0], [4.0], [3.0], [2.0], [1.0]], frozen=frozen)
    text = printed(ranking.terminal(found, 0.1, most=3), 100)
    assert [f"x={number}" in text for number in range(5)] == [True] * 3 + [False] * 2
    assert text.rstrip().endswith("and 2 more")
    text = printed(ranking.terminal(found, 0.1), 100)
    assert "4: x=4 (2 diverged)" in text
    assert "more" not in text


def test_a_narrow_terminal_loses_no_letter_of_a_label():
    label = "risk_weight=0.3 [bold] actor_learning_rate=0.000313"
    (entry,) = ranked([[1234.0]], [[1000.0, 1001.0]])
    text = printed(ranking.terminal([entry._replace(label=label)], 0.1), 80)
    rows = [line.split("│") for line in text.splitlines() if line.startswith("│")]
    assert "".join(row[1] for row in rows).replace(" ", "") == (
        "0:" + label.replace(" ", "")
    )
    assert [row[3].strip() for row in rows[:2]] == ["1000", "[994, 1007]"]


def test_the_record_is_strict_json():
    found = ranked([[NAN], [2.0]], [[NAN, NAN], [3.0, NAN]])
    first, second = json.loads(json.dumps(ranking.to_json(found), allow_nan=False))
    assert first["score"]["mean"] == {"value": 4.0, "low": None, "high": None}
    assert second["score"]["cvar"] == dict.fromkeys(("value", "low", "high"))
    del first["score"], second["score"]
    common = {"frozen": 0}
    assert first == common | {
        "setting": 1,
        "label": "x=1",
        "chosen_by": 2.0,
        "unscored": 1,
    }
    assert second == common | {
        "setting": 0,
        "label": "x=0",
        "chosen_by": None,
        "unscored": 2,
    }
