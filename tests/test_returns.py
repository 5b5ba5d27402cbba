"""Episodes in a dataset: their ends, their returns and the range of these."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.returns import steps_to_end


def episodes(rewards, terminated):
    """One dataset of several episodes, given their rewards and how each ends."""
    reward = np.concatenate(rewards).astype(np.float32)
    last = np.cumsum([len(x) for x in rewards]) - 1
    ends, flags = np.zeros(len(reward), bool), np.zeros(len(reward), np.float32)
    ends[last], flags[last] = True, terminated
    row = np.arange(len(reward), dtype=np.float32)[:, None]
    steps = steps_to_end(ends).astype(np.float32)
    return rj.Transition(row, 0.0 * row, reward, row + 1.0, flags, steps)


def test_steps_count_down_to_the_end_of_each_episode_and_of_the_data():
    ends = np.array([False, True, True, False, False])
    np.testing.assert_array_equal(steps_to_end(ends), [2, 1, 1, 2, 1])


def test_a_return_is_the_discounted_sum_to_the_end():
    dataset = episodes([[1.0, 2.0, 4.0], [8.0]], [1, 1])
    found = rj.discounted_returns(dataset, 0.5)
    np.testing.assert_allclose(found, [1 + 1 + 1, 2 + 2, 4, 8])


def test_a_constant_reward_has_its_return_wherever_it_is_cut():
    dataset = episodes([[3.0] * 4, [3.0] * 9], [0, 0])
    found = rj.discounted_returns(dataset, 0.9)
    np.testing.assert_allclose(found, 30.0, rtol=1e-6)


def test_a_cut_episode_goes_on_with_the_mean_return():
    """The mean of a row's return is then the mean of r + gamma (next return)."""
    dataset = episodes([[1.0, 5.0], [2.0, 0.0, 7.0], [4.0]], [0, 1, 0])
    found = rj.discounted_returns(dataset, 0.5)
    mean = found.mean()
    np.testing.assert_allclose(
        found,
        [1 + 2.5 + mean / 4, 5 + mean / 2, 2 + 7 / 4, 3.5, 7, 4 + mean / 2],
        rtol=1e-6,
    )


def test_short_records_of_a_chain_have_the_range_of_long_ones():
    """Reward .3, or -5 in one step of 50: 90 % of the returns lie in [9.4, 27]."""
    rng = np.random.default_rng(0)
    reward = np.where(rng.random(40_000) < 0.02, -5.0, 0.3)
    long = rj.value_range(episodes(reward.reshape(-1, 1000), np.zeros(40)), 0.99)
    short = rj.value_range(episodes(reward.reshape(-1, 4), np.zeros(10_000)), 0.99)
    assert long[0] < short[0] < 19.35 < short[1] < long[1]


def test_the_range_is_wider_than_the_returns_and_ignores_the_very_rare():
    returns = np.zeros(100_000)
    returns[::2] = 8.0
    returns[:5] = 1e6  # a share of 5e-5
    dataset = episodes([[x] for x in returns], np.ones(len(returns)))
    np.testing.assert_allclose(rj.value_range(dataset, 0.99), (-2.0, 10.0))


def test_returns_that_are_all_alike_have_a_range():
    dataset = episodes([[7.0], [7.0]], [1, 1])
    assert rj.value_range(dataset, 0.99) == (6.0, 8.0)
    cut = episodes([[1.0] * 100] * 2, [0, 0])  # 100, but for rounding
    np.testing.assert_allclose(rj.value_range(cut, 0.99), (99.0, 101.0))


def test_a_discount_of_one_needs_episodes_that_end():
    ended = episodes([[1.0, 2.0]], [1])
    np.testing.assert_allclose(rj.discounted_returns(ended, 1.0), [3.0, 2.0])
    with pytest.raises(rj.InputError, match="1 episodes were cut off"):
        rj.value_range(ended._replace(terminated=np.zeros(2)), 1.0)
    with pytest.raises(rj.InputError, match="give Transition.steps"):
        rj.value_range(ended._replace(steps=None), 0.5)


