"""What several files of the project say, they say alike."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from ramac_jax.version import __version__

ROOT = Path(__file__).parents[2]
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_citation_and_the_changelog_have_the_version_of_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    changelog = (ROOT / "CHANGELOG.md").read_text()
    released = re.search(r"^## (\d\S*) - (\S+)$", changelog, re.MULTILINE)
    assert citation["version"] == released[1] == __version__
    assert citation["date-released"] == released[2]


def test_the_workflow_tests_every_python_of_the_classifiers():
    classifiers = [c.rpartition(" ")[2] for c in PROJECT["classifiers"]]
    versions = [c for c in classifiers if re.fullmatch(r"3\.\d+", c)]
    assert WORKFLOW["jobs"]["tests"]["strategy"]["matrix"]["python"] == versions
    assert PROJECT["requires-python"] == f">={versions[0]}"


def test_the_workflow_installs_the_oldest_jax_that_the_project_allows():
    jax = next(d for d in PROJECT["dependencies"] if d.startswith("jax"))
    oldest = re.search(r">=([\d.]+)", jax)[1]
    steps = [str(step.get("run")) for step in WORKFLOW["jobs"]["tests"]["steps"]]
    assert any(f"jax=={oldest}" in step for step in steps)


@pytest.mark.parametrize("job", ["lint", "types", "tests", "docs", "wheel", "coverage"])
def test_the_workflow_has_every_job(job):
    assert WORKFLOW["jobs"][job]["steps"]


def test_ci_keeps_one_run_with_the_optimiser_of_xla():
    script = (ROOT / ".ci" / "run").read_text()
    assert re.search(r"RAMAC_TEST_OPTIMISED=1 \S*python -m pytest", script)
