"""The benchmark of reading, relabelling and moving data measures plausible values."""

import json
import multiprocessing.pool
import sys
from types import SimpleNamespace

import pytest

from benchmarks import data

STEPS = 20_000
pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux reports the memory"
)


def pool_of_threads(processes, initializer, maxtasksperchild):
    """Replaces fresh processes, each of which imports JAX for seconds."""
    return multiprocessing.pool.ThreadPool(processes, initializer)


def test_every_part_is_reported_with_a_rate(tmp_path, monkeypatch, capsys):
    context = SimpleNamespace(Pool=pool_of_threads)
    monkeypatch.setattr("multiprocessing.get_context", lambda method: context)
    out = tmp_path / "data.json"
    data.main(["--steps", str(STEPS), "--repeats", "1", "--out", str(out)])
    printed, found = capsys.readouterr().out, json.loads(out.read_text())
    assert found["steps"] == STEPS
    for part in data.PARTS:
        assert part in printed
        measured = found[part]
        assert measured.get("seconds", 1.0) > 0.0
        assert measured.get("transitions_per_s", 1.0) > 0.0
        # Not above 0 where this process held as much in an earlier test.
        assert measured["peak_bytes"] >= 0 and measured["peak_over_arrays"] >= 0.0


def test_the_peak_of_a_fresh_process_holds_the_arrays_at_least():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        measured = pool.apply(data.measure_charging, [STEPS, 1])
    assert measured["transitions_per_s"] > 0.0
    assert measured["peak_over_arrays"] > 1.0
    assert measured["peak_bytes"] > STEPS * data.STEP_BYTES
