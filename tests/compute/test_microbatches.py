"""A batch in blocks is the batch as a whole, but for rounding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.compute import microbatches as blocks

KEY = jax.random.key(3)
KNOBS = rj.Hyperparams(
    risk_weight=1.0, conservative_weight=0.5, critic_learning_rate=1e-2
)


@pytest.mark.parametrize(
    ("num_rows", "block_size", "count"),
    [(8, None, 1), (8, 8, 1), (8, 9, 1), (8, 7, 2), (9, 4, 3), (7, 6, 7), (8, 1, 8)],
)
def test_blocks_are_equal_and_as_few_as_can_be(num_rows, block_size, count):
    assert blocks.count_blocks(num_rows, block_size) == count


def test_only_many_quantiles_on_a_cpu_are_taken_in_blocks(monkeypatch):
    assert blocks.rows_in_cache(256, 32 * 256) == 32
    assert blocks.rows_in_cache(256, 16 * 256) is None
    assert blocks.rows_in_cache(256, 64 * 128) == 32  # narrower, and more of them
    assert blocks.rows_in_cache(16, 2048 * 256) == 1  # one transition is too many
    assert blocks.rows_in_cache(10**6, 0) is None  # a critic without fractions
    assert blocks.rows_in_cache(240, 32 * 256) == 30
    assert blocks.rows_in_cache(251, 32 * 256) is None  # a prime: no row by row
    monkeypatch.setattr(jax, "local_device_count", lambda: 2)  # each has its own core
    assert blocks.rows_in_cache(256, 32 * 256) == 16
    assert blocks.rows_in_cache(256, 16 * 256) == 32
    assert blocks.rows_in_cache(256, 2 * 256) is None
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert blocks.rows_in_cache(256, 32 * 256) is None


def test_a_block_of_nothing_is_refused():
    with pytest.raises(rj.InputError, match="block_size is 0"):
        rj.ramac(rj.flow_actor(1), rj.iqn_critic(), block_size=0)


def test_cloning_pays_for_no_sampler_however_many_fractions(make_batch):
    """What a critic that knows nothing is asked is removed, in a large batch too."""

    def count(num_quantiles):
        agent = rj.ramac(
            rj.flow_actor(2, 3, widths=(8,)),
            rj.constant_critic(),
            num_quantiles=num_quantiles,
        )
        batch = make_batch(256)
        state = jax.eval_shape(agent.init, KEY, batch)
        lowered = jax.jit(agent.update).lower(state, batch, KEY, rj.Hyperparams())
        return lowered.compile().as_text().count(" dot(")

    assert 0 < count(64) == count(1)


def test_each_block_and_their_mean_by_hand():
    rows = jnp.arange(6.0)
    sums = blocks.each_block(jnp.sum, 2, rows)
    np.testing.assert_array_equal(sums, [1.0, 5.0, 9.0])
    assert blocks.mean_over_blocks(jnp.sum, 2, rows) == 5.0
    np.testing.assert_array_equal(blocks.each_block(jnp.sum, None, rows), [15.0])
    assert blocks.mean_over_blocks(jnp.sum, None, rows) == 15.0


@pytest.mark.parametrize("normalize", [False, True])
def test_an_update_in_blocks_is_that_of_the_whole_batch(normalize, make_batch, close):
    batch, made = make_batch(8), []
    critic = rj.iqn_critic(width=8, embedding_width=8, num_cosines=4)
    for block_size in (8, 2):
        agent = rj.ramac(
            rj.flow_actor(2, 2, widths=(8,)),
            critic,
            num_quantiles=4,
            conservative=rj.losses.quantile_gap,
            num_candidates=2,
            normalize_value=normalize,
            block_size=block_size,
        )
        state = agent.init(KEY, batch)
        louder = jax.tree.map(lambda x: 30.0 * x, state.critic_params)
        state = state._replace(critic_params=louder)  # its last layer starts silent
        made.append(jax.jit(agent.update)(state, batch, KEY, KNOBS))
    whole, in_blocks = made
    assert in_blocks[1]["risk_value"] != 0.0
    close(in_blocks, whole, atol=1e-5, rtol=1e-4)
