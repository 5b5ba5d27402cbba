"""The samplers on the risky bandit: expected scores, and searches that are resumed."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

import ramac_jax as rj
from benchmarks.search import bandit as benchmark
from benchmarks.search import command
from ramac_jax.cli.bandit import settings
from ramac_jax.envs import bandit
from ramac_jax.evaluation import cvar

pytestmark = pytest.mark.slow

RESULTS = Path(__file__).parents[2] / "benchmarks/results"
TINY = {"EULER_STEPS": 1, "WIDTHS": (4,), "NARROW": (4,), "NUM_QUANTILES": 2}


def test_the_worth_is_the_cvar_of_many_rewards():
    rng = np.random.default_rng(0)
    mixed = bandit.draw_actions(200_000, rng)
    centre = np.zeros_like(mixed)
    worth = benchmark.exact_cvar(np.stack([mixed, centre]))
    for actions, each in zip([mixed, centre], worth, strict=True):
        rewards = bandit.draw_rewards(actions, rng)
        assert each == pytest.approx(cvar(rewards, 0.1), abs=0.03)
    assert worth[0] < -3.0 and worth[1] > 0.9


def act_by_weight(states, dataset, key, hyperparams):
    """Policies that act in the centre where the weight is 1 or more, or else in 0, 1.

    In the centre the CVaR is known, and nothing else pays.
    """
    weight = np.asarray(hyperparams.risk_weight)[:, None, None]
    shape = (len(weight), benchmark.SCORED + benchmark.EXPECTED, 2)
    return np.broadcast_to(np.where(weight >= 1.0, [0.0, 0.0], [0.0, 0.4]), shape)


def test_a_search_is_worth_what_its_best_policy_is_and_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark.Searches, "act", staticmethod(act_by_weight))
    monkeypatch.setattr(benchmark.Searches, "states", np.zeros(2))
    monkeypatch.setattr(benchmark.Searches, "dataset", None)

    def run(name):
        words = ["--trials", "8", "--batch", "4", "--repetitions", "2"]
        words += ["--folder", str(tmp_path / "kept"), "--out", str(tmp_path / name)]
        benchmark.main(words)
        return json.loads((tmp_path / name).read_text())["rows"]

    rows = run("first.json")
    assert [x["sampler"] for x in rows] == ["random", "tpe"]
    known = bandit.cvar_of_shares(0.0, 1.0, 0.1)
    for row in rows:
        assert row["batches"]["best"] == pytest.approx(known)
        assert row["loss_of_batches"] == pytest.approx(0.0)

    def trains_again(self, seed, round_):
        raise AssertionError("a finished search asks for nothing")

    monkeypatch.setattr(benchmark.Searches, "score", trains_again)
    assert run("again.json") == rows


def test_each_policy_learns_by_its_own_setting(tmp_path, monkeypatch):
    """Without a learning rate it stays as it is."""
    for size, value in TINY.items():
        monkeypatch.setattr(settings, size, value)
    options = benchmark.Arguments(repetitions=1, risk_steps=3)
    searches = benchmark.Searches(options, tmp_path)
    key, observation = jax.random.key(0), jax.numpy.zeros((64, 1))
    dataset = rj.Transition(
        observation=observation,
        action=jax.numpy.zeros((64, 2)),
        reward=jax.numpy.ones(64),
        next_observation=observation,
        terminated=jax.numpy.ones(64),
    )
    state = searches.agent.init(key, dataset)
    base = settings.POLICIES._replace(decay_steps=3.0, risk_ramp=0.0)
    learning = rj.grid(base, actor_learning_rate=[0.0, 1e-2])
    still, moved = searches.act(state, dataset, key, learning)
    _, act = jax.random.split(key)
    rows = jax.numpy.zeros((benchmark.SCORED + benchmark.EXPECTED, 1))
    np.testing.assert_allclose(still, searches.agent.act(state, rows, act), atol=1e-6)
    assert np.abs(moved - still).max() > 1e-3


def test_bad_steps_are_one_line(tmp_path):
    with pytest.raises(rj.InputError, match="--risk-steps is 0: give 1 or more"):
        benchmark.main(["--risk-steps", "0"])


def test_the_recorded_searches_meet_the_targets_and_are_those_of_the_table():
    """TPE beats random draws, with .6 of their trials; batches cost 10 % at most."""
    record = json.loads((RESULTS / "search-bandit.json").read_text())
    random, tpe = record["rows"]
    assert (record["trials"], record["batch"], record["repetitions"]) == (64, 8, 5)
    assert tpe["batches"]["best"] > random["batches"]["best"]
    assert tpe["batches"]["share"] <= 0.6 * random["batches"]["share"]
    assert tpe["loss_of_batches"] <= 0.1 * tpe["one_by_one"]["best"]
    table = (RESULTS.parent / "README.md").read_text()
    for row in (random, tpe):
        assert f"| bandit | {' | '.join(command.cells(row))} |" in table
