"""The benchmark of detectors: a tiny run."""

import json

import numpy as np

from benchmarks import ood


def test_actions_follow_the_observation():
    steps = ood.make_steps(500, seed=0)
    noise = np.arctanh(steps.action) - steps.observation[:, : steps.action.shape[1]]
    np.testing.assert_allclose(noise.std(), 0.1, rtol=0.1)


def test_a_tiny_run_is_recorded_and_printed(tmp_path, capsys):
    out = tmp_path / "found.json"
    words = "--num-data 300 --num-queries 100 --num-neighbours 10 --repeats 1"
    ood.main([*words.split(), "--out", str(out)])
    record = json.loads(out.read_text())
    assert (record["num_data"], record["num_queries"]) == (300, 100)
    assert set(record["detectors"]) == {"nearest", "density"}
    printed = capsys.readouterr().out
    for row in record["detectors"].values():
        assert row["seconds"] > 0.0
        for rate in (row["false_positive_rate"], row["flagged_of_fresh_data"]):
            assert 0.0 <= rate < 0.2 and f"{rate:.2%}" in printed
