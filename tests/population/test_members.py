"""The members of a population: settings times seeds, and random settings."""

import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.population.members import cross, select_settings


def test_every_setting_is_combined_with_every_seed():
    settings = rj.grid(rj.Hyperparams(), risk_weight=[0.25, 0.5, 0.75])
    members = cross(settings, [7, 2**31 - 1])
    np.testing.assert_array_equal(members.setting, [0, 0, 1, 1, 2, 2])
    np.testing.assert_array_equal(members.seed, [7, 2**31 - 1] * 3)
    np.testing.assert_array_equal(
        members.hyperparams.risk_weight, [0.25, 0.25, 0.5, 0.5, 0.75, 0.75]
    )
    np.testing.assert_array_equal(members.hyperparams.max_grad_norm, [5.0] * 6)
    assert (members.setting.dtype, members.seed.dtype) == (np.int32, np.int64)
    for leaf in members.hyperparams:
        assert type(leaf) is np.ndarray and leaf.dtype == np.float32


def test_selected_settings_keep_their_numbers():
    settings = rj.grid(rj.Hyperparams(), risk_weight=[0.25, 0.5, 0.75])
    members = select_settings(settings, np.array([0, 2]), [7, 8])
    np.testing.assert_array_equal(members.setting, [0, 0, 2, 2])
    assert members.setting.dtype == np.int32
    np.testing.assert_array_equal(members.seed, [7, 8, 7, 8])
    risk_weight = members.hyperparams.risk_weight
    np.testing.assert_array_equal(risk_weight, [0.25, 0.25, 0.75, 0.75])


def test_scalars_are_one_setting():
    members = cross(rj.Hyperparams(risk_level=0.5), range(3, 6))
    np.testing.assert_array_equal(members.setting, [0, 0, 0])
    np.testing.assert_array_equal(members.seed, [3, 4, 5])
    np.testing.assert_array_equal(members.hyperparams.risk_level, [0.5] * 3)


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        ([], "no seed"),
        ([4, 1, 4], "seed 4 occurs twice"),
        ([0, -1], "seed -1: give one from 0 to 2147483647"),
        ([2**31], "seed 2147483648: give one from 0"),
    ],
)
def test_missing_repeated_and_large_seeds_are_refused(seeds, message):
    with pytest.raises(rj.InputError, match=message):
        cross(rj.Hyperparams(), seeds)


def test_settings_without_a_value_are_refused():
    with pytest.raises(rj.InputError, match=r"has shape \[0\]"):
        cross(rj.Hyperparams(*[[]] * len(rj.Hyperparams._fields)), [0])
