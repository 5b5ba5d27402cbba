"""The benchmark of evaluation: a tiny run."""

import json
from types import SimpleNamespace

import pytest

from benchmarks import evaluation


def test_a_tiny_run_is_recorded_and_printed(tmp_path, monkeypatch, capsys):
    short = SimpleNamespace(name="halfcheetah-medium-expert", horizon=5)
    monkeypatch.setattr(evaluation, "find_task", lambda _: short)
    out = tmp_path / "found.json"
    words = f"--agents 2 --episodes 2 --threads 1 --repeats 1 --out {out}"
    evaluation.main(words.split())
    record = json.loads(out.read_text())
    assert (record["agents"], record["episodes"], record["horizon"]) == (2, 2, 5)
    plain, row = record["rows"]
    assert (plain["way"], row["way"]) == ("gymnasium", "batches, threads: 1")
    assert plain["times_as_fast"] == 1.0
    assert row["times_as_fast"] == pytest.approx(plain["wall_s"] / row["wall_s"])
    assert row["steps_per_s"] == pytest.approx(2 * 2 * 5 / row["wall_s"])
    assert 0.0 < row["simulator_share"] < 1.0
    assert row["policy_share"] == 1.0 - row["simulator_share"]
    assert f"{row['simulator_share']:.0%}" in capsys.readouterr().out
