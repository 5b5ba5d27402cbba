"""The benchmark of stalls counts as it says and refuses what cannot be; none times."""

import dataclasses
import math
import threading
from types import SimpleNamespace

import jax
import numpy as np
import pytest

import ramac_jax as rj
from benchmarks import stalls
from benchmarks.stalls import Run


def test_time_is_shared_where_spans_overlap():
    looks = [(0.0, 2.0), (5.0, 9.0)]
    assert stalls.shared(looks, []) == 0.0
    assert stalls.shared(looks, [(2.0, 5.0)]) == 0.0
    assert stalls.shared(looks, [(-1.0, 10.0)]) == 6.0
    assert stalls.shared(looks, [(-1.0, 0.5), (1.0, 6.0), (8.5, 20.0)]) == 3.0


def test_rates_and_ratios_are_of_each_turn():
    bare = [Run(100, 10.0), Run(100, 20.0), Run(100, 5.0)]
    full = [
        Run(100, 20.0, simulator_s=10.0, evaluation_s=20.0, beside_s=5.0),
        Run(100, 25.0, simulator_s=0.0, evaluation_s=1.0, beside_s=1.0),
        Run(100, 10.0, simulator_s=5.0, evaluation_s=10.0, beside_s=5.0),
    ]
    told = stalls.summarise(bare, full)
    assert told["updates_per_s"] == {
        "bare": {"median": 10.0, "range": [5.0, 20.0]},
        "with_everything": {"median": 5.0, "range": [4.0, 10.0]},
        "apart_from_simulators": {"median": 10.0, "range": [4.0, 20.0]},
    }
    assert told["of_bare"] == {
        "with_everything": {"median": 0.5, "range": [0.5, 0.8]},
        "apart_from_simulators": {"median": 1.0, "range": [0.8, 1.0]},
    }
    assert told["beside_training"] == {"median": 0.5, "range": [0.25, 1.0]}
    assert told["simulator_share"] == {"median": 0.5, "range": [0.0, 0.5]}
    assert told["runs"]["with_everything"][0]["simulator_s"] == 10.0


def test_a_clock_notes_when_updates_were_made(monkeypatch):
    times = iter([0.0, 10.0, 13.0, 20.0, 21.0])
    monkeypatch.setattr(stalls.time, "perf_counter", lambda: next(times))
    clock = stalls.Clock()
    for step, speed in [(0, math.nan), (1, 2.0), (5, 2.0), (9, 4.0), (9, 4.0)]:
        clock(SimpleNamespace(step=step, updates_per_s=speed))
    assert clock.first == (1, 10.0)
    # 4 updates at 2 a second, then as many in one, and 6 seconds of something else.
    assert clock.spans == [(10.0, 12.0), (13.0, 14.0)]


def test_the_agents_of_a_case_are_played(monkeypatch):
    case = stalls.CASES["small"]
    actor = rj.diffusion_actor(6, widths=(8,))
    params = jax.vmap(actor.init, in_axes=(0, None, None))(
        jax.random.split(jax.random.key(0), 2), np.zeros((1, 17)), np.zeros((1, 6))
    )
    with stalls.TimedEnvironments(stalls.ENV, horizon=3) as environments:
        player = stalls.Player(case, environments, episodes=2)
        player.policy = dataclasses.replace(player.policy, actor=actor)
        assert (environments.observation_dim, environments.action_dim) == stalls.WIDTHS
        figures = player(5, jax.tree.map(np.asarray, params), None, threading.Event())
        assert environments.waited > 0.0
    assert np.isfinite(figures["mean"]).all() and figures["mean"].shape == (2,)
    ((begin, end),) = player.spans
    assert end > begin


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
def test_what_is_refused(options, message, monkeypatch):
    monkeypatch.delattr(stalls, "measure")
    with pytest.raises(rj.InputError) as refused:
        stalls.main(options)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_is_measured_is_printed(capsys):
    runs = [Run(10, 1.0, 0.25, 0.5, 0.5)]
    options = dataclasses.asdict(stalls.Arguments())
    stalls.print_table(options | stalls.summarise(runs, runs))
    printed = capsys.readouterr().out
    for words in ("13.33", "133.3%", "beside training", "wall - simulator seconds"):
        assert words in printed
