"""The benchmark of coverage: its laws, its measurements and its record."""

import json
from pathlib import Path

import numpy as np
import pytest

import ramac_jax as rj
from benchmarks.coverage import command as coverage
from benchmarks.coverage.laws import LAWS, middles
from ramac_jax.evaluation import Interval, cvar

NAN = float("nan")
TRUTH = {"normal": -1.754983, "left-skewed": -1.0 - np.log(10.0), "two points": -0.5}


@pytest.mark.parametrize("name", TRUTH)
def test_the_law_of_the_middle_seed_has_its_closed_form(name):
    returns = LAWS[name](middles(100_000), np.array(0.5))
    assert cvar(returns, 0.1) == pytest.approx(TRUTH[name], abs=1e-3)


def test_a_robot_falls_as_often_as_its_seed_says():
    fraction = middles(10_000)
    for seed, share in ((0.5, 0.06), (0.1, 0.012)):
        returns = LAWS["hopper"](fraction, np.array(seed))
        assert np.mean(returns < 250) == pytest.approx(share, abs=0.004)
        assert np.mean(returns > 900) == pytest.approx(0.76 - share, abs=0.004)
    rare = LAWS["rare falls"](fraction, np.array(0.5))
    assert np.mean(rare < 900) == pytest.approx(0.03, abs=0.001)


def test_what_an_interval_misses_is_counted_on_its_side():
    bounds = [(0.0, 2.0), (1.5, 2.0), (0.0, 0.5), (1.0, 1.0), (NAN, NAN)]
    found = coverage.measured([Interval(1.0, *x) for x in bounds], 1.0)
    assert found == pytest.approx(
        {
            "unknown": 0.2,
            "coverage": 0.5,
            "truth_below": 0.25,
            "truth_above": 0.25,
            "width": 0.5,
        }
    )
    nothing = coverage.measured([Interval(1.0, NAN, NAN)], 1.0)
    assert nothing == {"unknown": 1.0, "coverage": None}


def test_the_interval_covers_what_the_percentile_bootstrap_does_not():
    asked = coverage.Arguments(
        laws=("normal", "hopper"), episodes=(100,), seeds=(1,), trials=400
    )
    for row in coverage.measure(asked):
        assert row["coverage"] > 0.93
        assert row["percentile_bootstrap"] < 0.93
        assert abs(row["bias"]) < 0.5 * row["uncorrected_bias"]


def test_the_mean_over_many_seeds_is_covered_with_the_correction_alone():
    asked = coverage.Arguments(
        laws=("hopper",), episodes=(20,), seeds=(20,), trials=200
    )
    pooled, per_seed, over_seeds = coverage.measure(asked)
    assert min(x["coverage"] for x in (pooled, per_seed, over_seeds)) > 0.93
    assert over_seeds["uncorrected"] < 0.9


def test_the_record_agrees_with_the_table(tmp_path, capsys):
    out = tmp_path / "new" / "found.json"
    words = "--laws normal --episodes 10 30 --seeds 1 3 --trials 20"
    coverage.main([*words.split(), "--out", str(out)])
    record = json.loads(out.read_text())
    printed = " ".join(capsys.readouterr().out.split())
    kinds = ("pooled, over episodes", "per seed, over episodes", "per seed, over seeds")
    assert list(dict.fromkeys(x["interval"] for x in record["rows"])) == list(kinds)
    for kind in kinds:
        assert f"CVaR_0.1 {kind}" in printed
    assert len(record["rows"]) == 2 * 1 + 2 * 3
    first = record["rows"][0]
    assert (first["law"], first["seeds"], first["episodes"]) == ("normal", 1, 10)
    assert (first["unknown"], first["coverage"]) == (1.0, None)
    assert (record["trials"], record["level"]) == (20, 0.1)
    assert record["git_commit"] and record["versions"]["jax"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--laws cauchy", "unknown law 'cauchy'"),
        ("--laws", "--laws has no value"),
        ("--episodes 0", "--episodes holds 0: give 1 or more"),
        ("--seeds 3 0", "--seeds holds 0: give 1 or more"),
        ("--trials 0", "--trials is 0: give 1 or more"),
        ("--level 0", "--level is 0: give one above 0 and at most 1"),
        ("--out /dev/null/x.json", "cannot write to /dev/null"),
    ],
)
def test_bad_options_are_refused_before_the_measurement(words, message, monkeypatch):
    monkeypatch.setattr(
        coverage, "measure", lambda *_: pytest.fail("it starts the measurement")
    )
    with pytest.raises(rj.InputError, match=message) as caught:
        coverage.main(words.split())
    assert "\n" not in str(caught.value)


def test_the_recorded_coverage_is_that_of_the_guide():
    """From 100 episodes on, intervals over episodes hold in 93 % or more."""
    root = Path(__file__).parents[2]
    record = json.loads((root / "benchmarks/results/coverage.json").read_text())
    rows = record["rows"]
    enough = [
        row["coverage"]
        for row in rows
        if row["episodes"] >= 100 and row["interval"] != "per seed, over seeds"
    ]
    assert len(enough) == len(LAWS) * (5 + 4) * 2 and min(enough) >= 0.93
    guide = (root / "docs/guides/evaluation.md").read_text()
    for law in LAWS:
        alone = [x for x in rows if (x["law"], x["seeds"]) == (law, 1)]
        cells = [f"{100 * x['coverage']:.0f}" for x in alone]
        cells.append(f"{100 * alone[2]['percentile_bootstrap']:.0f}")
        assert f"| {law} | {' | '.join(cells)} |" in guide
