"""The ranking of settings whose figures are known."""

import numpy as np
import pytest

from ramac_jax import InputError
from ramac_jax.evaluation import mean_interval, rank

NAN, INF = float("nan"), float("inf")


def ranked(selection, scores=None, frozen=None, numbers=None):
    """Rank the rows; a score is given as it is, and halved."""
    scores = np.zeros((len(selection), 2)) if scores is None else np.array(scores)
    if frozen is None:
        num_seeds = np.shape(selection)[-1] + scores.shape[-1]
        frozen = np.zeros((len(selection), num_seeds), bool)
    return rank(
        {number: f"x={number}" for number in numbers or range(len(selection))},
        np.array(selection, float),
        {"halved": scores / 2.0, "return": scores},
        np.array(frozen),
    )


def order(*args, **options):
    return [entry.setting for entry in ranked(*args, **options)]


def test_the_best_mean_of_the_selection_comes_first():
    rows = [[0.0, 4.0], [3.0, 3.0], [-9.0, 1.0]]
    assert order(rows) == [1, 0, 2]
    assert [entry.chosen_by for entry in ranked(rows)] == [3.0, 2.0, -4.0]


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


def test_the_interval_of_a_share_is_one_of_shares():
    figures = np.array([[0.0, 0.01, 0.3]])
    scores = {"risky_share": figures, "return": figures}
    found = rank({0: "x"}, np.ones((1, 1)), scores, np.zeros((1, 4), bool))[0].score
    assert found["return"].low < 0.0
    assert found["risky_share"] == found["return"]._replace(low=0.0)


def test_held_out_agents_do_not_change_the_order():
    rows = [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]
    scores = [[99.0, 99.0], [NAN, NAN], [-99.0, NAN]]
    frozen = np.zeros((3, 4), bool)
    frozen[2, 2:] = True
    found = ranked(rows, scores, frozen)
    assert [entry.setting for entry in found] == [2, 1, 0]
    assert [entry.frozen for entry in found] == [2, 0, 0]
    assert [entry.unscored for entry in found] == [1, 2, 0]


def test_the_selection_does_not_change_the_scores():
    scores = [[10.0, 30.0], [5.0, NAN]]
    one, other = ([[7.0, 7.0], [1.0, 1.0]], [[-50.0, 3.0], [NAN, 900.0]])
    assert ranked(one, scores)[0].chosen_by != ranked(other, scores)[0].chosen_by
    for entry in (ranked(one, scores)[0], ranked(other, scores)[0]):
        assert entry.setting == 0
        assert entry.score["return"] == mean_interval(np.array([10.0, 30.0]))
        assert entry.score["halved"].value == 10.0


def test_one_seed_both_selects_and_reports():
    (first, _) = ranked([[1.0], [2.0]], [[3.0], [4.0]], [[True], [False]])
    assert (first.setting, first.chosen_by) == (1, 2.0)
    assert first.score["return"] == pytest.approx((4.0, NAN, NAN), nan_ok=True)


def test_an_array_of_another_number_of_settings_is_refused():
    with pytest.raises(InputError, match=r"halved has shape \[1, 2\] for 2 settings"):
        ranked([[1.0], [2.0]], [[1.0, 2.0]])
    with pytest.raises(InputError, match=r"selection has shape \[2\] for 2 settings"):
        ranked([1.0, 2.0])
    with pytest.raises(InputError, match=r"selection has shape \[1, 0\]"):
        ranked([[]])


@pytest.mark.parametrize(("columns", "scores"), [(4, 2), (2, 1), (1, 2), (5, 1)])
def test_seeds_that_neither_select_nor_report_are_refused(columns, scores):
    with pytest.raises(InputError, match=f"{columns} of 4 seeds select") as refused:
        ranked([[1.0] * columns], [[2.0] * scores], np.zeros((1, 4), bool))
    assert f"each score {max(4 - columns, 1)} columns" in str(refused.value)
