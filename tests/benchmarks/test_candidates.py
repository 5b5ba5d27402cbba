"""The benchmark of ranked candidates."""

import pytest

import ramac_jax as rj
from benchmarks import candidates


def test_a_run_without_critics_is_refused_in_one_line(tmp_path):
    with pytest.raises(rj.InputError, match="candidates is 0"):
        candidates.main([str(tmp_path), "--candidates", "0"])
    with pytest.raises(rj.InputError, match="--level is 2: give one above 0"):
        candidates.main([str(tmp_path), "--level", "2"])
