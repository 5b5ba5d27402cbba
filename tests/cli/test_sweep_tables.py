"""The tables of a sweep, and its ranking in JSON."""

import json

import numpy as np
from rich.console import Console

from ramac_jax.cli.reporting import sweep_tables
from ramac_jax.evaluation import rank

NAN = float("nan")


def ranked(selection, scores=None, frozen=None):
    """Rank settings by rows of a selection measure and similar scores."""
    scores = np.zeros((len(selection), 2)) if scores is None else np.array(scores)
    if frozen is None:
        num_seeds = len(selection[0]) + scores.shape[1]
        frozen = np.zeros((len(selection), num_seeds), bool)
    return rank(
        {number: f"x={number}" for number in range(len(selection))},
        np.array(selection),
        {"cvar": scores, "mean": scores + 1.0, "risky_share": scores / 100.0},
        frozen,
    )


def test_the_table_shows_selections_and_scores():
    frozen = np.zeros((2, 4), bool)
    frozen[0, 3] = True
    found = ranked([[4.0, 5.0], [400.0, 600.0]], [[1.0, 3.0], [NAN, NAN]], frozen)
    text = sweep_tables.markdown(found, 0.2, "Seeds 0 and 1 chose.")
    head, _, first, second = text.splitlines()[:4]
    assert head == (
        "| rank | setting | selection | CVaR 0.2 | mean | risky steps, % | diverged |"
    )
    assert first == "| 1 | 1: x=1 | 500 | - | - | - | 0 |"
    assert second == (
        "| 2 | 0: x=0 | 4.50 | 2.0 [-10.7, 14.7] | 3.0 [-9.7, 15.7] "
        "| 2.0 [0.0, 14.7] | 1 |"
    )
    explained = "\n\nSeeds 0 and 1 chose.\n\nBrackets: 95 % intervals over the seeds"
    assert explained in text
    assert text.endswith(
        "\n- Setting 1: its score leaves out 2 of its agents, without "
        "a finite figure.\n"
    )


def test_the_table_lists_eliminated_settings():
    found = ranked([[4.0], [3.0]], [[1.0], [2.0]])
    out = [
        {"setting": 7, "label": "a|b", "num_steps": 2000, "chosen_by": 3.25},
        {"setting": 3, "label": "c", "num_steps": 500, "chosen_by": None},
    ]
    text = sweep_tables.markdown(found, 0.2, "Seed 0 chose.", out)
    assert text.endswith(
        "\n\nLeft out on the way, by the figures of the same selection:\n\n"
        "| setting | after updates | selection |\n| --- | --- | --- |\n"
        "| 7: a\\|b | 2,000 | 3.25 |\n| 3: c | 500 | - |\n"
    )
    assert "Left out" not in sweep_tables.markdown(found, 0.2, "Seed 0 chose.")


def test_a_bar_in_a_label_is_escaped():
    (entry,) = ranked([[1.0]])
    row = sweep_tables.markdown([entry._replace(label="a|b")], 0.1, "").splitlines()[2]
    assert r"| 0: a\|b |" in row


def printed(table, width):
    console = Console(width=width)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def test_the_terminal_shows_the_best_settings_and_counts_the_rest():
    frozen = np.zeros((5, 3), bool)
    frozen[4, :2] = True
    found = ranked([[5.0], [4.0], [3.0], [2.0], [1.0]], frozen=frozen)
    text = printed(sweep_tables.terminal(found, 0.1, most=3), 100)
    assert [f"x={number}" in text for number in range(5)] == [True] * 3 + [False] * 2
    assert text.rstrip().endswith("and 2 more")
    text = printed(sweep_tables.terminal(found, 0.1), 100)
    assert "4: x=4 (2 diverged)" in text
    assert "more" not in text


def test_a_narrow_terminal_shows_whole_labels():
    label = "risk_weight=0.3 [bold] actor_learning_rate=0.000313"
    (entry,) = ranked([[1234.0]], [[1000.0, 1001.0]])
    text = printed(sweep_tables.terminal([entry._replace(label=label)], 0.1), 80)
    rows = [line.split("│") for line in text.splitlines() if line.startswith("│")]
    assert "".join(row[1] for row in rows).replace(" ", "") == (
        "0:" + label.replace(" ", "")
    )
    assert [row[3].strip() for row in rows[:2]] == ["1000", "[994, 1007]"]


def test_the_record_is_strict_json():
    found = ranked([[NAN], [2.0]], [[NAN, NAN], [3.0, NAN]])
    first, second = json.loads(json.dumps(sweep_tables.to_json(found), allow_nan=False))
    assert first["score"]["mean"] == {"value": 4.0, "low": None, "high": None}
    assert second["score"]["cvar"] == dict.fromkeys(("value", "low", "high"))
    del first["score"], second["score"]
    common = {"frozen": 0}
    assert first == common | {
        "setting": 1,
        "label": "x=1",
        "chosen_by": 2.0,
        "unscored": 1,
    }
    assert second == common | {
        "setting": 0,
        "label": "x=0",
        "chosen_by": None,
        "unscored": 2,
    }
