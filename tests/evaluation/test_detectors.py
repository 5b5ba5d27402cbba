"""Detectors of out-of-distribution actions, where the truth is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import ramac_jax as rj
from ramac_jax.envs import bandit
from ramac_jax.evaluation import density_detector, nearest_detector
from ramac_jax.evaluation.detectors import BANDWIDTHS


def steps(observation, action):
    observation, action = np.asarray(observation, float), np.asarray(action, float)
    row = np.zeros(len(action))
    return rj.Transition(observation, action, row, observation, row)


def by_hand(data, held_out, **options):
    """The nearest neighbour with loops."""
    unit = data.observation.std(axis=0)
    unit[2] = np.inf
    count = options["num_neighbours"]

    def score(s, a):
        apart = np.linalg.norm((data.observation - s) / unit, axis=1)
        near = np.argsort(apart)[:count]
        return np.min(np.linalg.norm(data.action[near] - a, axis=1))

    return np.array([score(*pair) for pair in zip(*held_out[:2], strict=True)])


@pytest.fixture(scope="module")
def walk():
    """Actions that follow two of three coordinates of the state.

    The state is far from 0 compared to its variation.
    """
    rng = np.random.default_rng(0)
    observation = rng.normal(size=(3000, 3)) * [1.0, 5.0, 0.0]
    action = np.tanh(observation[:, :2] / [1.0, 5.0])
    action += 0.05 * rng.normal(size=(3000, 2))
    observation += [1e3, -1e4, 0.1]
    parts = (slice(0, 2000), slice(2000, 3000))
    return tuple(steps(observation[part], action[part]) for part in parts)


@pytest.mark.parametrize("count", [1, 7, 2000])
def test_the_nearest_action_is_that_of_loops(walk, count):
    data, held_out = walk
    some = jax.tree.map(lambda x: x[:200], held_out)
    detector = nearest_detector(data, some, num_neighbours=count, kappa=1.2)
    expected = by_hand(data, some, num_neighbours=count)
    found = detector.score(some.observation, some.action)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    assert detector.threshold == pytest.approx(1.2 * np.median(expected), rel=1e-3)
    flagged = expected > 1.2 * np.median(expected)
    assert 0.2 < flagged.mean() < 0.5
    assert detector.false_positive_rate == pytest.approx(flagged.mean(), abs=0.01)


def test_the_density_is_that_of_normal_kernels(walk):
    data, held_out = walk
    detector = density_detector(data, held_out, num_neighbours=2000)
    kernels = scipy.stats.multivariate_normal(cov=detector.bandwidth**2 * np.eye(2))
    action = np.asarray(held_out.action[:50])
    expected = [-np.log(np.mean(kernels.pdf(data.action - a))) for a in action]
    found = detector.score(held_out.observation[:50], action)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_the_bandwidth_makes_the_held_out_data_most_likely(walk):
    data, held_out = walk
    chosen = density_detector(data, held_out)
    scores = [
        float(jnp.mean(chosen._replace(bandwidth=width).score(*held_out[:2])))
        for width in BANDWIDTHS
    ]
    assert chosen.bandwidth == pytest.approx(BANDWIDTHS[np.argmin(scores)])
    assert BANDWIDTHS[0] < chosen.bandwidth < BANDWIDTHS[-1]


@pytest.mark.parametrize("build", [nearest_detector, density_detector])
def test_an_action_of_another_state_is_out_of_distribution(walk, build):
    """The action is usual for the data, but not at its state."""
    data, held_out = walk
    detector = build(data, held_out, num_neighbours=50)
    observation = held_out.observation[:300]
    clear = np.abs(np.tanh(observation[:, 0] - 1e3)) > 0.5
    elsewhere = np.array(held_out.action[:300]) * [-1.0, 1.0]
    assert detector(observation, elsewhere)[clear].mean() > 0.95
    blind = build(data, held_out, num_neighbours=len(data.action))
    assert blind(observation, elsewhere)[clear].mean() < 0.2


@pytest.mark.parametrize("rate", [0.01, 0.1])
def test_the_false_positive_rate_holds_on_fresh_data(walk, rate):
    data, both = walk
    halves = (slice(0, 500), slice(500, 1000))
    held_out, fresh = (
        jax.tree.map(lambda x, part=part: x[part], both) for part in halves
    )
    detector = density_detector(data, held_out, false_positive_rate=rate)
    assert detector.false_positive_rate == pytest.approx(rate, abs=0.003)
    alarms = detector(fresh.observation, fresh.action).mean()
    assert abs(alarms - rate) < 4.0 * np.sqrt(2.0 * rate / 500)


def bandit_pulls(size, seed):
    action = bandit.draw_actions(size, np.random.default_rng(seed))
    return steps(np.zeros((size, 1)), action)


@pytest.mark.parametrize("build", [nearest_detector, density_detector])
def test_on_the_bandit_few_ood_actions_are_missed_and_only_rims_are_flagged(build):
    data, held_out = bandit_pulls(10_000, 0), bandit_pulls(2000, 1)
    detector = build(data, held_out, num_neighbours=10_000)
    action = np.random.default_rng(2).uniform(-1.0, 1.0, (4000, 2))
    outside = ~(bandit.on_ring(action) | bandit.in_centre(action))
    assert 0.4 < outside.mean() < 0.8
    flagged = detector(np.zeros((4000, 1)), action)
    precision, recall = outside[flagged].mean(), flagged[outside].mean()
    # The rims of the modes have few data and are flagged as the gap is.
    assert precision > 0.8 and recall > 0.99, (precision, recall)


def test_data_that_do_not_fit_are_refused(walk):
    data, held_out = walk
    none = jax.tree.map(lambda x: x[:0], held_out)
    narrow = held_out._replace(action=held_out.action[:, :1])
    for build in (nearest_detector, density_detector):
        with pytest.raises(rj.InputError, match="other widths"):
            build(data, narrow)
        with pytest.raises(rj.InputError, match="none held out"):
            build(data, none)
        for count in (0, 2001):
            with pytest.raises(
                rj.InputError, match=f"num_neighbours is {count}: give 1"
            ):
                build(data, held_out, num_neighbours=count)
    with pytest.raises(rj.InputError, match=r"kappa is 0\.0: give a positive"):
        nearest_detector(data, held_out, kappa=0.0)
    with pytest.raises(rj.InputError, match=r"false_positive_rate is 1\.0: give one"):
        density_detector(data, held_out, false_positive_rate=1.0)


@pytest.mark.parametrize("build", [nearest_detector, density_detector])
def test_a_pair_that_is_not_finite_is_out_of_distribution(walk, build):
    data, held_out = walk
    detector = build(data, held_out)
    observation, action = (np.array(x[:3]) for x in held_out[:2])
    action[1], observation[2] = np.nan, np.inf
    assert detector(observation, action)[1:].all()
    broken = data._replace(action=np.full_like(data.action, np.nan))
    for both in ((broken, held_out), (data, broken)):
        with pytest.raises(rj.InputError, match="are not finite"):
            build(*both)


def test_pairs_of_other_widths_are_refused(walk):
    detector = nearest_detector(*walk)
    observation, action = walk[1][:2]
    for pair, message in [
        ((observation[:4], action[:4, :1]), r"action has shape \[4, 1\]: it must be"),
        ((observation[:4, :1], action[:4]), r"observation has shape \[4, 1\]"),
        ((observation[:3], action[:4]), r"observation has shape \[3, 3\]"),
        ((observation[0], action[0]), "observation has shape"),
    ]:
        with pytest.raises(rj.InputError, match=message):
            detector(*pair)


def test_held_out_data_that_are_in_the_data_are_refused(walk):
    data = walk[0]
    with pytest.raises(rj.InputError, match="half of the held-out actions are among"):
        nearest_detector(data, data, num_neighbours=len(data.action))
