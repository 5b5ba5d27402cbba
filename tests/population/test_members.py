"""The members of a population: settings times seeds, and random settings."""

import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.population.members import cross, random_search, select_settings

RATES = {"actor_learning_rate": (1e-4, 1e-2), "risk_weight": (0.5, 2.0)}


def draw(num_settings, ranges=RATES, settings=None, seed=0):
    settings = rj.Hyperparams() if settings is None else settings
    return random_search(settings, ranges, num_settings, seed=seed)


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


@pytest.mark.parametrize(
    ("value", "shape"),
    [([0.1, 0.2], r"\[2\]"), ([[0.1]], r"\[1, 1\]"), ([], r"\[0\]")],
)
def test_settings_of_different_lengths_are_refused(value, shape):
    uneven = rj.Hyperparams()._replace(risk_weight=value)
    with pytest.raises(rj.InputError, match=f"risk_weight has shape {shape}"):
        cross(uneven, [0])
    with pytest.raises(rj.InputError, match=f"risk_weight has shape {shape}"):
        draw(1, settings=uneven)


def test_settings_without_a_value_are_refused():
    with pytest.raises(rj.InputError, match=r"has shape \[0\]"):
        cross(rj.Hyperparams(*[[]] * len(rj.Hyperparams._fields)), [0])


def test_draws_are_log_uniform_and_independent():
    drawn = draw(20_000)
    rank = np.linspace(0.05, 0.95, 19)
    # The position in the range, in logarithms, is uniform on [0, 1].
    rate = (np.log10(drawn.actor_learning_rate) + 4.0) / 2.0
    weight = (np.log2(drawn.risk_weight) + 1.0) / 2.0
    for share in (rate, weight):
        np.testing.assert_allclose(np.quantile(share, rank), rank, atol=0.015)
        assert share.min() >= -1e-6 and share.max() <= 1.0 + 1e-6
    assert abs(np.corrcoef(rate, weight)[0, 1]) < 0.03


def test_fewer_draws_are_the_first_of_more():
    few, many = draw(3), draw(8)
    for short, long in zip(few, many, strict=True):
        np.testing.assert_array_equal(short, long[:3])
    assert len(np.unique(many.risk_weight)) == 8


def test_the_seed_decides_the_draws():
    one, same, other = (draw(4, seed=seed).risk_weight for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.any(one == other)


def test_all_given_settings_have_the_same_draws():
    settings = rj.grid(rj.Hyperparams(), risk_level=[0.25, 0.5], risk_weight=[9.0])
    drawn = draw(3, {"risk_weight": (0.5, 2.0)}, settings)
    np.testing.assert_array_equal(drawn.risk_level, [0.25] * 3 + [0.5] * 3)
    np.testing.assert_array_equal(drawn.risk_weight[:3], drawn.risk_weight[3:])
    assert np.all(drawn.risk_weight <= 2.0)
    np.testing.assert_array_equal(drawn.max_grad_norm, [5.0] * 6)
    for leaf in drawn:
        assert type(leaf) is np.ndarray and leaf.dtype == np.float32


def test_a_range_of_one_value_is_that_value():
    drawn = draw(50, {"discount": (0.9, 0.9), "risk_weight": (0.5, 2.0)})
    np.testing.assert_array_equal(drawn.discount, np.full(50, 0.9, np.float32))


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"risk_wieght": (0.1, 1.0)}, "unknown hyperparameter.*risk_weight"),
        ({}, "no hyperparameter has a range"),
        ({"risk_weight": (0.0, 1.0)}, "range of risk_weight is 0 to 1: give two pos"),
        ({"risk_weight": (-1.0, 1.0)}, "range of risk_weight is -1 to 1"),
        ({"risk_weight": (2.0, 1.0)}, "2 to 1: .* the lower first"),
        ({"decay_steps": (1.0, np.inf)}, "range of decay_steps is 1 to inf"),
        ({"risk_weight": (np.nan, 1.0)}, "range of risk_weight is nan to 1"),
    ],
)
def test_ranges_that_cannot_be_drawn_from_are_refused(ranges, message):
    with pytest.raises(rj.InputError, match=message):
        draw(2, ranges)


@pytest.mark.parametrize(("num_settings", "seed"), [(0, 0), (1, -1)])
def test_no_draw_and_a_negative_seed_are_refused(num_settings, seed):
    with pytest.raises(rj.InputError, match=f"is {num_settings} and seed {seed}: give"):
        draw(num_settings, seed=seed)
