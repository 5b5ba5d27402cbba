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


TABLE = re.findall(r"^\| `([\w-]+)`.*?\| (.*\d \[.*) \|$", README, re.M)
TASKS = re.findall(r"([\w-]+-medium-[a-z]+)(?:: mean, CVaR)? \| risky, %", README)
RESULTS = json.loads(
    (ROOT / "experiments/locomotion/results/comparison.json").read_text()
)["rows"]


def test_the_table_of_results_has_every_task_of_the_study():
    assert set(TASKS) == {x["task"] for x in RESULTS}
    assert [agent for agent, _ in TABLE] == [
        *("radac", "neutral", "rafmac", "diffusion-ql", "fql"),
        *("bc-diffusion", "bc-vae"),
    ]


def shown(figures):
    """A row's figures of one task as the table shows them."""
    mean, cvar, risky = (figures[name] for name in ("mean", "cvar", "risky_share"))
    values = (mean["value"], cvar["value"], cvar["low"], cvar["high"])
    yield "{:.0f}, {:.0f} [{:.0f}, {:.0f}]".format(*values)
    yield f"{100.0 * risky['value']:.1f}"


@pytest.mark.parametrize(("agent", "cells"), TABLE, ids=[agent for agent, _ in TABLE])
def test_the_table_of_results_is_that_of_the_study(agent, cells):
    figures = {x["task"]: x["figures"] for x in RESULTS if x["agent"] == agent}
    found = [cell for task in TASKS for cell in shown(figures[task])]
    assert cells.replace("**", "").split(" | ") == found


@pytest.mark.parametrize("place", range(len(TASKS)), ids=TASKS)
def test_the_best_figures_of_the_table_are_bold(place):
    cells = [cells.split(" | ")[2 * place] for _, cells in TABLE]
    for part in (0, 1):  # the mean, the CVaR
        values = [cell.split(", ")[part].split(" [")[0] for cell in cells]
        best = max(float(x.strip("*")) for x in values)
        bold = [float(x.strip("*")) for x in values if x.startswith("**")]
        assert bold and set(bold) == {best}
