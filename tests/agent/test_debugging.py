"""Programs that embed the update under the debugging switches of JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax import guard, normalization
from ramac_jax.losses import quantile_gap
from ramac_jax.registry import ACTORS, HEADS, RISK_MEASURES

pytestmark = pytest.mark.slow

KEY = jax.random.key(3)
IQN = {"width": 8, "embedding_width": 8, "num_cosines": 4}
CATEGORICAL = {"widths": (8,), "num_atoms": 7}
CRITICS = {
    **{head: rj.iqn_critic(**IQN, head=entry.load()) for head, entry in HEADS.items()},
    "quantile-bfloat16": rj.iqn_critic(**IQN, dtype="bfloat16"),
    "categorical": rj.categorical_critic(-3.0, 3.0, **CATEGORICAL),
    "categorical-bfloat16": rj.categorical_critic(
        -3.0, 3.0, **CATEGORICAL, dtype="bfloat16"
    ),
    "value": rj.value_critic(widths=(8,)),
    "constant": rj.constant_critic(),
}


@pytest.fixture(autouse=True)
def no_axes_of_its_own():
    """JAX raises where the ranks of two operands differ."""
    with jax.numpy_rank_promotion("raise"):
        yield


def trace_update(agent, batch):
    """Trace an update, and return the shapes of its state; nothing is compiled."""
    state = jax.eval_shape(agent.init, KEY, batch)
    jax.eval_shape(agent.update, state, batch, KEY, rj.Hyperparams())
    return state


def trace_all(agent, batch):
    """Trace whatever a program can ask of an agent; nothing is compiled."""
    state = trace_update(agent, batch)
    joined = batch._replace(reward=jnp.ones((8, 3)), steps=jnp.full(8, 3.0))
    jax.eval_shape(agent.update, state, joined, KEY, rj.Hyperparams())
    for observation in (batch.observation, batch.observation[0]):
        for options in ({}, {"num_candidates": 3, "risk_level": 0.1}):

            def act(state, observation, key, options=options):
                return agent.act(state, observation, key, **options)

            jax.eval_shape(act, state, observation, KEY)


def test_every_actor_writes_its_axes_out(actor_name, make_agent, make_batch):
    trace_all(make_agent(actor_name), make_batch())
    if ACTORS[actor_name].takes_dtype:
        trace_all(make_agent(actor_name, dtype="bfloat16"), make_batch())


@pytest.mark.parametrize("critic", CRITICS.values(), ids=CRITICS.keys())
def test_every_critic_writes_its_axes_out(critic, make_actor, make_batch):
    actor, batch = make_actor("gaussian"), make_batch()
    trace_all(rj.ramac_agent(actor, critic, num_quantiles=4), batch)
    conservative = {"conservative": quantile_gap, "num_candidates": 2}
    for options in (conservative, {"micro_batch": lambda rows, fractions: 4}):
        trace_update(rj.ramac_agent(actor, critic, num_quantiles=4, **options), batch)


@pytest.mark.parametrize("measure", RISK_MEASURES)
def test_every_risk_measure_writes_its_axes_out(measure):
    read = RISK_MEASURES[measure].load()
    assert jax.eval_shape(read, jnp.ones(4), jnp.float32(0.5)).shape == (4,)


def test_a_sweep_of_shared_batches_writes_its_axes_out(make_agent, make_batch):
    agent = make_agent()._replace(target_steps=2)
    dataset = make_batch()._replace(steps=jnp.asarray([4, 3, 2, 1] * 2))
    train = rj.make_train(rj.data_parallel(agent, "shards"), num_steps=2, batch_size=4)
    hyperparams = rj.grid(rj.Hyperparams(), risk_level=[0.1, 0.5])
    states = jax.eval_shape(
        jax.vmap(agent.init, (0, None)), jax.random.split(KEY, 2), dataset
    )

    def everyone(states, hyperparams):
        each = jax.vmap(train, (0, None, None, 0))
        shards = jax.vmap(each, (None,) * 4, axis_name="shards", axis_size=2)
        return shards(states, dataset, KEY, hyperparams)

    assert jax.eval_shape(everyone, states, hyperparams)[0].step.shape == (2, 2)


def test_units_and_guard_write_their_axes_out():
    scaling = normalization.Scaling(
        observation_mean=jnp.array([1.0, 2.0]),
        observation_std=jnp.array([2.0, 4.0]),
        action_low=jnp.array([0.0]),
        action_high=jnp.array([4.0]),
    )
    seen = jnp.array([[[3.0, 10.0]]])
    np.testing.assert_array_equal(
        normalization.normalize_observation(scaling, seen), [[[1.0, 2.0]]]
    )
    action = jnp.array([[[0.5]]])
    np.testing.assert_array_equal(
        normalization.unscale_action(scaling, action), [[[3.0]]]
    )
    np.testing.assert_array_equal(
        normalization.scale_action(scaling, jnp.array([[[3.0]]])), action
    )
    known = guard.Guard(*scaling[:2], threshold=jnp.float32(3.0))
    np.testing.assert_array_equal(guard.ood_score(known, seen), [[2.0]])
