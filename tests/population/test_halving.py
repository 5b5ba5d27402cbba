"""Successive halving as one call."""

import jax
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.population import Rung, halving, train_population, train_rungs

pytestmark = pytest.mark.usefixtures("compiled_once")
WORTH = np.array([[1.0, 2.0], [6.0, 6.0], [9.0, np.nan], [5.0, 8.0], [0.0, 0.0]])
SEEDS = [7, 8]


@pytest.fixture(scope="module")
def settings():
    return rj.grid(rj.Hyperparams(), actor_learning_rate=[1e-3, 2e-3, 3e-3, 4e-3, 1e30])


def search(toy, settings, score, rungs=None, **options):
    rungs = halving(5, 8, 2) if rungs is None else rungs
    schedule = toy.SCHEDULE._replace(watch_every=None, log_every=2, bc_steps=0)
    return train_rungs(
        toy.AGENT, toy.DATASET, settings, SEEDS, rungs, schedule, score, **options
    )


def test_the_best_settings_go_on_from_where_they_were(toy, settings, close, tmp_path):
    seen = []

    def score(trained):
        members = trained.members
        seen.append((members.setting.tolist(), sorted(trained.frozen)))
        assert members.seed.tolist() == SEEDS * (len(members.seed) // 2)
        worth = np.where(members.setting == 4, 99.0, 0.0)  # it diverged: never the best
        return worth + WORTH[members.setting, members.seed - 7]

    found = search(toy, settings, score, folder=tmp_path)
    # (5, 2), (2, 4), (1, 8): by the means 6.5 of 3 and 6 of 1, then 3 alone.
    assert seen == [([0, 0, 1, 1, 2, 2, 3, 3, 4, 4], [8, 9]), ([1, 1, 3, 3], [])]
    assert found.members.setting.tolist() == [3, 3]
    alone = train_population(
        toy.AGENT,
        toy.DATASET,
        found.members,
        toy.SCHEDULE._replace(watch_every=None, num_steps=8, bc_steps=0),
    )
    close(found.states, alone.states, 1e-5, 1e-4)
    again = search(toy, settings, score, folder=tmp_path)
    jax.tree.map(np.testing.assert_array_equal, found.states, again.states)
    assert {x.name for x in tmp_path.iterdir()} == {"rung-0", "rung-1", "rung-2"}


def test_the_first_seeds_alone_choose(toy, settings):
    seen = []

    def score(trained):
        seen.append(trained.members.setting.tolist())
        worth = np.where(trained.members.seed == 7, trained.members.setting, np.nan)
        return np.where(trained.members.setting == 4, 99.0, worth)  # it diverged

    found = search(toy, settings, score, selection_seeds=1)
    assert seen[1] == [2, 2, 3, 3]
    assert found.members.setting.tolist() == [3, 3]
    for count in (0, 3):
        with pytest.raises(rj.InputError, match=f"selection_seeds is {count} of 2"):
            search(toy, settings, score, selection_seeds=count)


@pytest.mark.parametrize(
    ("rungs", "message"),
    [
        ([], "do not begin with all 5 settings"),
        ([Rung(4, 2), Rung(1, 4)], "do not begin with all 5 settings"),
        ([Rung(5, 2), Rung(0, 4)], "one at least"),
        ([Rung(5, 2), Rung(2, 4), Rung(3, 8)], "fewer settings"),
        ([Rung(5, 2), Rung(2, 2)], "more updates"),
    ],
)
def test_rungs_that_are_none_are_refused_before_training(toy, settings, rungs, message):
    with pytest.raises(rj.InputError, match=message):
        search(toy, settings, None, rungs)


def test_one_setting_is_a_rung(toy):
    one = search(toy, rj.Hyperparams(actor_learning_rate=1e-3), None, [Rung(1, 2)])
    assert one.states.step.tolist() == [2, 2]


def test_a_worth_of_another_size_is_refused(toy, settings):
    with pytest.raises(rj.InputError, match=r"worth gave shape \[3\].*of 10 members"):
        search(toy, settings, lambda trained: np.zeros(3), [Rung(5, 2), Rung(1, 4)])
