"""Sweeps that diverge, have no environment, or are refused."""

import json
import re
import shutil

import jax
import numpy as np
import pytest

from ramac_jax.cli import sweep
from tests.cli.sweeps import (
    FILES,
    GRID,
    ON_PLAIN,
    ON_TASK,
    RATES,
    SEEDS,
    assert_same,
    exit_status,
    read_states,
    record_of,
    table,
    visible,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:minari"),
    pytest.mark.usefixtures("sweep_datasets", "toys"),
]


def test_a_setting_that_diverges_is_reported_and_ranked_last(whole, tmp_path, capsys):
    """In the folder of an earlier sweep, of which nothing is left."""
    out = shutil.copytree(whole, tmp_path / "again")
    grid = ["--grid", "actor_learning_rate=1e30,0.02,0.3", "--overwrite"]
    capsys.readouterr()
    assert exit_status(sweep.main, *ON_TASK, *grid, "--out", str(out)) == 1
    said, record = capsys.readouterr(), record_of(out)
    assert said.err.count("diverged after") == 3
    for seed in (5, 6, 7):
        line = f"warning: setting-0-seed-{seed} diverged after update 0 of training:"
        assert said.err.count(line) == 1
    assert record["diverged"] == [
        {"setting": 0, "seed": seed, "step": 0} for seed in (5, 6, 7)
    ]
    assert record["status"] == "diverged"
    assert [x["frozen"] for x in record["ranking"]] == [0, 0, 3]
    assert record["ranking"][-1]["setting"] == 0
    assert said.out.count("diverged)") == 1
    assert re.search(r"\| 3 \| 0: .* \| 3 \|\n", (out / "report.md").read_text())
    assert record["eliminated"] == []
    assert visible(out) == FILES | {"effect.png"}
    assert {x.name for x in (out / "agents").iterdir()} == {"0"}
    assert json.loads((out / "best" / "run.json").read_text())["status"] == "finished"
    states = read_states(out / "agents" / "0" / "checkpoint")
    assert states["step"].tolist() == [0] * 3 + [6] * 6
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(states))
    chosen = slice(3 * record["ranking"][0]["setting"], None)
    best = jax.tree.map(lambda x: x[chosen][:3], states)
    assert_same(read_states(out / "best" / "checkpoint"), best)
    rungs = read_states(whole / "best" / "checkpoint")  # the same setting, by way of
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a[3:6], b, 1e-5, 1e-6), states, rungs
    )


def test_without_an_environment_members_train_and_are_not_ranked(tmp_path, capsys):
    sweep.main([*ON_PLAIN, *SEEDS, "--grid", RATES, "--out", str(tmp_path)])
    said = capsys.readouterr()
    assert visible(tmp_path) == {"sweep.json", "metrics.csv", "agents"}
    record = record_of(tmp_path)
    assert record["status"] == "finished"
    assert record["selection"] is record["evaluation"] is None
    assert record["ranking"] == record["eliminated"] == []
    assert len(table(tmp_path / "metrics.csv")) == 3 * 3 * 3
    states = read_states(tmp_path / "agents" / "0" / "checkpoint")
    assert states["step"].tolist() == [6] * 9
    for text in (said.out, said.err):
        assert "chosen" not in text and "score" not in text


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([*ON_TASK, "--grid", "risk_wieght=1"], "unknown option 'risk_wieght': did yo"),
        ([*ON_TASK, "--grid", "discount=2"], "discount is 2: it must be at least 0"),
        ([*ON_TASK, "--grid", "risk_weight="], "risk_weight= lacks a value"),
        ([*ON_TASK, "--grid"], "--grid is empty: give NAME=VALUES after it"),
        (ON_TASK, "nothing to search: give --grid or --range"),
        (
            [*ON_TASK, *GRID, "--horizon", "soon"],
            "--horizon is soon: give paper, full or st",
        ),
        (
            [*ON_PLAIN, "--num-steps", "6", "--grid", RATES, "--sampler", "grid"],
            "--sampler learns from the objective in episodes, and the dataset names no",
        ),
        (
            [*ON_TASK, "--grid", "actor=diffusion", "--sampler-steps", "0"],
            "--sampler-steps is 0: give 1 or more",
        ),
    ],
)
def test_bad_input_is_one_line_and_touches_nothing(words, line, tmp_path, capsys):
    assert exit_status(sweep.main, *words, "--out", str(tmp_path / "out")) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"error: {line}")
    assert said.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    out = ("--out", str(tmp_path / "file/out"))
    assert exit_status(sweep.main, *ON_TASK, *GRID, *out) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: cannot ")
    assert said.count("\n") == 1


def test_members_too_large_for_the_memory_leave_nothing_behind(tmp_path, capsys):
    words = [*ON_TASK, "--grid", RATES, "--memory", "1e-6", "--out", str(tmp_path)]
    assert exit_status(sweep.main, *words) == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith("error: one member alone needs ")
    assert visible(tmp_path) == set()
