"""The debugging switches of JAX: refused in one line before anything is written."""

import jax
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.population import Storage, cross, train_population
from ramac_jax.population.switches import check_switches
from tests.population import toy

FINITE = rj.Hyperparams(value_min=-1e9, value_max=1e9, decay_steps=1e9)


def test_no_population_trains_without_jit(tmp_path):
    members, storage = cross(FINITE, [0]), Storage(tmp_path / "run")
    with jax.disable_jit(), pytest.raises(rj.InputError, match="^JAX_DISABLE_JIT is "):
        train_population(toy.AGENT, toy.DATASET, members, toy.SCHEDULE, storage=storage)
    assert not any(tmp_path.iterdir())


def test_infinite_hyperparameters_are_named_where_infinities_are_errors():
    message = "value_min, value_max, decay_steps is infinite, which stands for none"
    with jax.debug_infs(True):
        with pytest.raises(rj.InputError, match=message):
            check_switches(cross(rj.Hyperparams(), [0, 1]).hyperparams)
        check_switches(FINITE)
    check_switches(rj.Hyperparams())


def test_other_switches_are_welcome():
    with jax.debug_nans(True), jax.checking_leaks(), jax.enable_checks(True):
        check_switches(cross(rj.Hyperparams(), np.arange(2)).hyperparams)
