"""A batch that several share is learned from as the whole batch is."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax import training
from ramac_jax.actors import BUILDERS
from ramac_jax.compute import data_parallel as sharing

KEY = jax.random.key(3)
KNOBS = rj.Hyperparams(
    risk_weight=1.0, conservative_weight=0.5, critic_learning_rate=1e-2
)
AXIS = "shares"


def cut(batch, shares):
    return jax.tree.map(lambda x: x.reshape(shares, -1, *x.shape[1:]), batch)


def update_in_shares(agent, state, batch, shares):
    """What each share comes to, on a leading axis."""
    update = partial(agent.shared_update, axis_name=AXIS)
    mapped = jax.vmap(update, (None, 0, None, None), axis_name=AXIS)
    return jax.jit(mapped)(state, cut(batch, shares), KEY, KNOBS)


@pytest.fixture
def close_to_whole(make_batch, close, distance):
    """Compare an update in shares with that of the whole batch."""

    def compare(agent, shares):
        batch = make_batch(8)
        state = agent.init(KEY, batch)
        louder = jax.tree.map(lambda x: 30.0 * x, state.critic_params)
        state = state._replace(critic_params=louder)  # its last layer starts silent
        whole = jax.jit(agent.update)(state, batch, KEY, KNOBS)
        found = update_in_shares(agent, state, batch, shares)
        for share in range(shares):
            one = jax.tree.map(lambda x, share=share: x[share], found)
            close(one, whole, atol=2e-5, rtol=1e-3)
        assert distance(whole[0].actor_params, state.actor_params) > 1e-4
        return whole[1]

    return compare


@pytest.mark.parametrize("name", BUILDERS)
def test_shares_act_and_clone_as_the_whole_batch_does(name, make_actor, make_batch):
    actor, batch = make_actor(name), make_batch(8)
    params = actor.init(KEY, batch.observation, batch.action)

    def both(observation, action, axis_name=None):
        sampled = sharing.sample(actor, params, observation, KEY, axis_name)
        loss = sharing.bc_loss(actor, params, observation, action, KEY, axis_name)
        return sampled, sharing.mean_of_shares(loss, axis_name)

    pair = batch.observation, batch.action
    actions, loss = jax.jit(both)(*pair)
    shared = jax.vmap(partial(both, axis_name=AXIS), axis_name=AXIS)
    found, losses = jax.jit(shared)(*cut(pair, 2))
    np.testing.assert_allclose(found.reshape(actions.shape), actions, 1e-4, 1e-5)
    np.testing.assert_allclose(losses, [loss, loss], 1e-4)
    assert np.std(actions) > 1e-3


@pytest.mark.parametrize("options", [{}, {"block_size": 2}])
def test_shares_agree_on_everything_that_is_a_mean(options, make_actor, close_to_whole):
    agent = rj.ramac(
        make_actor("flow"),
        rj.iqn_critic(width=8, embedding_width=8, num_cosines=4),
        num_quantiles=4,
        num_risk_quantiles=2,
        conservative=rj.losses.quantile_gap,
        num_candidates=2,
        normalize_value=True,
        **options,
    )
    metrics = close_to_whole(agent, 2)
    assert metrics["conservative_gap"] != 0.0 and metrics["risk_value"] != 0.0


def test_every_row_has_the_noise_that_it_has_in_the_whole_batch(make_actor):
    actor = make_actor("diffusion")
    observation = jnp.ones((8, 3))
    whole = actor.draw_noise(observation, KEY)
    draw = partial(sharing.own_noise, actor.draw_noise, key=KEY, axis_name=AXIS)
    shares = jax.vmap(draw, axis_name=AXIS)(cut(observation, 4))
    assert shares.shape == (4, 2, 2, 2)  # shares, T, rows, A
    np.testing.assert_array_equal(np.concatenate(shares, axis=1), whole)


def test_shares_of_a_batch_are_its_rows_in_order(make_batch):
    dataset = make_batch(16)
    whole = rj.sample_batch(dataset, KEY, 8)

    def share(_):
        return rj.sample_batch(dataset, KEY, 8, AXIS)

    shares = jax.vmap(share, axis_name=AXIS)(jnp.arange(2))
    for found, expected in zip(shares, cut(whole, 2), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_run_in_shares_is_the_run(make_agent, make_batch, close):
    agent, dataset = make_agent("flow"), make_batch(16)
    state = agent.init(KEY, dataset)
    run = partial(rj.train, agent, num_steps=3, batch_size=8)
    arguments = state, dataset, KEY, KNOBS
    whole = jax.jit(run)(*arguments)
    alike = jax.vmap(
        partial(run, axis_name=AXIS), (None,) * 4, axis_size=2, axis_name=AXIS
    )
    found = jax.jit(alike)(*arguments)
    for share in range(2):
        one = jax.tree.map(lambda x, share=share: x[share], found)
        close(one, whole, atol=1e-4, rtol=1e-3)


@pytest.fixture(scope="module")
def broken_and_sound(make_agent, make_batch):
    """Two shares' runs on data of which one row is infinite, and on sound data."""
    agent, dataset = make_agent("flow"), make_batch(16)
    state = agent.init(KEY, dataset)
    run = partial(training.advance, agent, num_steps=4, batch_size=2, axis_name=AXIS)
    metric_sums = training.zero_metric_sums(agent, state, dataset, KNOBS, 2)
    alike = jax.jit(jax.vmap(run, (None,) * 5, axis_size=2, axis_name=AXIS))
    infinite = dataset._replace(reward=dataset.reward.at[3].set(jnp.nan))
    return [
        alike(state, metric_sums, data, KEY, KNOBS) for data in (infinite, dataset)
    ], (
        agent,
        state,
        metric_sums,
        infinite,
    )


