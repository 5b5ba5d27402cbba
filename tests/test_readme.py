"""The README: its blocks run, its paths and numbers are those of the repository."""

import json
import re
from pathlib import Path

import pytest

from ramac_jax.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=["quickstart", "sweep"])
def test_every_block_runs(block):
    exec(compile(block, "README.md", "exec"), {})


def test_the_readme_and_its_quickstart_are_short():
    assert len(README.splitlines()) <= 150
    assert len(BLOCKS[0].strip().splitlines()) <= 15


def test_ci_finds_the_command_that_runs_the_tests():
    commands = re.findall(r"^python3 .*pytest.*$", README, re.MULTILINE)
    assert len(commands) == 1 and "-c constraints.txt" in commands[0]


def test_paths_of_the_repository_exist():
    named = re.findall(
        r"[`(]((?:docs|examples|experiments|benchmarks)/[\w./-]*)", README
    )
    assert len(named) >= 5
    for path in named:
        assert (ROOT / path).exists(), path


def test_commands_exist():
    used = set(re.findall(r"\bramac (\w+)", README))
    assert len(used) >= 4 and used <= set(COMMANDS)


AGENTS = re.search(r"^\| task \| (`radac`.*) \|$", README, re.M)[1].split(" | ")
TABLE = re.findall(r"^\| ([\w-]+-medium-[a-z]+) \| (.*) \|$", README, re.M)
COMPARISONS = (ROOT / "experiments/locomotion/results").rglob("comparison.json")
RECORDS = [json.loads(path.read_text()) for path in COMPARISONS]
RESULTS = [
    row
    for record in RECORDS
    if record["options"].get("risk_level") is None  # those of the study, as all agents
    for row in record["rows"]
]


def test_the_table_of_results_has_every_task_of_the_study():
    assert {task for task, _ in TABLE} == {x["task"] for x in RESULTS}


def shown(row):
    """A row of the study as a cell of the table shows it."""
    figures = row["figures"]
    mean, cvar, risky = (figures[name] for name in ("mean", "cvar", "risky_share"))
    values = mean["value"], cvar["value"], 100.0 * risky["value"]
    return "{:.0f} / {:.0f}, {:.1f}".format(*values)


@pytest.mark.parametrize(("task", "cells"), TABLE, ids=[task for task, _ in TABLE])
def test_the_table_of_results_is_that_of_the_study(task, cells):
    rows = {f"`{x['agent']}`": x for x in RESULTS if x["task"] == task}
    found = cells.replace("**", "").split(" | ")
    assert found == [shown(rows[agent]) for agent in AGENTS]


@pytest.mark.parametrize(("task", "cells"), TABLE, ids=[task for task, _ in TABLE])
def test_the_best_figures_of_a_task_are_bold(task, cells):
    for part in (0, 1):  # the mean, the CVaR
        values = [x.split(", ")[0].split(" / ")[part] for x in cells.split(" | ")]
        best = max(float(x.strip("*")) for x in values)
        bold = [float(x.strip("*")) for x in values if x.startswith("**")]
        assert bold and set(bold) == {best}
