"""The commands and scripts of the guide about searching are ones that can start."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from ramac_jax import launchers
from ramac_jax.cli.options.sweep import parse
from ramac_jax.cli.runs import rounds
from ramac_jax.cli.runs.search import make_search
from ramac_jax.cli.sweep import LAYOUT

GUIDE = (Path(__file__).parents[2] / "docs/guides/searching.md").read_text()
SCRIPTS = re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)
(JOB,) = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
NAMES = {
    "$STORAGE": "postgresql://me@db/optuna",
    "$SLURM_ARRAY_TASK_ID": "3",
    "$JOB_COMPLETION_INDEX": "3",
}


def commands():
    """The words of each `ramac sweep` of the page."""
    scripts = [*SCRIPTS, job()["spec"]["containers"][0]["args"][0]]
    for script in scripts:
        for line in script.replace("\\\n", " ").splitlines():
            if "ramac sweep" in line:
                for name, value in NAMES.items():
                    line = line.replace(name, value)
                yield shlex.split(line.split("ramac sweep")[1])


def job():
    """The pods of the Kubernetes job, and how it counts their failures."""
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load(JOB)["spec"] | yaml.safe_load(JOB)["spec"]["template"]


def test_every_sweep_of_the_page_can_search_its_space():
    found = [*commands()]
    assert len(found) == 4
    for words in found:
        options = parse(words)
        search = make_search(options)
        assert [*rounds.space_of(search)] == ["risk_weight", "actor_learning_rate"]
        assert rounds.sampler_of(options, search) is not None
        assert options.search.storage in (None, NAMES["$STORAGE"])


def test_processes_that_share_a_study_differ_in_their_folders_alone():
    one, *others = [x for x in commands() if "--storage" in x]
    for words in others:
        places = {x for x, y in zip(one, words, strict=True) if x != y}
        assert places == {one[-1]} and one[-2] == "--out"


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_has_the_syntax_of_a_shell(script):
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_the_pods_of_the_job_run_alone_and_are_not_run_again_for_nothing(monkeypatch):
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "3")
    assert launchers.several_hosts()
    (container,) = job()["spec"]["containers"]
    for variable in container["env"]:
        monkeypatch.setenv(variable["name"], variable.get("value", ""))
    assert not launchers.several_hosts()
    rule = job()["podFailurePolicy"]["rules"][0]
    assert (rule["action"], rule["onExitCodes"]["values"]) == ("FailIndex", [1, 2])


def test_the_files_of_the_page_are_those_that_a_sweep_writes():
    named = set(re.findall(r"^\| `([\w.]+)/?` \|", GUIDE, re.MULTILINE))
    assert len(named) == 7 and named <= {*LAYOUT.files, *LAYOUT.folders}
