"""Rows of tuned agents in other comparisons: `ramac compare --join`."""

import json

import pytest

import ramac_jax as rj
from ramac_jax.cli import compare
from ramac_jax.cli.reporting import comparison
from ramac_jax.cli.runs.joined import read_joined
from tests.cli.comparisons import AGENTS, BASE, RATES, TASK, join, row, write

OTHER = "hopper-medium-replay"
TEMPERATURES = ["--tune-temperatures", "0", "1"]
TUNED = compare.parse([*BASE, *TEMPERATURES, "--out", "any"]).lasting


@pytest.mark.parametrize(
    ("words", "changed", "message"),
    [
        ("", {"temperature": 1.0}, "radac on .* with temperature 1, and here it is 0:"),
        ("", {"risk_weight": 0.7}, "with risk_weight 0.7, and here it is 0.1:"),
        ("--tune-factors 1 3", {"temperature": 1.0}, "with temperature 1, and here"),
        ("--tune-factors 1 3", {"risk_weight": 0.7}, None),
        ("--tune-temperatures 0 1", {"temperature": 1.0}, None),
        ("--tune-temperatures 0 1", {"temperature": 0.5}, "0.5, and here it is 0 or 1"),
        ("--tune-temperatures 0 1", {"risk_weight": 0.7}, "with risk_weight 0.7, and"),
    ],
)
def test_rows_of_other_presets_are_refused(words, changed, message, tmp_path):
    """The options are the same, as they leave these settings to the preset."""
    words = [*BASE, *words.split(), "--agents", "radac"]
    tuned = compare.parse([*words, "--out", "any"])
    rows = [row("radac", tuned.tune_factors, **changed)]
    folder = write(tmp_path / "half", rows, options=tuned.lasting)
    arguments = compare.parse([*words, "--join", folder, "--out", str(tmp_path / "o")])
    if message is None:
        assert read_joined(arguments, compare.make_plans(arguments)).rows
        return
    with pytest.raises(rj.InputError, match=message):
        read_joined(arguments, compare.make_plans(arguments))


def rows_of(folder):
    return json.loads((folder / "comparison.json").read_text())["rows"]


def test_tasks_have_weights_of_their_own(tmp_path):
    """Those of one task are in every table."""
    folders = [
        write(
            tmp_path / task,
            [row("bc-vae", task=task), row("radac", factors, task=task)],
            options=TUNED,
            false_positive_rates={task: RATES},
        )
        for task, factors in ((TASK, [1.0, 3.0]), (OTHER, [1.0, 30.0]))
    ]
    out = tmp_path / "out"
    join(folders, "--tasks", TASK, OTHER, *TEMPERATURES, out=out)
    assert [x["tune_factors"] for x in rows_of(out)] == [[], [1, 3], [], [1, 30]]
    text = (out / "comparison.md").read_text()
    for task, tried in ((TASK, "1, 3"), (OTHER, "1, 30")):
        part = text.partition(f"## {task}")[2].partition("## ")[0]
        assert f"Weights tried: {tried} times the agent's own before" in part
    assert len((out / "scores.csv").read_text().splitlines()) == 9
    again = tmp_path / "again"  # what was joined can be joined
    join([str(out)], "--tasks", TASK, OTHER, *TEMPERATURES, out=again)
    assert rows_of(again) == rows_of(out)


@pytest.mark.parametrize(
    ("rows", "words", "message"),
    [
        (
            [row("radac", [1.0, 3.0]), row("neutral", [1.0, 30.0])],
            [],
            "the joined radac has --tune-factors 1 3 and the joined neutral 1 30: give",
        ),
        (
            [row("radac", [1.0, 3.0])],
            [],
            "the joined radac has --tune-factors 1 3 and neutral none: give all agents",
        ),
        (
            [row("radac", [1.0, 3.0]), row("neutral", [1.0, 3.0])],
            ["--tune-factors", "5", "50"],
            "this command has --tune-factors 5 50 and the joined radac 1 3: give all",
        ),
        (
            [row("radac"), row("neutral")],
            ["--tune-factors", "1", "3"],
            "this command has --tune-factors 1 3 and the joined radac none: give all",
        ),
    ],
)
def test_agents_of_one_task_try_the_same_weights(rows, words, message, tmp_path):
    """Whether one of them is joined, or both."""
    folder, out = write(tmp_path / "part", rows, options=TUNED), tmp_path / "out"
    words = ["--agents", "radac", "neutral", *TEMPERATURES, *words]
    with pytest.raises(rj.InputError, match=message):
        join([folder], *words, out=out)
    assert not out.exists()


def test_a_cloned_agent_fits_any_weights_and_their_order_is_free(tmp_path):
    rows = [row("bc-vae"), row("radac", [1.0, 3.0])]
    folder = write(tmp_path / "part", rows, options=TUNED)
    join([folder], *TEMPERATURES, "--tune-factors", "3", "1", out=tmp_path / "out")
    assert len(rows_of(tmp_path / "out")) == 2


@pytest.mark.parametrize(
    "words",
    [["--tune-temperatures", "0"], ["--tune-seeds", "2"], ["--tune-episodes", "7"]],
)
def test_options_of_a_search_say_what_joined_agents_had(words, tmp_path):
    """Nothing is tuned here, so nothing has to be selected."""
    options = compare.parse([*BASE, *words, "--out", "any"]).lasting
    folder = write(tmp_path / "part", [row("radac", [1.0, 3.0])], options=options)
    join([folder], "--agents", "radac", *words, out=tmp_path / "out")
    assert len(rows_of(tmp_path / "out")) == 1
    with pytest.raises(rj.InputError, match="nothing is (selected|tuned): give"):
        join([folder], "--agents", "radac", "bc-flow", *words, out=tmp_path / "more")


def test_factors_that_an_older_version_wrote_for_all_rows(tmp_path):
    options = TUNED | {"tune_factors": [1.0, 3.0]}
    rows = comparison.to_json([row(name) for name in AGENTS])
    for entry in rows:
        del entry["tune_factors"]
    folder = write(tmp_path / "old", [], rows=rows, options=options)
    join([folder], *TEMPERATURES, out=tmp_path / "out")
    found = {x["agent"]: x["tune_factors"] for x in rows_of(tmp_path / "out")}
    assert found == {"bc-vae": [], "radac": [1.0, 3.0]}