# Rows of a batch that join several steps.


def drawn(dataset, target_steps, rows):
    """The batch of exactly these rows."""
    batch = rj.sample_batch(dataset, jax.random.key(0), 4000, target_steps)
    first = np.asarray(batch.observation)[:, 0].astype(int)
    picked = [np.flatnonzero(first == row)[0] for row in rows]
    return jax.tree.map(lambda x: np.asarray(x)[picked], batch)


DATASET = episodes([[1.0, 2.0, 4.0], [8.0, 16.0, 32.0, 64.0]], [1, 0])


def test_a_row_joins_steps_until_its_episode_ends():
    """The first episode is terminated; the second was cut off, so it is continued."""
    batch = drawn(DATASET, 3, range(7))
    np.testing.assert_array_equal(
        batch.reward,
        [
            [1, 2, 4],
            [2, 4, 0],
            [4, 0, 0],
            [8, 16, 32],
            [16, 32, 64],
            [32, 64, 0],
            [64, 0, 0],
        ],
    )
    np.testing.assert_array_equal(batch.steps, [3, 2, 1, 3, 3, 2, 1])
    np.testing.assert_array_equal(batch.terminated, [1, 1, 1, 0, 0, 0, 0])
    np.testing.assert_array_equal(batch.next_observation[:, 0], [3, 3, 3, 6, 7, 7, 7])


def test_single_steps_are_the_rows_themselves():
    batch = drawn(DATASET, 1, range(7))
    assert batch.steps is None
    np.testing.assert_array_equal(batch.reward, DATASET.reward)
    np.testing.assert_array_equal(batch.next_observation, DATASET.next_observation)


@pytest.mark.parametrize("discount", [0.0, 0.5, 1.0])
def test_joined_steps_have_the_value_of_single_steps_taken_in_turn(discount):
    """r_0 + gamma (r_1 + gamma (r_2 + gamma V)), for each number of steps."""
    reward = jnp.array([[1.0, 2.0, 4.0], [1.0, 2.0, 0.0], [1.0, 0.0, 0.0]])
    steps = jnp.array([3.0, 2.0, 1.0])
    total, weight = rj.losses.join_steps(reward, steps, discount)
    for row in range(3):
        value = 10.0
        for r in reward[row, : int(steps[row])][::-1]:
            value = r + discount * value
        np.testing.assert_allclose(total[row] + weight[row] * 10.0, value)


def test_joining_needs_to_know_where_episodes_end():
    with pytest.raises(rj.InputError, match="target_steps is 2 and the dataset does"):
        drawn(DATASET._replace(steps=None), 2, [0])


@pytest.mark.parametrize("target_lambda", [0.0, 0.4, 1.0])
def test_the_mean_target_is_the_lambda_return(target_lambda):
    """(1 - l) (G_1 + l G_2) + l^2 G_3, where G_n is the target of n steps."""
    dataset = episodes([[1.0, 2.0, 4.0, 0.0]], [1])
    value, discount = np.array([0.0, 3.0, 5.0, 7.0]), 0.9
    batch = rj.sample_batch(dataset, jax.random.key(0), 40_000, 3, target_lambda)
    rows = jax.tree.map(lambda x: x[np.asarray(batch.observation)[:, 0] == 0], batch)
    total, weight = rj.losses.join_steps(rows.reward, rows.steps, discount)
    after = value[np.asarray(rows.next_observation)[:, 0].astype(int)]
    targets = np.asarray(total + weight * after)
    returns = [
        sum(discount**k * r for k, r in enumerate([1.0, 2.0, 4.0][:n]))
        + discount**n * value[n]
        for n in (1, 2, 3)
    ]
    chances = [1 - target_lambda, target_lambda - target_lambda**2, target_lambda**2]
    error = 4.0 * targets.std() / np.sqrt(len(targets))
    np.testing.assert_allclose(
        targets.mean(), np.dot(chances, returns), rtol=1e-6, atol=error
    )
