"""A policy reports observations that are unlike those it was trained on."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.guard import SHARE_ABOVE, STD_FLOOR, Guard, measure_guard, ood_score
from ramac_jax.policy import OODWarning, load_policy, save_policy
from tests.policy.populations import OBSERVATION, population

GUARD = Guard(
    mean=jnp.array([1.0, 2.0, 3.0]),
    std=jnp.array([0.5, 1.0, 2.0]),
    threshold=jnp.float32(3.0),
)


def test_the_score_is_the_largest_deviation_of_a_coordinate():
    observation = jnp.array([[1.0, 2.0, 3.0], [0.0, 5.0, 4.0], [1.0, 2.0, -7.0]])
    np.testing.assert_allclose(ood_score(GUARD, observation), [0.0, 3.0, 5.0])
    broken = jnp.array([[1.0, jnp.nan, 3.0], [1.0, 2.0, jnp.inf], [1.0, 2.0, 3.0]])
    np.testing.assert_array_equal(ood_score(GUARD, broken), [jnp.inf, jnp.inf, 0.0])
    np.testing.assert_array_equal(ood_score(None, broken), [jnp.inf, jnp.inf, 0.0])


def test_a_guard_is_measured_so_that_a_known_share_of_the_data_is_above():
    draw = np.random.default_rng(0)
    data = draw.normal(size=(50_000, 3)) * [2.0, 0.1, 0.0] + [5.0, -1.0, 7.0]
    guard = measure_guard(data)
    np.testing.assert_allclose(guard.mean, [5.0, -1.0, 7.0], atol=0.05)
    np.testing.assert_allclose(guard.std, [2.0, 0.1, STD_FLOOR], rtol=0.02)
    score = ood_score(guard, jnp.asarray(data, jnp.float32))
    assert float((score > guard.threshold).mean()) == pytest.approx(SHARE_ABOVE, 0.05)
    # A coordinate that never changes in the data is watched most closely.
    assert ood_score(guard, jnp.array([5.0, -1.0, 7.5])) > 100 * guard.threshold


@pytest.mark.parametrize("data", [np.zeros((0, 3)), np.full((4, 3), np.nan), [1.0]])
def test_a_guard_of_no_data_is_refused(data):
    with pytest.raises(rj.InputError, match="needs finite observations"):
        measure_guard(data)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    spec, _, states = population("flow")
    folder = tmp_path_factory.mktemp("guarded") / "checkpoint"
    save_policy(folder, states, spec._replace(guard=GUARD))
    return load_policy(folder)


def test_a_guard_is_saved_and_read_bit_for_bit(guarded):
    for read, written in zip(guarded.spec.guard, GUARD, strict=True):
        np.testing.assert_array_equal(read, written)


def test_a_policy_acts_and_warns_far_from_its_data(guarded):
    key = jax.random.key(0)
    near = np.asarray(GUARD.mean)[None]
    with warnings.catch_warnings():
        warnings.simplefilter("error", OODWarning)
        guarded(near, key)
    message = r"1 of 2 observations are far .* 5 deviations .* 99.9% .* within 3"
    with pytest.warns(OODWarning, match=message):
        action = guarded(OBSERVATION, key)
    assert action.shape == (2, 2)
    np.testing.assert_allclose(guarded.ood_score(OBSERVATION), [5.0, 2.0], rtol=1e-5)


def test_a_policy_does_not_act_on_what_is_not_finite(guarded):
    for fault in (np.nan, np.inf):
        broken = OBSERVATION.copy()
        broken[0, 1] = fault
        with pytest.raises(rj.InputError, match="an observation is not finite"):
            guarded(broken, jax.random.key(0))


def test_a_compiled_policy_leaves_the_check_to_the_score(guarded):
    act = jax.jit(lambda x: (guarded(x, jax.random.key(0)), guarded.ood_score(x)))
    _, score = act(np.full((1, 3), np.nan))
    np.testing.assert_array_equal(score, [np.inf])
