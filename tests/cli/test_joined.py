"""Comparisons that take rows of other comparisons: `ramac compare --join`."""

import json
import math

import pytest

import ramac_jax as rj
from ramac_jax.cli import compare
from ramac_jax.cli.reporting import comparison
from ramac_jax.cli.runs.comparison import Row
from ramac_jax.cli.runs.joined import check_data, read_joined, row_of
from ramac_jax.evaluation import Interval

TASK, AGENTS = "hopper-medium-expert", ("bc-vae", "radac")
SIZES = ["--num-seeds", "2", "--num-steps", "4", "--bc-steps", "20"]
BASE = ["--tasks", TASK, "--agents", *AGENTS, *SIZES, "--episodes", "3"]


def score(agent, seed):
    return {
        "task": TASK,
        "agent": agent,
        "seed": seed,
        "episodes": 3,
        "mean": 10.0 + seed,
        "cvar_0.1": 5.0,
        "bc_updates": 20,
        "updates": 4,
        "data_sha256": "abc",
    }


def row(agent):
    figures = {"mean": Interval(10.5, 9.0, 12.0), "cvar": Interval(5.0, 4.0, math.nan)}
    scores = [score(agent, 0), score(agent, 1)]
    return Row(TASK, agent, figures, 2, num_episodes=3, scores=scores)


def write(folder, rows, rates=None):
    folder.mkdir(parents=True, exist_ok=True)
    rates = {TASK: {"nearest": 0.06}} if rates is None else rates
    record = {"rows": comparison.to_json(rows), "false_positive_rates": rates}
    (folder / "comparison.json").write_text(json.dumps(record))
    return str(folder)


def test_a_row_is_what_it_was():
    (entry,) = json.loads(json.dumps(comparison.to_json([row("radac")])))
    read = row_of(entry)
    assert math.isnan(read.figures["cvar"].high)
    unknown = {"cvar": Interval(5.0, 4.0, 0.0)}  # NaN equals nothing
    figures = read.figures | unknown
    assert read._replace(figures=figures) == row("radac")._replace(
        figures=row("radac").figures | unknown
    )


def test_two_halves_make_one_table_without_data_or_training(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "none"))
    halves = [write(tmp_path / name, [row(name)]) for name in AGENTS]
    out = tmp_path / "out"
    compare.main([*BASE, "--join", *halves, "--out", str(out)])
    record = json.loads((out / "comparison.json").read_text())
    assert record["rows"] == comparison.to_json([row(name) for name in AGENTS])
    assert record["false_positive_rates"] == {TASK: {"nearest": 0.06}}
    assert len((out / "scores.csv").read_text().splitlines()) == 5
    text = (out / "comparison.md").read_text()
    assert "| radac | 10.5 [9.0, 12.0] | 5.00 [4.00] |" in text
    assert r"radac & $10.5$" in (out / "comparison.tex").read_text()
    assert (out / f"{TASK}-comparison.png").is_file()
    assert not (out / "report.md").exists()  # a report is about the runs of its folder


def test_a_row_that_was_not_asked_for_is_left_out(tmp_path):
    folder = write(tmp_path, [row("radac"), row("bc-flow")])
    plans = compare.make_plans(
        compare.parse([*BASE, "--join", folder, "--out", str(tmp_path / "out")])
    )
    joined = read_joined([tmp_path], plans)
    assert list(joined.rows) == [(TASK, "radac")]
    assert [joined.has(plan) for plan in plans] == [False, True]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--num-seeds", "3"], "radac on .* with num_seeds 2, not 3"),
        (["--episodes", "4"], "radac on .* with episodes 3, not 4"),
        (["--num-steps", "6"], "radac on .* with num_steps 4, not 6"),
        (["--bc-steps", "10"], "radac on .* with bc_steps 20, not 10"),
        (["--level", "0.2"], "radac on .* with level 0.1, not 0.2"),
    ],
)
def test_rows_of_other_options_are_refused(tmp_path, words, message):
    folder, out = write(tmp_path / "half", [row("radac")]), tmp_path / "out"
    with pytest.raises(rj.InputError, match=message):
        compare.main([*BASE, *words, "--join", folder, "--out", str(out)])
    assert not out.exists()


def test_bad_folders_are_refused(tmp_path):
    half, again = (write(tmp_path / x, [row("radac")]) for x in ("half", "again"))
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "comparison.json").write_text('{"rows": [{"task": 1}]}')
    for folders, message in [
        ([half, again], "has radac on .*, as another folder of --join: leave one out"),
        ([str(tmp_path / "no")], "cannot read .*no/comparison.json"),
        ([str(tmp_path / "odd")], "odd/comparison.json is no record of a comparison"),
    ]:
        with pytest.raises(rj.InputError, match=message):
            compare.main([*BASE, "--join", *folders, "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_rows_of_other_data_are_refused(tmp_path):
    arguments = compare.parse([*BASE, "--out", str(tmp_path / "out")])
    write(tmp_path, [row("radac")])
    joined = read_joined([tmp_path], compare.make_plans(arguments))
    check_data(joined, TASK, ["abc"])
    check_data(joined, "walker2d-medium-expert", ["def"])
    with pytest.raises(rj.InputError, match="radac on .* data of another hash"):
        check_data(joined, TASK, ["def"])
