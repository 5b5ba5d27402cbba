"""Micro-batches give what the whole batch gives, but for rounding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.compute.microbatches import (
    count_micro_batches,
    gradient,
    map_rows,
    mean_over_rows,
    whole_batch,
)

pytestmark = pytest.mark.slow

KEY = jax.random.key(3)
HYPERPARAMS = rj.Hyperparams(
    risk_weight=1.0,
    conservative_weight=0.5,
    ood_weight=0.5,
    critic_learning_rate=1e-2,
)


@pytest.mark.parametrize(
    ("size", "num_rows", "count"),
    [(8, None, 1), (8, 8, 1), (8, 9, 1), (8, 7, 2), (9, 4, 3), (7, 6, 7), (8, 1, 8)],
)
def test_micro_batches_are_equal_and_as_few_as_possible(size, num_rows, count):
    assert count_micro_batches(size, num_rows) == count


def test_a_micro_batch_without_a_row_is_refused():
    with pytest.raises(rj.InputError, match="0 rows: give 1 or more"):
        count_micro_batches(8, 0)


def test_the_plain_form_is_the_whole_batch():
    assert whole_batch(256, 32) is None


@pytest.mark.parametrize("num_rows", [None, 2])
def test_the_gradient_of_a_mean_over_rows_by_hand(num_rows):
    """d/dw mean (w x)^2 = 2 w mean x^2."""
    rows = jnp.arange(6.0)

    def loss(weight, x):
        value = jnp.mean((weight * x) ** 2)
        return value, {"value": value}

    slope, metrics = gradient(loss, jnp.float32(3.0), rows, num_rows)
    np.testing.assert_allclose(slope, 2.0 * 3.0 * 55.0 / 6.0, rtol=1e-6)
    np.testing.assert_allclose(metrics["value"], 9.0 * 55.0 / 6.0, rtol=1e-6)


@pytest.mark.parametrize("num_rows", [None, 2, 4])
def test_rows_are_mapped_in_order(num_rows):
    rows = jnp.arange(6.0), jnp.arange(12.0).reshape(6, 2)
    found = map_rows(lambda x: x[0][:, None] + x[1], rows, num_rows)
    np.testing.assert_array_equal(found, rows[0][:, None] + rows[1])


@pytest.mark.parametrize("num_rows", [None, 2])
def test_a_mean_over_rows_and_its_slope_by_hand(num_rows):
    """mean a^2 o over rows, whose slope at each action is 2 a o / B; |.| has none."""
    action, observation = jnp.arange(6.0)[:, None], jnp.full((6, 1), 3.0)

    def sums(action, observation):
        return jnp.sum(action**2 * observation), jnp.sum(jnp.abs(action))

    def value(action):
        return mean_over_rows(sums, action, observation, num_rows)

    slope, other = jax.grad(value, has_aux=True)(action)
    np.testing.assert_allclose(value(action)[0], 3.0 * 55.0 / 6.0, rtol=1e-6)
    np.testing.assert_allclose(slope, action, rtol=1e-6)  # 2 a 3 / 6
    np.testing.assert_allclose(other, 15.0 / 6.0)
    np.testing.assert_array_equal(jax.grad(lambda a: value(a)[1])(action), 0.0)


def test_cloning_pays_for_no_sampler_however_many_fractions(make_batch):
    """XLA removes every query of a constant critic, in a large batch too."""

    def count(num_quantiles):
        agent = rj.ramac_agent(
            rj.flow_actor(2, 3, widths=(8,)),
            rj.constant_critic(),
            num_quantiles=num_quantiles,
        )
        batch = make_batch(256)
        state = jax.eval_shape(agent.init, KEY, batch)
        lowered = jax.jit(agent.update).lower(state, batch, KEY, rj.Hyperparams())
        return lowered.compile().as_text().count(" dot(")

    assert 0 < count(64) == count(1)


IQN = rj.iqn_critic(width=8, embedding_width=8, num_cosines=4)
CATEGORICAL = rj.categorical_critic(-2.0, 2.0, widths=(8,), num_atoms=5)


@pytest.mark.parametrize(
    ("critic", "normalize"), [(IQN, False), (IQN, True), (CATEGORICAL, False)]
)
def test_an_update_in_micro_batches_is_the_update(critic, normalize, make_batch, close):
    batch, updated = make_batch(8), []
    for num_rows in (8, 2):
        agent = rj.ramac_agent(
            rj.flow_actor(2, 2, widths=(8,)),
            critic,
            num_quantiles=4,
            conservative=rj.losses.quantile_gap,
            num_candidates=2,
            normalize_value=normalize,
            independent_targets=critic is CATEGORICAL,
            ood_actions=critic is CATEGORICAL,
            micro_batch=lambda rows, fractions, limit=num_rows: limit,
        )
        state = agent.init(KEY, batch)
        louder = jax.tree.map(lambda x: 30.0 * x, state.critic_params)
        state = state._replace(critic_params=louder)  # its last layer starts silent
        updated.append(jax.jit(agent.update)(state, batch, KEY, HYPERPARAMS))
    whole, in_micro_batches = updated
    assert whole[1]["risk_value"] != 0.0
    close(in_micro_batches, whole, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("critic", "values", "risk"),
    [
        (rj.iqn_critic(width=8, embedding_width=8, num_cosines=4), 5, 3),
        (rj.categorical_critic(-1.0, 1.0, widths=(8,), num_atoms=7), 7, 3),
        (rj.value_critic(widths=(8,)), 1, 1),
    ],
)
def test_micro_batches_are_sized_by_the_values_of_a_target(
    critic, values, risk, make_actor, make_batch
):
    asked, batch = [], make_batch()

    def micro_batch(*sizes):
        asked.append(sizes)
        return 4

    agent = rj.ramac_agent(
        make_actor("gaussian"),
        critic,
        num_quantiles=5,
        num_risk_quantiles=3,
        micro_batch=micro_batch,
    )
    state = jax.eval_shape(agent.init, KEY, batch)
    jax.eval_shape(agent.update, state, batch, KEY, rj.Hyperparams())
    assert asked == [(8, values), (8, risk)]  # of the critics, of the actor's value