def test_an_update_that_one_share_would_refuse_all_refuse(broken_and_sound, close):
    (broken, sound), (agent, state, metric_sums, infinite) = broken_and_sound
    assert sound[0].step.tolist() == [4, 4]
    steps = broken[0].step.tolist()
    assert steps[0] == steps[1] < 4
    run = partial(training.advance, agent, num_steps=4, batch_size=2)
    whole = jax.jit(run)(state, metric_sums, infinite, KEY, KNOBS)
    assert whole[0].step == steps[0]
    for share in range(2):
        close(jax.tree.map(lambda x, i=share: x[i], broken), whole, 1e-4, 1e-3)


def test_a_map_that_would_add_the_gradients_up_is_refused(make_agent, make_batch):
    agent, batch = make_agent("flow"), make_batch(8)
    state = agent.init(KEY, batch)
    mesh = jax.make_mesh((1,), (AXIS,))
    update = partial(agent.shared_update, axis_name=AXIS)
    spec = jax.sharding.PartitionSpec()
    mapped = partial(jax.shard_map, update, mesh=mesh, in_specs=spec, out_specs=spec)
    with pytest.raises(rj.InputError, match="give jax.shard_map check_vma=False"):
        jax.eval_shape(mapped(), state, batch, KEY, KNOBS)
    jax.eval_shape(mapped(check_vma=False), state, batch, KEY, KNOBS)


def test_shares_that_cannot_be_are_refused(make_agent, make_batch):
    agent, batch = make_agent("flow"), make_batch(9)
    state = agent.init(KEY, batch)
    run = partial(rj.train, agent, num_steps=1, batch_size=9, axis_name=AXIS)
    alike = jax.vmap(run, (None,) * 4, axis_size=2, axis_name=AXIS)
    with pytest.raises(rj.InputError, match="9 rows cannot be in 2 equal shares"):
        alike(state, batch, KEY, KNOBS)
    alone = rj.ramac(
        rj.Actor(lambda *_: jnp.zeros(1), None, None), rj.constant_critic()
    )
    with pytest.raises(rj.InputError, match="keeps its noise to itself"):
        training.update_along(alone, AXIS)
