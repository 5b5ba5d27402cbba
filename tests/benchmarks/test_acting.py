"""The benchmark of single actions."""

import json

import pytest

import ramac_jax as rj
from benchmarks import acting


def test_every_way_is_timed_and_the_deadline_is_counted(tmp_path, monkeypatch, capsys):
    options = {"num_steps": 2, "widths": (8,)}
    monkeypatch.setattr(acting, "AGENTS", {"rafmac": ("flow", options)})
    critic = {"low": -1.0, "high": 1.0, "widths": (8, 8), "num_atoms": 5}
    monkeypatch.setattr(acting, "CRITIC", acting.CRITIC._replace(options=critic))
    words = "--batches 1 3 --calls 3 --rounds 2 --candidates 2 --control-actions 4"
    acting.main([*words.split(), "--out", str(tmp_path / "acting.json")])
    assert "microseconds of a call" in capsys.readouterr().out
    rows = json.loads((tmp_path / "acting.json").read_text())["rows"]
    assert [(x["batch"], x["way"]) for x in rows[:4]] == [
        (1, "JAX"),
        (1, "StableHLO"),
        (1, "ONNX Runtime"),
        (3, "JAX"),
    ]
    assert [x["calls"] for x in rows] == [6] * 6 + [4] * 3
    assert all(0 < x["median_us"] <= x["p99_us"] for x in rows)
    assert {x["candidates"] for x in rows[6:]} == {2}
    assert all(0 <= x["share_within_deadline"] <= 1 for x in rows[6:])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--calls 0", "--calls is 0: give 1 or more"),
        ("--batches 0", "--batches holds 0: give 1 or more"),
        ("--control-actions 0", "--control-actions is 0: give 1 or more"),
    ],
)
def test_bad_options_are_refused(words, message):
    with pytest.raises(rj.InputError, match=message):
        acting.main(words.split())
