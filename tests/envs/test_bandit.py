"""The risky bandit: its modes, its rewards and its dataset."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from ramac_jax.data.bandit import DATASET_ID, write_bandit_dataset
from ramac_jax.data.loading import load_datasets
from ramac_jax.envs import BANDIT_ID, bandit
from ramac_jax.evaluation import cvar


@pytest.fixture
def env():
    return gymnasium.make(BANDIT_ID)


def test_gymnasium_finds_no_fault(env):
    check_env(env.unwrapped, skip_render_check=True)


def test_an_episode_is_one_step_and_repeats_with_its_seed(env):
    steps = []
    for _ in range(2):
        env.reset(seed=3)
        steps.append(env.step(np.array([0.0, 0.8], np.float32))[1:])
    assert steps[0] == steps[1]
    reward, terminated, truncated, info = steps[0]
    assert terminated and not truncated
    assert info == {"ring": True, "centre": False}
    np.testing.assert_allclose(reward, 2.0, atol=0.3)  # seed 3 draws no penalty


def test_modes_by_hand():
    actions = np.array([[0, 0], [0.3, 0], [0.31, 0], [0.64, 0], [0, -0.66], [0.96, 0]])
    np.testing.assert_array_equal(bandit.in_centre(actions), [1, 1, 0, 0, 0, 0])
    np.testing.assert_array_equal(bandit.on_ring(actions), [0, 0, 0, 0, 1, 0])


def test_the_gap_pays_exactly_nothing():
    gap = np.array([[0.5, 0.0], [1.0, 1.0], [0.0, -0.4]])
    rewards = bandit.draw_rewards(gap, np.random.default_rng(0))
    np.testing.assert_array_equal(rewards, 0.0)


def test_ring_mean_above_centre_above_ring_tail():
    rng = np.random.default_rng(0)
    ring = bandit.draw_rewards(np.tile([0.8, 0.0], (200_000, 1)), rng)
    centre = bandit.draw_rewards(np.zeros((200_000, 2)), rng)
    np.testing.assert_allclose(ring.mean(), 0.95 * 2 - 0.05 * 10, atol=0.03)
    np.testing.assert_allclose(centre.mean(), 1.0, atol=0.001)
    # Half of the worst tenth is penalised; the rest are the lower draws of the others.
    np.testing.assert_allclose(cvar(ring, 0.1), -4.0, atol=0.15)
    assert ring.mean() > centre.mean() > cvar(ring, 0.1)


def test_the_data_fills_the_modes_four_to_one_and_leaves_the_gap_empty():
    actions = bandit.draw_actions(50_000, np.random.default_rng(0))
    ring, centre = bandit.on_ring(actions), bandit.in_centre(actions)
    assert (ring | centre).all() and not (ring & centre).any()
    np.testing.assert_allclose(ring.mean(), 0.8, atol=0.01)
    assert np.abs(actions).max() <= 1.0


def test_the_dataset_comes_back_from_minari(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    write_bandit_dataset(seed=5)
    loaded = load_datasets([DATASET_ID])
    rng = np.random.default_rng(5)
    actions = bandit.draw_actions(10_000, rng)
    np.testing.assert_allclose(loaded.transitions.action, actions, atol=1e-6)
    np.testing.assert_allclose(
        loaded.transitions.reward, bandit.draw_rewards(actions, rng), rtol=1e-6
    )
    assert loaded.transitions.terminated.all()
    assert loaded.env_spec.id == BANDIT_ID


def test_the_share_within_each_radius_is_that_of_the_actions():
    actions = bandit.draw_actions(100_000, np.random.default_rng(0))
    radius = np.array([0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.83, 0.95, 1.4])
    counted = [(np.linalg.norm(actions, axis=1) <= x).mean() for x in radius]
    np.testing.assert_allclose(bandit.radius_cdf(radius), counted, atol=0.006)
    assert bandit.radius_cdf(np.array(0.5)) == pytest.approx(0.2)
    assert bandit.radius_cdf(np.array(1.0)) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("ring", "centre"), [(0.8, 0.2), (0.0, 1.0), (1.0, 0.0), (0.5, 0.3), (0.0, 0.0)]
)
@pytest.mark.parametrize("level", [0.1, 0.5, 1.0])
def test_cvar_of_shares_is_that_of_rewards(ring, centre, level):
    size = 400_000
    counts = (np.array([ring, centre, 1.0 - ring - centre]) * size).round().astype(int)
    actions = np.repeat([[0.8, 0.0], [0.0, 0.0], [0.5, 0.0]], counts, axis=0)
    rewards = bandit.draw_rewards(actions, np.random.default_rng(0))
    exact = bandit.cvar_of_shares(ring, centre, level)
    np.testing.assert_allclose(exact, cvar(rewards, level), atol=0.1)
    low, high = bandit.reward_range()
    assert low <= exact <= high
