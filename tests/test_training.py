"""Scans of updates, populations and grids."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax import training
from tests.helpers import keyed_agent

KEY = jax.random.key(3)
TRACES = []


@pytest.fixture(scope="module")
def setting(make_agent, make_batch):
    agent, dataset = make_agent("flow"), make_batch(16)
    return agent, dataset, agent.init(jax.random.key(0), dataset)


@pytest.fixture(scope="module")
def run(setting):
    """Two updates of batch 8, compiled once, the state donated."""
    agent, dataset, _ = setting

    def two_updates(state, key, hyperparams):
        TRACES.append(1)
        train = rj.make_train(agent, num_steps=2, batch_size=8)
        return train(state, dataset, key, hyperparams)

    return jax.jit(two_updates, donate_argnums=0)


def copy(tree):
    return jax.tree.map(jnp.copy, tree)


def test_one_trace_serves_every_hyperparameter(setting, run):
    run(copy(setting[2]), KEY, rj.Hyperparams())
    before = len(TRACES)
    for name, value in rj.Hyperparams()._asdict().items():
        other = 7.0 if np.isinf(value) else 0.5 * value + 0.1
        hyperparams = rj.Hyperparams()._replace(**{name: other})
        state, metrics = run(copy(setting[2]), KEY, hyperparams)
        assert all(np.isfinite(x) for x in metrics.values()), name
    assert state.step == 2
    assert len(TRACES) == before > 0


def test_a_donated_state_is_used_up_without_complaint(setting, run, recwarn):
    state = setting[0].init(jax.random.key(0), setting[1])
    jax.block_until_ready(run(state, KEY, rj.Hyperparams()))
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state))
    assert not [w for w in recwarn if "donat" in str(w.message)]


def test_a_run_cut_in_two_is_the_same_run(setting, run, close):
    agent, dataset, state = setting
    hyperparams = rj.Hyperparams(actor_learning_rate=1e-2, risk_warmup=1.0)
    first, _ = run(copy(state), KEY, hyperparams)
    cut, _ = run(first, KEY, hyperparams)

    @jax.jit
    def four_updates(state):
        return rj.make_train(agent, num_steps=4, batch_size=8)(
            state, dataset, KEY, hyperparams
        )

    whole, _ = four_updates(state)
    close(cut, whole)
    assert whole.step == 4


def test_a_vmapped_population_equals_a_loop_over_it(setting, run, close, distance):
    hyperparams = rj.grid(
        rj.Hyperparams(),
        risk_weight=[0.0, 1.0],
        actor_learning_rate=[1e-3, 1e-2],
    )
    keys = jax.random.split(KEY, 4)
    states = jax.tree.map(lambda x: jnp.stack([x] * 4), setting[2])
    scaled = [
        jax.tree.map(lambda x, s=scale: s * x, setting[2].actor_params)
        for scale in (1.0, 0.9, 0.8, 0.7)
    ]
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *scaled)
    states = states._replace(actor_params=stacked)
    many, metrics = jax.jit(jax.vmap(run))(states, keys, hyperparams)
    members = []
    for i in range(4):
        member = jax.tree.map(lambda x, i=i: x[i], (states, keys, hyperparams))
        members.append(run(*member))
        close(jax.tree.map(lambda x, i=i: x[i], (many, metrics)), members[i], atol=1e-5)
    assert distance(members[0][0].actor_params, members[1][0].actor_params) > 1e-3


def test_the_key_decides_the_run(setting, run, distance):
    one, same, other = (
        run(copy(setting[2]), jax.random.key(seed), rj.Hyperparams())[0]
        for seed in (1, 1, 2)
    )
    assert distance(one, same) == 0.0
    assert distance(one.actor_params, other.actor_params) > 0.0


COUNTING = keyed_agent(
    init=lambda key, example: None,
    update=lambda state, batch, key, hyperparams: (
        state._replace(step=state.step + 1),
        {"step": state.step, "reward": jnp.mean(batch.reward)},
    ),
    act=lambda state, observation, key: None,
)


def test_metrics_are_means_over_the_updates(make_batch):
    state = rj.State(*[None] * 6, step=jnp.int32(0))
    dataset = make_batch(4)._replace(reward=jnp.full(4, 2.5))
    state, metrics = rj.make_train(COUNTING, num_steps=5)(state, dataset, KEY, None)
    assert state.step == 5
    np.testing.assert_allclose((metrics["step"], metrics["reward"]), (2.0, 2.5))


def walk(state, batch, key, poison):
    """Update number 3 adds `poison` to the last of the parameters and metrics."""
    poison = jax.tree.map(lambda x: jnp.where(state.step == 3, x, 0.0), poison)
    params = state.actor_params + jnp.mean(batch.reward) + jax.random.uniform(key)
    metrics = {"step": state.step, "first": params[0] + poison["metrics"]}
    params = params.at[1].add(poison["state"])
    return state._replace(actor_params=params, step=state.step + 1), metrics


WALKING = keyed_agent(COUNTING.init, walk, COUNTING.act)
SOUND = {"state": jnp.zeros(()), "metrics": jnp.zeros(())}


@pytest.fixture(scope="module")
def walking(make_batch):
    """A fresh state, and the walk from any state for a traced number of updates."""
    dataset, traces = make_batch(16), []

    @jax.jit
    def advance(state, poison, num_steps):
        traces.append(1)
        metric_sums = training.zero_metric_sums(WALKING, state, dataset, poison, 4)
        sizes = {"num_steps": num_steps, "batch_size": 4}
        return training.advance(
            WALKING, state, metric_sums, dataset, KEY, poison, **sizes
        )

    def train(state, poison, num_steps):
        sizes = {"num_steps": num_steps, "batch_size": 4}
        return rj.make_train(WALKING, **sizes)(state, dataset, KEY, poison)

    fresh = rj.State(jnp.zeros(2), *[None] * 5, step=jnp.int32(0))
    return SimpleNamespace(fresh=fresh, advance=advance, train=train, traces=traces)


def assert_same_bits(left, right):
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", ["state", "metrics"])
def test_an_update_that_diverges_is_refused(walking, place, value):
    poison = SOUND | {place: jnp.float32(value)}
    third, _ = walking.advance(walking.fresh, SOUND, 3)
    assert third.step == 3
    state, metric_sums = walking.advance(walking.fresh, poison, 7)
    assert_same_bits(state, third)
    assert metric_sums.updates == 3
    assert metric_sums.sums["step"] == 0 + 1 + 2
    again, metric_sums = walking.advance(state, poison, 2)  # and ever after
    assert_same_bits(again, third)
    assert metric_sums.updates == metric_sums.sums["first"] == 0
    healed, _ = walking.advance(state, SOUND, 4)
    assert_same_bits(healed, walking.advance(walking.fresh, SOUND, 7)[0])


def test_metrics_are_means_over_the_updates_made(walking):
    poison = SOUND | {"state": jnp.float32(np.nan)}
    state, metrics = walking.train(walking.fresh, poison, 7)
    assert state.step == 3
    assert metrics["step"] == 1.0  # of 0, 1 and 2
    state, metrics = walking.train(state, poison, 7)
    assert state.step == 3
    assert np.isnan(metrics["step"]) and np.isnan(metrics["first"])


def test_a_traced_length_is_the_same_run(walking, close):
    for length in (1, 5):
        state, metrics = walking.train(walking.fresh, SOUND, length)
        found, metric_sums = walking.advance(walking.fresh, SOUND, length)
        assert found.step == metric_sums.updates == length
        close(found, state)
        close(jax.tree.map(lambda x, n=length: x / n, metric_sums.sums), metrics)
    none, metric_sums = walking.advance(walking.fresh, SOUND, 0)
    assert_same_bits(none, walking.fresh)
    assert len(walking.traces) == 1


def test_batches_are_whole_rows_drawn_uniformly_with_replacement():
    row = jnp.arange(5.0)
    dataset = rj.Transition(row[:, None], row[:, None], row, row[:, None], row)
    batch = rj.sample_batch(dataset, KEY, 5000)
    drawn = batch.reward
    np.testing.assert_allclose(np.bincount(drawn.astype(int)) / 5000, 0.2, atol=0.03)
    for leaf in jax.tree.leaves(batch):
        np.testing.assert_array_equal(leaf.ravel(), drawn)


def test_members_of_one_program_have_their_own_lambda():
    """The mean of the joined steps is 1 + l + l^2, up to three of them."""
    traces = []

    def update(state, batch, key, hyperparams):
        traces.append(1)
        return state, {"steps": jnp.mean(batch.steps)}

    agent = keyed_agent(lambda *_: None, update, None)._replace(target_steps=3)
    row = jnp.zeros(4000)
    left = jnp.arange(4000.0, 0.0, -1.0)
    dataset = rj.Transition(row[:, None], row[:, None], row, row[:, None], row, left)
    state = rj.State(*[jnp.zeros(())] * (len(rj.State._fields) - 1), jnp.int32(0))
    train = rj.make_train(agent, num_steps=1, batch_size=20_000)
    members, others = (
        rj.grid(rj.Hyperparams(), target_lambda=x)
        for x in ([0.0, 0.2, 1.0], [0.1, 0.3, 0.5])
    )
    batched = jax.jit(jax.vmap(train, in_axes=(None, None, None, 0)))
    _, metrics = batched(state, dataset, KEY, members)
    np.testing.assert_allclose(metrics["steps"], [1.0, 1.24, 3.0], atol=0.02)
    before = len(traces)
    batched(state, dataset, KEY, others)
    assert len(traces) == before > 0


@pytest.mark.parametrize("sizes", [{"num_steps": 0}, {"num_steps": 1, "batch_size": 0}])
def test_train_refuses_a_length_below_one(setting, sizes):
    with pytest.raises(rj.InputError, match="give 1 or more"):
        rj.make_train(setting[0], **sizes)


def test_train_refuses_an_empty_dataset(setting):
    agent, dataset, state = setting
    empty = jax.tree.map(lambda x: x[:0], dataset)
    with pytest.raises(rj.InputError, match="empty"):
        rj.make_train(agent, num_steps=1)(state, empty, KEY, rj.Hyperparams())


def test_grid_varies_its_last_axis_fastest():
    hyperparams = rj.grid(
        rj.Hyperparams(), risk_level=[0.1, 0.5], discount=[0.9, 0.95, 0.99]
    )
    np.testing.assert_allclose(hyperparams.risk_level, [0.1] * 3 + [0.5] * 3)
    np.testing.assert_allclose(hyperparams.discount, [0.9, 0.95, 0.99] * 2)
    np.testing.assert_allclose(hyperparams.risk_weight, [0.05] * 6)
    assert {leaf.dtype for leaf in hyperparams} == {jnp.dtype("float32")}


def test_grid_of_nothing_is_a_population_of_one():
    for name, value in rj.grid(rj.Hyperparams())._asdict().items():
        np.testing.assert_allclose(value, [getattr(rj.Hyperparams(), name)])


def test_grid_names_the_nearest_field():
    with pytest.raises(rj.InputError, match="'risk_wieght'.*risk_weight"):
        rj.grid(rj.Hyperparams(), risk_wieght=[1.0])


def test_grid_refuses_an_axis_without_values():
    with pytest.raises(rj.InputError, match="discount has no value"):
        rj.grid(rj.Hyperparams(), discount=[])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (0.1, r"risk_level has shape \[\]: give a list of values"),
        ([[0.1]], r"risk_level has shape \[1, 1\]: give a list of values"),
        (["low"], r"risk_level is \['low'\]: give numbers"),
    ],
)
def test_grid_refuses_anything_but_one_axis_of_numbers(values, message):
    with pytest.raises(rj.InputError, match=message):
        rj.grid(rj.Hyperparams(), risk_level=values)
