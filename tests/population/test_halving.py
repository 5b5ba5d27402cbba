"""Successive halving of settings that a table scores, and of toy populations."""

import jax
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.evaluation.ranking import rank
from ramac_jax.population import (
    Rung,
    Storage,
    halving_rungs,
    successive_halving,
    train_population,
    train_rungs,
)
from tests.population import toy

pytestmark = pytest.mark.usefixtures("compiled_once")
SCORES = np.array([[1.0, 2.0], [6.0, 6.0], [9.0, np.nan], [5.0, 8.0], [0.0, 0.0]])
SEEDS = [7, 8]


@pytest.fixture(scope="module")
def settings():
    return rj.grid(rj.Hyperparams(), actor_learning_rate=[1e-3, 2e-3, 3e-3, 4e-3, 1e30])


def search(settings, score, rungs=None, folder=None, **options):
    rungs = halving_rungs(5, 8, 2) if rungs is None else rungs

    def train(index, members, start):
        assert index == 0 or start.step == rungs[index - 1].num_steps
        schedule = toy.SCHEDULE._replace(
            num_steps=rungs[index].num_steps, eval_every=None, log_every=2
        )
        storage = None
        if folder is not None:
            storage = Storage(folder=folder / f"rung-{index}")
        return train_population(
            toy.AGENT, toy.DATASET, members, schedule, start=start, storage=storage
        )

    return train_rungs(train, score, settings, SEEDS, rungs, **options)


def test_each_rung_trains_the_best_settings_of_the_rung_before():
    table = {0: [3.0, 0.0], 1: [1.0, 0.0], 2: [5.0, 1.0], 3: [4.0, 2.0], 4: [2.0, 0.0]}
    calls = []

    def train(index, numbers, before):
        calls.append((index, numbers.tolist(), before))
        return f"result of rung {index}"

    def order(index, numbers, result):
        assert result == f"result of rung {index}"
        scores = np.array([table[number][index] for number in numbers.tolist()])
        labels = {number: str(number) for number in numbers.tolist()}
        return rank(labels, scores[:, None], {}, np.zeros((len(numbers), 1)))

    rungs = [Rung(5, 10), Rung(2, 20)]
    halved = successive_halving(rungs, train, order)
    assert calls == [(0, [0, 1, 2, 3, 4], None), (1, [2, 3], "result of rung 0")]
    assert halved.trained == "result of rung 1"
    assert [(x.setting, x.chosen_by) for x in halved.ranked] == [(3, 2.0), (2, 1.0)]
    eliminated = [
        (x.rung, x.ranked.setting, x.ranked.chosen_by) for x in halved.eliminated
    ]
    assert eliminated == [(rungs[0], 0, 3.0), (rungs[0], 4, 2.0), (rungs[0], 1, 1.0)]


def test_the_best_settings_resume_from_their_states(settings, close, tmp_path):
    seen = []

    def score(trained):
        members = trained.members
        seen.append((members.setting.tolist(), sorted(trained.frozen)))
        assert members.seed.tolist() == SEEDS * (len(members.seed) // 2)
        high = np.where(members.setting == 4, 99.0, 0.0)  # diverged: never the best
        return high + SCORES[members.setting, members.seed - 7]

    found = search(settings, score, folder=tmp_path)
    # (5, 2), (2, 4), (1, 8): by the means 6.5 of 3 and 6 of 1, then 3 alone.
    assert seen == [([0, 0, 1, 1, 2, 2, 3, 3, 4, 4], [8, 9]), ([1, 1, 3, 3], [])]
    assert found.members.setting.tolist() == [3, 3]
    alone = train_population(
        toy.AGENT,
        toy.DATASET,
        found.members,
        toy.SCHEDULE._replace(eval_every=None, num_steps=8),
    )
    close(found.states, alone.states, 1e-5, 1e-4)
    again = search(settings, score, folder=tmp_path)
    jax.tree.map(np.testing.assert_array_equal, found.states, again.states)
    assert {x.name for x in tmp_path.iterdir()} == {"rung-0", "rung-1", "rung-2"}


def test_only_the_selection_seeds_select(settings):
    seen = []

    def score(trained):
        seen.append(trained.members.setting.tolist())
        by_seed_7 = np.where(trained.members.seed == 7, trained.members.setting, np.nan)
        return np.where(trained.members.setting == 4, 99.0, by_seed_7)  # 4 diverged

    found = search(settings, score, selection_seeds=1)
    assert seen[1] == [2, 2, 3, 3]
    assert found.members.setting.tolist() == [3, 3]
    for count in (0, 3):
        with pytest.raises(rj.InputError, match=f"selection_seeds is {count} of 2"):
            search(settings, score, selection_seeds=count)


@pytest.mark.parametrize(
    ("rungs", "message"),
    [
        ([], "do not start with all 5 settings"),
        ([Rung(4, 2), Rung(1, 4)], "do not start with all 5 settings"),
        ([Rung(5, 2), Rung(0, 4)], "at least one setting"),
        ([Rung(5, 2), Rung(2, 4), Rung(3, 8)], "no more settings than the one before"),
        ([Rung(5, 2), Rung(2, 2)], "more updates"),
    ],
)
def test_rungs_that_do_not_narrow_are_refused_before_training(settings, rungs, message):
    with pytest.raises(rj.InputError, match=message):
        search(settings, None, rungs)


def test_halving_without_a_rung_is_refused():
    with pytest.raises(rj.InputError, match="there is no rung"):
        successive_halving([], None, None)


def test_a_single_rung_trains_and_scores_nothing():
    one = search(rj.Hyperparams(actor_learning_rate=1e-3), None, [Rung(1, 2)])
    assert one.states.step.tolist() == [2, 2]


def test_scores_of_another_shape_are_refused(settings):
    with pytest.raises(rj.InputError, match=r"returned shape \[3\].*of 10 members"):
        search(settings, lambda trained: np.zeros(3), [Rung(5, 2), Rung(1, 4)])
