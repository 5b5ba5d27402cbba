"""Comparisons that take rows of other comparisons: `ramac compare --join`."""

import json
import math

import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.cli import compare
from ramac_jax.cli.reporting import comparison
from ramac_jax.cli.runs.joined import read_joined
from tests.cli.comparisons import AGENTS, BASE, RATES, TASK, join, row, score, write


def test_a_row_is_what_it_was(tmp_path):
    whole, unknown = row("bc-vae"), row("radac", mean=math.nan)
    folder = write(tmp_path, [whole, unknown])
    arguments = compare.parse([*BASE, "--join", folder, "--out", str(tmp_path / "out")])
    joined = read_joined(arguments, compare.make_plans(arguments))
    assert joined.rows[TASK, "bc-vae"] == whole
    read = joined.rows[TASK, "radac"]
    np.testing.assert_equal(read._asdict(), unknown._asdict())  # NaN equals NaN
    assert joined.false_positives == {TASK: RATES}
    assert joined.hashes == {TASK: "abc"}


def test_two_halves_make_one_table_without_data_or_training(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "none"))
    halves = [write(tmp_path / name, [row(name)]) for name in reversed(AGENTS)]
    out = tmp_path / "out"
    join(halves, out=out)
    record = json.loads((out / "comparison.json").read_text())
    assert record["rows"] == comparison.to_json([row(name) for name in AGENTS])
    assert record["false_positive_rates"] == {TASK: RATES}
    assert len((out / "scores.csv").read_text().splitlines()) == 5
    text = (out / "comparison.md").read_text()
    assert "| radac | 10.5 [4.1, 16.9] | 5.00 [5.00, 5.00] |" in text
    assert f"Some rows are those of other comparisons: {', '.join(halves)}." in text
    assert r"radac & $10.5$" in (out / "comparison.tex").read_text()
    assert (out / f"{TASK}-comparison.png").is_file()
    assert not (out / "report.md").exists()  # a report is about the runs of its folder
    again = tmp_path / "again"  # what was joined can be joined
    join([str(out)], out=again)
    assert (again / "scores.csv").read_text() == (out / "scores.csv").read_text()


def test_diverged_seeds_that_are_joined_count(tmp_path, capsys):
    folder = write(tmp_path, [row("radac", mean=math.nan)._replace(frozen=2)])
    with pytest.raises(SystemExit) as ended:
        join([folder], "--agents", "radac", out=tmp_path / "out")
    assert ended.value.code == 1
    assert f"{TASK} radac: 2 diverged" in capsys.readouterr().err
    for name in ("comparison.md", "comparison.tex"):
        text = (tmp_path / "out" / name).read_text()
        assert "radac (2 of 2 diverged)" in text


def test_a_dry_run_says_what_is_joined(tmp_path, capsys):
    folder = write(tmp_path, [row("radac"), row("bc-flow")])
    join([folder], "--agents", "radac", "--dry-run", out=tmp_path / "out")
    text = capsys.readouterr().out
    assert f"{TASK}, radac: joined" in text and "bc-flow" not in text
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--num-seeds", "3"], "made with num_seeds 2, not 3: give the options"),
        (["--episodes", "4"], "made with episodes 3, not 4"),
        (["--num-steps", "6"], "made with num_steps 4, not 6"),
        (["--bc-steps", "10"], "made with bc_steps 20, not 10"),
        (["--risk-level", "0.05"], "made with risk_level None, not 0.05"),
        (["--level", "0.2"], r"made with level 0.1, not 0.2"),
        (["--acting-temperature", "0"], "acting_temperature None, not 0.0"),
        (["--agents", "bc-flow"], "has none of the rows asked for: do not join it"),
    ],
)
def test_rows_of_other_options_are_refused(tmp_path, words, message):
    folder, out = write(tmp_path / "half", [row("radac")]), tmp_path / "out"
    with pytest.raises(rj.InputError, match=message):
        join([folder], *words, out=out)
    assert not out.exists()


@pytest.mark.parametrize(
    "changed",
    [
        {"scores": []},
        {"scores": None},
        {"scores": [score("radac", 0)]},
        {"scores": [score("radac", 0), score("radac", 1000)]},
        {"scores": [score("radac", 0), score("bc-vae", 1)]},
        {"scores": [score("radac", 0), score("radac", 1, data_sha256="def")]},
        {"scores": [score("radac", 0), score("radac", 1, risk_weight=0.7)]},
        {"scores": [score("radac", 0), score("radac", 1, temperature=0.7)]},
        {"scores": [score("radac", 0), score("radac", 1, mean="high")]},
        {"scores": [score("radac", 0), score("radac", 1, more=1)]},
        {"scores": [score("radac", 0), {"seed": 1}]},
        {"scores": [score("radac", 0), score("radac", 1, mean=10**400)]},
        {"scores": [score("radac", 0), score("radac", 1, updates=7)]},
        {"scores": [score("radac", 0), score("radac", 1, episodes=4)]},
        {"num_episodes": 4},
        {"frozen": -1},
        {"frozen": "none"},
        {"num_episodes": "a\nb"},
        {"acting": [1]},
        {"acting": "a\nb"},
        {"tune_factors": None},
        {"tune_factors": ["1"]},
        {"tune_factors": [1.0, 1.0]},
        {"tune_factors": [-1.0, 2.0]},
        {"tune_factors": [1.0, math.inf]},
    ],
)
def test_a_damaged_row_is_refused_in_one_line(tmp_path, changed):
    (entry,) = comparison.to_json([row("radac")])
    folder = write(tmp_path / "half", [], rows=[entry | changed])
    with pytest.raises(rj.InputError, match="its row of radac on .* is not") as refused:
        join([folder], out=tmp_path / "out")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rows": {}}, "is no record of a comparison: join another folder"),
        ({"rows": [3]}, "is no record of a comparison: join another folder"),
        ({"options": None}, "options is None"),
        ({"options": {}}, "made with acting_num_candidates None, not 1"),
        ({"false_positive_rates": {}}, "false_positive_rates of .* is None"),
        (
            {"false_positive_rates": {TASK: RATES | {"nearest": "x"}}},
            "rates of .* is {'near",
        ),
    ],
)
def test_a_damaged_record_is_refused(tmp_path, changed, message):
    folder = write(tmp_path / "half", [row("radac")], **changed)
    with pytest.raises(rj.InputError, match=message):
        join([folder], out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_folders_that_contradict_each_other_are_refused(tmp_path):
    half, again = (write(tmp_path / x, [row("radac")]) for x in ("half", "again"))
    other = write(tmp_path / "other", [row("bc-vae", data_sha256="def")])
    out = tmp_path / "out"
    for folders, message in [
        ([half, again], "again/.* has radac on .* again: join one row of each agent"),
        ([half, other], "other/.* has bc-vae on .* from other data than another row"),
        ([str(tmp_path / "no")], "cannot read .*no/comparison.json"),
    ]:
        with pytest.raises(rj.InputError, match=message):
            join(folders, out=out)
    assert not out.exists()
    with pytest.raises(rj.InputError, match="--join .* is the folder of --out"):
        join([half], out=half)


def test_an_earlier_comparison_that_is_damaged_stays_as_it_is(tmp_path):
    half, out = write(tmp_path / "half", [row("radac")]), tmp_path / "out"
    write(out, [], rows=[3])
    before = (out / "comparison.json").read_text()
    with pytest.raises(rj.InputError, match="is no record of a comparison: give ano"):
        join([half], "--agents", "radac", out=out)
    assert (out / "comparison.json").read_text() == before
