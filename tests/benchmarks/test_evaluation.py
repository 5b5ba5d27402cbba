"""The benchmark of evaluation: a tiny run."""

import json
from types import SimpleNamespace

import pytest

from benchmarks import evaluation


def test_a_tiny_run_is_recorded_and_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(evaluation, "find_task", lambda _: SimpleNamespace(horizon=5))
    out = tmp_path / "found.json"
    words = f"--agents 2 --episodes 2 --workers 0 --repeats 1 --out {out}"
    evaluation.main(words.split())
    record = json.loads(out.read_text())
    assert (record["agents"], record["episodes"], record["horizon"]) == (2, 2, 5)
    (row,) = record["rows"]
    assert row["workers"] == 0
    assert row["steps_per_s"] == pytest.approx(2 * 2 * 5 / row["wall_s"])
    assert 0.0 < row["simulator_share"] < 1.0
    assert row["policy_share"] == 1.0 - row["simulator_share"]
    assert f"{row['simulator_share']:.0%}" in capsys.readouterr().out
