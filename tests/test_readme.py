"""The README: its blocks run, its paths and numbers are those of the repository."""

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


@pytest.mark.parametrize("agent", re.findall(r"^\| `([\w-]+)`.*\d \[", README, re.M))
def test_the_table_of_results_is_that_of_the_study(agent):
    results = (ROOT / "experiments/comparison/results/comparison.md").read_text()
    hopper = results.partition("## hopper-medium-expert")[2]
    (row,) = re.findall(rf"^\| {agent} \| .* \|$", hopper.partition("Out of")[0], re.M)
    mean, cvar, risky = [cell.strip() for cell in row.split("|")[2:5]]
    (shown,) = re.findall(rf"^\| `{agent}`.*\d \[.*$", README, re.M)
    cells = [cell.strip().replace("**", "") for cell in shown.split("|")[2:5]]
    assert cells[:2] == [mean, cvar]
    numbers = [
        [float(x) for x in re.findall(r"-?[\d.]+", c)] for c in (cells[2], risky)
    ]
    assert numbers[0] == pytest.approx(numbers[1], abs=0.05)
