"""A batch in blocks is the batch as a whole, but for rounding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax import blocks

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
    assert blocks.rows_in_cache(256, 32) == 32  # 8,192 rows of activations
    assert blocks.rows_in_cache(256, 16) is None
    assert blocks.rows_in_cache(16, 2048) == 1  # one transition is too many already
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert blocks.rows_in_cache(256, 32) is None


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
        made.append(jax.jit(agent.update)(state, batch, KEY, KNOBS))
    whole, in_blocks = made
    assert in_blocks[1]["risk_value"] != 0.0
    close(in_blocks, whole, atol=1e-5, rtol=1e-4)
