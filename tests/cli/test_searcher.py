"""The rungs of a search, its agents made up."""

import csv
import functools
from types import SimpleNamespace

import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.cli.options import sweep as sweep_options
from ramac_jax.cli.runs import searcher
from ramac_jax.cli.runs.results import write_rows
from ramac_jax.cli.runs.search import make_search
from ramac_jax.cli.runs.training import Compiled, training_plan
from ramac_jax.cli.runs.tried import Tried, ranking
from ramac_jax.evaluation import Episodes
from ramac_jax.population import Callbacks, History, Trained

# setting -> updates -> mean return of seed 10; each later seed has 1 more.
MADE_UP = {
    0: {1: 1.0},
    1: {1: 6.0, 3: 50.0},
    2: {1: np.nan},
    3: {1: 2.0, 3: 70.0},
    4: {1: 7.0, 3: 60.0},
    5: {1: 99.0},  # diverged
}
SPREAD = {0: 0.0, 1: 0.5, 2: 0.0, 3: 0.0, 4: 20.0, 5: 0.0}  # so the worst is below


class Scene:
    """Makes agents up: what they return stands in a table; and keeps what was asked."""

    def __init__(self):
        self.trained, self.played = [], []

    def train(self, plan, dataset, members, folder, callbacks, initial, **others):
        num_steps = plan.schedule.num_steps
        start, states = (0, None) if initial is None else (initial.step, initial.states)
        folder.mkdir(parents=True, exist_ok=True)
        settings, who = np.unique(members.setting), (members.setting, members.seed)
        self.trained.append(
            (plan.schedule.batch_size, settings.tolist(), start, num_steps)
        )
        rates = members.hyperparams.actor_learning_rate
        np.testing.assert_array_equal(rates, 1 + members.setting % 3)
        assert (states is None) == (start == 0)
        if states is not None:
            for found, known in zip(states.actor_params["who"].T, who, strict=True):
                np.testing.assert_array_equal(found, known)
            assert (states.actor_params["steps"] == start).all()
        steps = np.full(len(members.seed), num_steps)
        params = {"who": np.stack(who, axis=1), "steps": steps}
        frozen = {
            row: 1
            for row, agent in enumerate(zip(*who, strict=True))
            if agent in ((4, 12), (5, 10))
        }
        history = History({"step": np.array([num_steps])}, {})
        states = rj.State(params, {}, {}, {}, {}, {}, steps)
        return Trained(members, states, history, frozen)

    def play(self, variant, params, numbers, *, progress, **changed):
        """Two episodes each, as far below the table's return as above it.

        The agents of a seed play the same ones, whatever their setting.
        """
        agents = [tuple(x) for x in params.actor["who"].tolist()]
        assert numbers == [seed - 10 for _, seed in agents]
        assert {setting // 3 for setting, _ in agents} == {variant}
        self.played.append((agents, changed))
        worth = [
            (MADE_UP[setting][step] + seed - 10, SPREAD[setting])
            for (setting, seed), step in zip(agents, params.actor["steps"], strict=True)
        ]
        returns = np.array([(mean - reach, mean + reach) for mean, reach in worth])
        ones = np.ones(returns.shape)
        failed = np.isnan(returns)
        return Episodes(ones, returns, ones, ones, ones, returns, failed, ones)

    def searcher(self, out, *words):
        """The search of 3 rates in 2 programs, agents 10 to 12; 2 settings go on."""
        grid = ["actor_learning_rate=1,2,3", "batch_size=4,8"]
        seeds = "--num-seeds 3 --seed 10 --num-steps 3 --selection-episodes 2".split()
        options = ["--out", str(out), "--dataset", "x", *seeds, "--grid", *grid, *words]
        parsed = sweep_options.parse(options)
        evaluators = [
            SimpleNamespace(
                play=functools.partial(self.play, variant),
                callback=lambda members, **changes: Callbacks(),
            )
            for variant in range(2)
        ]
        return searcher.Searcher(
            search=make_search(parsed),
            plan=training_plan(parsed),
            dataset=None,
            evaluators=evaluators,
            eval_episodes=20,
            report=lambda *progress: None,
            out=out,
            compiled=Compiled(),
            steps=[1, 3],
        )


@pytest.fixture
def scene(monkeypatch):
    made_up = Scene()
    monkeypatch.setattr(searcher, "train_members", made_up.train)
    return made_up


def best_two(rung, tried):
    """Keep the best two of the sound settings by the mean of the selecting agents."""
    sound = [x for x in tried if x.is_sound()]
    sound.sort(key=lambda x: -np.mean(x.selection["mean"]))
    return sorted(x.setting for x in sound[:2])


def test_a_search_goes_from_rung_to_rung_by_what_the_selection_plays(scene, tmp_path):
    """By the mean 4 comes before 1 and all others; by the worst episode it is not."""
    searcher = scene.searcher(tmp_path, "--objective", "mean")
    found = searcher.run(best_two)
    assert scene.trained == [
        (4, [0, 1, 2], 0, 1),
        (8, [3, 4, 5], 0, 1),
        (4, [1], 1, 3),
        (8, [4], 1, 3),
    ]
    choosing = {"episodes": 2, "seed": 1_000_000_000}
    assert scene.played == [
        ([(0, 10), (1, 10), (2, 10)], choosing),
        ([(3, 10), (4, 10), (5, 10)], choosing),
        ([(1, 10)], choosing),
        ([(1, 11), (1, 12)], {}),  # as the protocol has it
        ([(4, 10)], choosing),
        ([(4, 11), (4, 12)], {}),
    ]
    selection = searcher.search.selection
    ranked = ranking(found.tried, selection)
    assert [(x.setting, x.chosen_by, x.frozen) for x in ranked] == [
        (4, 60.0, 1),
        (1, 50.0, 0),
    ]
    assert [x.score["mean"].value for x in ranked] == [61.5, 51.5]
    assert [x.score["cvar"].value for x in ranked] == [31.5, 50.75]
    worth = {x.setting: (x.num_steps, *x.worth(selection)) for x in found.tried}
    np.testing.assert_equal(
        worth,
        {
            0: (1, 1.0),
            1: (3, 50.0),
            2: (1, np.nan),
            3: (1, 2.0),
            4: (3, 60.0),
            5: (1, np.nan),  # its selecting agent diverged
        },
    )
    diverged = [x for one in found.tried for x in one.divergences(selection)]
    assert diverged == [
        {"setting": 4, "seed": 12, "step": 1},
        {"setting": 5, "seed": 10, "step": 1},
    ]
    assert [(stage.variant, stage.numbers.tolist()) for stage in found.stages] == [
        (0, [1]),
        (1, [4]),
    ]


def test_the_seeds_that_were_asked_for_select(scene, tmp_path):
    """The CVaR of two episodes is the lower one, less a quarter of their distance."""
    searcher = scene.searcher(tmp_path, "--selection-seeds", "2")
    found = searcher.run(lambda rung, tried: [1, 3])
    assert [agents for agents, _ in scene.played] == [
        [(setting, seed) for setting in (0, 1, 2) for seed in (10, 11)],
        [(setting, seed) for setting in (3, 4, 5) for seed in (10, 11)],
        [(1, 10), (1, 11)],
        [(1, 12)],
        [(3, 10), (3, 11)],
        [(3, 12)],
    ]
    ranked = ranking(found.tried, searcher.search.selection)
    assert [(x.setting, x.chosen_by) for x in ranked] == [(3, 70.5), (1, 49.75)]
    assert found.tried[4].worth(searcher.search.selection) == [-22.5]


def made_up(setting, mean, cvar, risky=0.0, diverged=None):
    figures = {"mean": [mean], "cvar": [cvar], "risky_share": [risky], "failed": [0]}
    return Tried(setting, str(setting), 1, figures, figures, [diverged, None])


def test_the_front_comes_first_and_what_is_not_allowed_last(scene, tmp_path):
    words = ("--objective", "mean,cvar", "--max-risky", "0.5")
    selection = scene.searcher(tmp_path, *words).search.selection
    tried = [
        made_up(0, mean=9.0, cvar=9.0, risky=0.6),
        made_up(1, mean=3.0, cvar=1.0),
        made_up(2, mean=1.0, cvar=3.0, risky=0.5),
        made_up(3, mean=0.9, cvar=2.0),  # below 2
        made_up(4, mean=99.0, cvar=99.0, diverged=1),
    ]
    ranked = ranking(tried, selection)
    assert [x.setting for x in ranked] == [2, 1, 3, 0, 4]


def test_what_another_host_does_not_see_is_played_again_by_all(tmp_path, monkeypatch):
    path = tmp_path / "score.json"
    figures = {"cvar": np.array([[1.5], [np.nan]])}
    made = []

    def make():
        made.append(path)
        return figures

    for seen_by_all, times in [(0.0, 1), (1.0, 1), (0.0, 2)]:
        monkeypatch.setattr(searcher, "agree", lambda values, x=seen_by_all: [x])
        found = searcher.remembered(path, make)
        np.testing.assert_array_equal(found["cvar"], figures["cvar"])
        assert len(made) == times


def test_what_was_played_is_not_played_again(scene, tmp_path):
    """Nor is a rung compared again, which others may have reached since."""
    searcher = scene.searcher(tmp_path)
    first = searcher.run(best_two)
    scene.played.clear()
    again = searcher.run(lambda rung, tried: pytest.fail("compared again"))
    assert scene.played == []
    paths = [tmp_path / "first.csv", tmp_path / "again.csv"]
    for path, found in zip(paths, (first, again), strict=True):
        rows = [r for x in found.tried for r in x.rows(searcher.search.selection)]
        write_rows(path, rows)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with open(paths[0], newline="") as file:
        rows = [x for x in csv.DictReader(file) if x["setting"] == "2"]
    (row,) = rows
    assert (row["setting"], row["mean"], row["failed"]) == ("2", "nan", "2")
