"""The commit that records name: of this checkout alone."""

import re
import shutil
import subprocess

import pytest

from ramac_jax.cli import provenance


@pytest.fixture
def stranger(tmp_path):
    """The repository of another project, with one commit."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@x"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "other"]):
        subprocess.run([*git, *words], check=True)
    return tmp_path


def test_a_git_hook_does_not_change_the_commit(stranger, monkeypatch):
    here = provenance.git_commit()
    monkeypatch.setenv("GIT_DIR", str(stranger / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(stranger))
    assert provenance.git_commit() == here


def test_a_library_inside_another_project_has_no_commit(stranger, monkeypatch):
    file = stranger / "site-packages" / "provenance.py"
    file.parent.mkdir()
    shutil.copy(provenance.__file__, file)
    monkeypatch.setattr(provenance, "__file__", str(file))
    assert provenance.git_commit() is None
    for words in (["add", "."], ["commit", "-q", "-m", "ours"]):
        name = ["-c", "user.name=x", "-c", "user.email=x@x"]
        subprocess.run(["git", "-C", str(stranger), *name, *words], check=True)
    assert re.fullmatch("[0-9a-f]{40}", provenance.git_commit())
