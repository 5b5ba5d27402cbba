"""The benchmark of ranked candidates."""

import types

import pytest

import ramac_jax as rj
from benchmarks import candidates


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--candidates 0", "--candidates is 0: give 1 or more"),
        ("--level 2", "--level is 2: give one above 0 and at most 1"),
        ("", "no run: give --run, a folder of ramac train"),
        ("--run /nowhere", "there is no folder /nowhere/checkpoint"),
    ],
)
def test_bad_options_are_refused(words, message):
    with pytest.raises(rj.InputError, match=message):
        candidates.main(words.split())


def test_a_run_without_critics_is_refused(tmp_path, monkeypatch):
    cloned = types.SimpleNamespace(critic=None)
    monkeypatch.setattr(candidates, "load_policy", lambda folder: cloned)
    with pytest.raises(rj.InputError, match="has no critics that its checkpoint"):
        candidates.main(["--run", str(tmp_path)])
