"""The benchmark of stalls: its sums, a tiny run and its errors; no timings."""

import json
import math
import threading
from types import SimpleNamespace

import jax
import numpy as np
import pytest

import ramac_jax as rj
from benchmarks.stalls import command, runs
from benchmarks.stalls.runs import Run, overlap
from ramac_jax.acting import ActingParams
from tests.benchmarks.tiny import TINIEST

pytestmark = pytest.mark.slow


def test_overlap_is_the_time_in_both_sets_of_intervals():
    evaluations = [(0.0, 2.0), (5.0, 9.0)]
    assert overlap(evaluations, []) == 0.0
    assert overlap(evaluations, [(2.0, 5.0)]) == 0.0
    assert overlap(evaluations, [(-1.0, 10.0)]) == 6.0
    assert overlap(evaluations, [(-1.0, 0.5), (1.0, 6.0), (8.5, 20.0)]) == 3.0


def test_the_summary_has_the_ratio_of_each_turn():
    bare = [
        Run(updates=100, wall_s=10.0),
        Run(updates=100, wall_s=20.0),
        Run(updates=100, wall_s=5.0),
    ]
    full = [
        Run(updates=100, wall_s=20.0, simulator_s=10.0, evaluation_s=20.0, beside_s=5),
        Run(updates=100, wall_s=25.0, simulator_s=0.0, evaluation_s=1.0, beside_s=1),
        Run(updates=100, wall_s=10.0, simulator_s=5.0, evaluation_s=10.0, beside_s=5),
    ]
    found = command.summarize(bare, full)
    assert found["updates_per_s"] == {
        "bare": {"median": 10.0, "range": [5.0, 20.0]},
        "with_everything": {"median": 5.0, "range": [4.0, 10.0]},
        "apart_from_simulators": {"median": 10.0, "range": [4.0, 20.0]},
    }
    assert found["of_bare"] == {
        "with_everything": {"median": 0.5, "range": [0.5, 0.8]},
        "apart_from_simulators": {"median": 1.0, "range": [0.8, 1.0]},
    }
    assert found["beside_training"] == {"median": 0.5, "range": [0.25, 1.0]}
    assert found["simulator_share"] == {"median": 0.5, "range": [0.0, 0.5]}
    assert found["runs"]["with_everything"][0]["simulator_s"] == 10.0


def test_update_times_are_intervals_of_updates(monkeypatch):
    times = iter([0.0, 10.0, 13.0, 20.0, 21.0])
    monkeypatch.setattr(runs.time, "perf_counter", lambda: next(times))
    updates = runs.UpdateTimes()
    for step, speed in [(0, math.nan), (1, 2.0), (5, 2.0), (9, 4.0), (9, 4.0)]:
        updates(SimpleNamespace(step=step, updates_per_s=speed))
    assert updates.first == (1, 10.0)
    # 4 updates in 2 s, then 4 in 1 s, and 6 s without updates.
    assert updates.spans == [(10.0, 12.0), (13.0, 14.0)]


def test_an_evaluation_plays_every_member_and_records_its_time():
    case, (members, episodes) = TINIEST, (2, 3)
    keys = jax.random.split(jax.random.key(0), members)
    example = np.zeros((1, case.observation_dim)), np.zeros((1, case.action_dim))
    params = jax.vmap(lambda key: case.build_actor().init(key, *example))(keys)
    with runs.TimedEnvironments(command.ENV, horizon=3) as environments:
        sizes = environments.observation_dim, environments.action_dim
        assert sizes == (case.observation_dim, case.action_dim)
        evaluation = runs.TimedEvaluation(case, environments, episodes)
        results = evaluation(5, ActingParams(params), None, threading.Event())
        waited = environments.waited
    assert results["mean"].shape == (members,)
    assert np.isfinite(results["mean"]).all()
    ((start, end),) = evaluation.spans
    assert 0.0 < waited < end - start


def test_a_tiny_run_is_recorded_and_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(command.CASES, "tiny", TINIEST)
    out = tmp_path / "new" / "found.json"
    words = "--case tiny --population 2 --num-steps 4 --eval-every 2 --save-every 2"
    words += f" --episodes 1 --horizon 3 --repeats 1 --out {out}"
    command.main(words.split())
    record = json.loads(out.read_text())
    assert (record["env"], record["num_steps"]) == ("HalfCheetah-v5", 4)
    (bare,), (full,) = (record["runs"][x] for x in ("bare", "with_everything"))
    assert 0 < bare["updates"] < 4 and bare["simulator_s"] == 0.0
    assert 0.0 < full["simulator_s"] < full["evaluation_s"]
    ratio = record["of_bare"]["with_everything"]["median"]
    rates = record["updates_per_s"]
    assert ratio == rates["with_everything"]["median"] / rates["bare"]["median"]
    assert record["git_commit"] and record["device"]
    printed = capsys.readouterr().out
    assert "2 x tiny" in printed and f"{ratio:.1%}" in printed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--repeats", "0"], "--repeats is 0: give 1 or more"),
        (["--num-steps", "1"], "--num-steps is 1: give 2 or more"),
        (["--workers", "-1"], "--workers is -1: give 0 or more"),
        (["--num-steps", "50"], "--eval-every is 5000: give --num-steps 50 or less"),
        (
            ["--num-steps", "50", "--eval-every", "50"],
            "--save-every is 1000: give --num-steps 50 or less",
        ),
        (["--case", "presto"], "presto"),
        (
            ["--case", "bandit-flow"],
            "case bandit-flow has 1 observations and 2 actions: HalfCheetah-v5 needs",
        ),
    ],
)
def test_bad_options_are_refused_before_training(options, message, monkeypatch):
    monkeypatch.setattr(command, "measure", lambda *_: pytest.fail("it starts"))
    with pytest.raises(rj.InputError) as refused:
        command.main(options)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
