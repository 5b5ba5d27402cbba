"""The benchmark of datasets measures plausible values."""

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
    """Replaces new processes, each of which would import JAX for seconds."""
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
        # 0 where an earlier test of this process needed more memory.
        assert measured["peak_bytes"] >= 0 and measured["peak_over_arrays"] >= 0.0


def test_the_peak_of_a_new_process_exceeds_the_arrays():
    steps = 20 * STEPS  # 67 MB: memory that imports freed before holds little of it
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        measured = pool.apply(data.measure_relabelling, [steps, 1])
    assert measured["transitions_per_s"] > 0.0
    assert measured["peak_over_arrays"] > 1.0
    assert measured["peak_bytes"] > steps * data.STEP_BYTES
