"""A checkpoint of an actor without a registered name needs that actor to act."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax import policy as checkpoints
from ramac_jax.actors.perturbed import perturbed_actor
from ramac_jax.normalization import normalize_observation, unscale_action
from tests.policy.populations import OBSERVATION, OPTIONS, SCALING, assert_same


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A checkpoint of an actor that has no registered name."""
    actor = own_actor()
    shapes = jax.eval_shape(actor.init, jax.random.key(0), jnp.ones(3), jnp.ones(2))
    draw = np.random.default_rng(1)
    params = jax.tree.map(
        lambda x: jnp.asarray(draw.normal(size=(2, *x.shape)), x.dtype), shapes
    )
    states = rj.State(
        actor_params=params,
        target_actor_params=params,
        critic_params={},
        target_critic_params={},
        actor_opt_state={},
        critic_opt_state={},
        step=jnp.zeros(2, jnp.int32),
    )
    folder = tmp_path_factory.mktemp("own") / "checkpoint"
    checkpoints.save_policy(folder, states, checkpoints.PolicySpec(scaling=SCALING))
    return folder, params


def own_actor(width=8):
    return perturbed_actor(rj.flow_actor(2, 2, widths=(8,)), widths=(width,))


def test_an_actor_of_ones_own_is_saved_and_loaded(own):
    folder, params = own
    actor, key = own_actor(), jax.random.key(3)
    policy = checkpoints.load_policy(folder, actor=actor)
    assert policy.spec.actor is None
    assert_same(policy.params, params)
    scaled = normalize_observation(SCALING, jnp.asarray(OBSERVATION, jnp.float32))
    second = jax.tree.map(lambda x: x[1], params)
    expected = unscale_action(SCALING, actor.sample(second, scaled, key))
    np.testing.assert_array_equal(policy(OBSERVATION, key, 1), expected)


def test_an_actor_of_ones_own_must_be_given(own):
    with pytest.raises(
        rj.InputError, match=r"give load_policy\(folder, actor=\.\.\.\)"
    ):
        checkpoints.load_policy(own[0])


def broken_actor():
    def init(key, observation, action):
        raise KeyError("no such layer")

    return own_actor()._replace(init=init)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: own_actor(width=9),
            r"actor_params/perturbation/Dense_0/bias is float32\[2, 8\] where "
            r"float32\[2, 9\] is expected",
        ),
        (lambda: rj.flow_actor(2, 2, widths=(8,)), r"is nothing where float32\[2, "),
        (lambda: own_actor()._replace(init=lambda *_: {}), "where nothing is expected"),
        (broken_actor, "'no such layer'"),
    ],
)
def test_an_actor_of_other_shapes_is_refused(own, make, message):
    with pytest.raises(rj.InputError, match=message) as refused:
        checkpoints.load_policy(own[0], actor=make())
    assert str(refused.value).startswith(
        f"checkpoint {own[0]} and the actor do not fit: "
    )
    assert "\n" not in str(refused.value)


def test_an_actor_given_acts_in_place_of_a_registered_one(flow):
    actor = rj.flow_actor(2, **OPTIONS["flow"])
    assert checkpoints.load_policy(flow[0], actor=actor).actor is actor
