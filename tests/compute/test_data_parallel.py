"""Devices that share a batch learn from it what one device does."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax import training
from ramac_jax.compute.data_parallel import data_parallel, own_rows
from ramac_jax.registry import ACTORS
from ramac_jax.types import Noise

pytestmark = pytest.mark.slow

KEY = jax.random.key(3)
HYPERPARAMS = rj.Hyperparams(
    risk_weight=1.0,
    conservative_weight=0.5,
    ood_weight=0.5,
    critic_learning_rate=1e-2,
)
AXIS = "shards"


def on_devices(function, num_arguments, count):
    """Run a function with the same arguments on `count` devices, side by side."""
    axes = (None,) * num_arguments
    return jax.jit(jax.vmap(function, axes, axis_size=count, axis_name=AXIS))


def device(tree, index):
    return jax.tree.map(lambda x: x[index], tree)


def with_loud_critics(state):
    """The last layer of fresh critics is almost silent."""
    louder = jax.tree.map(lambda x: 30.0 * x, state.critic_params)
    return state._replace(critic_params=louder)


@pytest.fixture
def compare_with_one_device(make_batch, close, distance):
    """Compare a shared update with the update of the whole batch; its metrics."""

    def compare(agent, count):
        batch = make_batch(8)
        state = with_loud_critics(agent.init(KEY, batch))
        arguments = state, batch, KEY, HYPERPARAMS
        whole = jax.jit(agent.update)(*arguments)
        found = on_devices(data_parallel(agent, AXIS).update, 4, count)(*arguments)
        for index in range(count):
            close(device(found, index), whole, atol=2e-5, rtol=1e-3)
        assert distance(whole[0].actor_params, state.actor_params) > 1e-4
        return whole[1]

    return compare


@pytest.mark.parametrize("name", ACTORS)
def test_shards_act_and_clone_as_the_whole_batch_does(name, make_actor, make_batch):
    actor, batch = make_actor(name), make_batch(8)
    params = actor.init(KEY, batch.observation, batch.action)
    noise = [
        draw(batch.observation, KEY) for draw in (actor.draw_noise, actor.draw_bc_noise)
    ]

    def act_and_clone(observation, action, noise):
        sampled = actor.sample_from_noise(params, observation, noise[0])
        return sampled, actor.bc_loss_from_noise(params, observation, action, noise[1])

    def on_shard(observation, action, noise):
        rows = own_rows((observation, action), AXIS)
        sampled, loss = act_and_clone(*rows, own_rows(noise, AXIS, axis=-2))
        return sampled, jax.lax.pmean(loss, AXIS)

    pair = batch.observation, batch.action
    actions, loss = jax.jit(act_and_clone)(*pair, noise)
    found, losses = on_devices(on_shard, 3, 2)(*pair, noise)
    np.testing.assert_allclose(found.reshape(actions.shape), actions, 1e-4, 1e-5)
    np.testing.assert_allclose(losses, [loss, loss], 1e-4)
    assert np.std(actions) > 1e-3


@pytest.mark.parametrize("num_rows", [None, 2])
def test_everything_that_is_a_mean_over_the_batch_is_a_mean_over_the_shards(
    num_rows, make_actor, compare_with_one_device
):
    agent = rj.ramac_agent(
        make_actor("flow"),
        rj.iqn_critic(width=8, embedding_width=8, num_cosines=4),
        num_quantiles=4,
        num_risk_quantiles=2,
        conservative=rj.losses.quantile_gap,
        num_candidates=2,
        normalize_value=True,
        micro_batch=lambda rows, fractions: num_rows,
    )
    metrics = compare_with_one_device(agent, 2)
    assert metrics["conservative_gap"] != 0.0 and metrics["risk_value"] != 0.0


def test_shards_make_up_the_actions_of_the_whole_batch(
    make_actor, compare_with_one_device
):
    critic = rj.categorical_critic(-2.0, 2.0, widths=(8,), num_atoms=5)
    agent = rj.ramac_agent(
        make_actor("flow"),
        critic,
        num_quantiles=4,
        independent_targets=True,
        ood_actions=True,
    )
    assert compare_with_one_device(agent, 2)["ood_loss"] > 0.0


def test_every_row_has_its_noise_of_the_whole_batch(make_actor):
    noise = make_actor("diffusion").draw_noise(jnp.ones((8, 3)), KEY)
    shards = on_devices(partial(own_rows, axis_name=AXIS, axis=-2), 1, 4)(noise)
    assert shards.shape == (4, 2, 2, 2)  # devices, T, rows, A
    np.testing.assert_array_equal(np.concatenate(shards, axis=1), noise)


def test_a_replaced_update_is_the_one_that_is_shared(make_agent, make_batch):
    """No path around `update_from_noise`, which a user may replace."""
    seen = []

    def replaced(state, batch, noise, hyperparams, mean):
        seen.append(len(batch.reward))
        return state, {"reward": mean(jnp.mean(batch.reward))}

    agent = make_agent("flow")._replace(update_from_noise=replaced)
    batch = make_batch(8)
    arguments = agent.init(KEY, batch), batch, KEY, HYPERPARAMS
    _, metrics = on_devices(data_parallel(agent, AXIS).update, 4, 2)(*arguments)
    assert seen == [4]
    np.testing.assert_allclose(metrics["reward"], [batch.reward.mean()] * 2, 1e-5)


def test_a_run_in_shards_is_the_run(make_agent, make_batch, close):
    agent, dataset = make_agent("flow"), make_batch(16)
    sizes = {"num_steps": 3, "batch_size": 8}
    arguments = agent.init(KEY, dataset), dataset, KEY, HYPERPARAMS
    whole = jax.jit(rj.make_train(agent, **sizes))(*arguments)
    shared = rj.make_train(data_parallel(agent, AXIS), **sizes)
    found = on_devices(shared, 4, 2)(*arguments)
    for index in range(2):
        close(device(found, index), whole, atol=1e-4, rtol=1e-3)


@pytest.fixture(scope="module")
def broken_and_sound(make_agent, make_batch):
    """Shared runs on data of which one row is infinite, and on sound data."""
    agent, dataset = make_agent("flow"), make_batch(16)
    state = agent.init(KEY, dataset)
    sums = training.zero_metric_sums(agent, state, dataset, HYPERPARAMS, 2)
    shared = data_parallel(agent, AXIS)
    run = partial(training.advance, shared, num_steps=4, batch_size=2)
    infinite = dataset._replace(reward=dataset.reward.at[3].set(jnp.nan))
    found = [
        on_devices(run, 5, 2)(state, sums, data, KEY, HYPERPARAMS)
        for data in (infinite, dataset)
    ]
    return found, (agent, state, sums, infinite)


def test_an_update_that_one_device_refuses_all_refuse(broken_and_sound, close):
    (broken, sound), (agent, state, sums, infinite) = broken_and_sound
    assert sound[0].step.tolist() == [4, 4]
    steps = broken[0].step.tolist()
    assert steps[0] == steps[1] < 4
    run = partial(training.advance, agent, num_steps=4, batch_size=2)
    whole = jax.jit(run)(state, sums, infinite, KEY, HYPERPARAMS)
    assert whole[0].step == steps[0]
    for index in range(2):
        close(device(broken, index), whole, 1e-4, 1e-3)


def test_a_map_that_would_add_the_gradients_up_is_refused(make_agent, make_batch):
    agent, batch = make_agent("flow"), make_batch(8)
    state = agent.init(KEY, batch)
    mesh = jax.make_mesh((1,), (AXIS,))
    update = data_parallel(agent, AXIS).update
    spec = jax.sharding.PartitionSpec()
    mapped = partial(jax.shard_map, update, mesh=mesh, in_specs=spec, out_specs=spec)
    with pytest.raises(rj.InputError, match="give jax.shard_map check_vma=False"):
        jax.eval_shape(mapped(), state, batch, KEY, HYPERPARAMS)
    jax.eval_shape(mapped(check_vma=False), state, batch, KEY, HYPERPARAMS)


def test_rows_that_cannot_be_split_equally_are_refused(make_agent, make_batch):
    agent, batch = make_agent("flow"), make_batch(9)
    arguments = agent.init(KEY, batch), batch, KEY, HYPERPARAMS
    update = on_devices(data_parallel(agent, AXIS).update, 4, 2)
    with pytest.raises(rj.InputError, match="9 rows cannot be split into 2 equal"):
        update(*arguments)


@pytest.mark.parametrize("shape", [(8,), (3, 8), (8, 3, 2)])
def test_noise_without_an_axis_of_rows_before_the_last_is_refused(
    shape, make_agent, make_batch
):
    """Rows of another axis would be cut off without a word."""
    agent, batch = make_agent("flow"), make_batch(8)
    agent = agent._replace(
        draw_noise=lambda batch, key: Noise(shared=None, rows=jnp.zeros(shape))
    )
    arguments = agent.init(KEY, batch), batch, KEY, HYPERPARAMS
    update = on_devices(data_parallel(agent, AXIS).update, 4, 2)
    with pytest.raises(rj.InputError, match=r"for 8 rows: draw it as \[..., 8, Z\]"):
        update(*arguments)


def test_noise_that_belongs_to_no_row_is_the_same_on_every_device(make_batch):
    """An agent of another kind may keep its key as shared noise."""
    agent = rj.Agent(
        init=lambda key, example: jnp.zeros(()),
        draw_noise=lambda batch, key: Noise(shared=key, rows=()),
        update_from_noise=lambda state, batch, noise, hyperparams, mean: (
            state + jax.random.uniform(noise.shared),
            {"reward": mean(jnp.mean(batch.reward))},
        ),
        act=lambda state, observation, key: observation,
        risk_measure=rj.risk.neutral,
    )
    arguments = jnp.zeros(()), make_batch(8), KEY, HYPERPARAMS
    states, _ = on_devices(data_parallel(agent, AXIS).update, 4, 2)(*arguments)
    np.testing.assert_array_equal(states, [jax.random.uniform(KEY)] * 2)


def test_a_jitted_update_is_traced_once_for_all_shared_runs(make_agent, make_batch):
    agent, batch, traces = make_agent(), make_batch(8), []

    @partial(jax.jit, static_argnums=4)
    def update_from_noise(state, batch, noise, hyperparams, mean):
        traces.append(mean)
        return agent.update_from_noise(state, batch, noise, hyperparams, mean)

    jitted = agent._replace(update_from_noise=update_from_noise)
    shared = data_parallel(jitted, AXIS)
    state = agent.init(KEY, batch)
    for _ in range(2):
        update = jax.vmap(shared.update, (None,) * 4, axis_size=2, axis_name=AXIS)
        update(state, batch, KEY, HYPERPARAMS)
    assert len(traces) == 1
