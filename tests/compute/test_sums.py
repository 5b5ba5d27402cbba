"""The two ways to add terms: a loop equals the sum of all terms at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ramac_jax.compute.sums import sum_at_once, sum_in_a_loop, sum_of


def test_a_loop_adds_what_is_added_at_once():
    keys = jax.random.split(jax.random.key(0))
    sizes = jax.random.normal(keys[0], (7,))
    vectors = jax.random.normal(keys[1], (7, 5))

    def term(row):
        size, vector = row
        return {"scaled": size * vector, "far": (vector > size).astype(float)}

    expected = {
        "scaled": np.einsum("m,mk->k", sizes, vectors),
        "far": np.sum(np.asarray(vectors) > np.asarray(sizes)[:, None], axis=0),
    }
    for way in (sum_of, sum_at_once, sum_in_a_loop):
        found = way(term, (sizes, vectors))
        assert found.keys() == expected.keys()
        for name, x in found.items():
            np.testing.assert_allclose(x, expected[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("terms", "total"),
    [
        (np.full(1000, 1, jnp.bfloat16), 1000),
        (np.arange(5, dtype=np.int8) * 30, 300),
        (np.ones(3, bool), 3),
        (np.zeros((0, 2), np.float32), 0),
    ],
)
def test_both_ways_add_in_the_same_type(terms, total):
    once, looped = (
        way(lambda x: x, jnp.asarray(terms)) for way in (sum_at_once, sum_in_a_loop)
    )
    assert once.dtype == looped.dtype and once.shape == looped.shape
    np.testing.assert_array_equal(once, total)
    np.testing.assert_array_equal(looped, total)


def test_a_cpu_adds_in_a_loop_and_an_accelerator_at_once():
    """The program for a GPU, lowered without one, has no loop."""
    values = jnp.ones(3), jnp.ones((3, 2))
    program = jax.jit(lambda x: sum_of(lambda row: row[0] * row[1], x)).trace(values)
    assert "stablehlo.while" in program.lower(lowering_platforms=("cpu",)).as_text()
    other = program.lower(lowering_platforms=("cuda",)).as_text()
    assert "stablehlo.while" not in other and "stablehlo.reduce" in other
