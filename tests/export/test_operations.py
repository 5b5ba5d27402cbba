"""Operations of an ONNX program are the policy's, in fewer and faster ones."""

import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ramac_jax.export import onnx, operations
from ramac_jax.export.program import make_program
from ramac_jax.networks.layers import mish
from tests.export.policies import make_policy


def evaluated(function, *inputs):
    """The results, and the names of the operations, of a function written out."""
    traced = jax.make_jaxpr(function)(*inputs)
    again = jax.make_jaxpr(lambda *x: operations.evaluate(traced, *x))(*inputs)
    names = [x.primitive.name for x in again.jaxpr.eqns]
    return operations.evaluate(traced, *inputs), names


def test_mish_is_shorter_and_the_same():
    x = jnp.linspace(-40.0, 40.0, 801)
    (found,), names = evaluated(mish, x)
    np.testing.assert_allclose(found, mish(x), rtol=2e-6, atol=1e-12)
    assert names == ["logistic", "sub", "mul", "sub", "div", "mul"]


@pytest.mark.parametrize("size", [(3,), (2, 3), (5, 2, 3)])
def test_products_are_the_same(size):
    left, right = jnp.arange(float(np.prod(size))).reshape(size), jnp.ones((3, 4))
    (found,), _ = evaluated(jnp.matmul, left, right)
    np.testing.assert_array_equal(found, left @ right)


@pytest.mark.parametrize(
    "clip",
    [
        lambda x: jnp.clip(x, -1.0, 2.0),
        lambda x: x.clip(-1.0, 2.0),
        lambda x: x.clip(max=0.5),
        lambda x: x.clip(-jnp.abs(x[0]), jnp.abs(x[0])),
    ],
)
def test_clips_are_the_same(clip):
    x = jnp.array([-3.0, 0.0, 1.0, 4.0])
    (found,), _ = evaluated(clip, x)
    np.testing.assert_array_equal(found, clip(x))


def test_zeros_are_not_added():
    x = jnp.linspace(-1.0, 1.0, 6).reshape(2, 3)
    (found,), names = evaluated(lambda x: jnp.zeros((2, 3)) + x, x)
    np.testing.assert_array_equal(found, x)
    assert names == []


@pytest.mark.parametrize(
    "choose",
    [
        lambda x: jnp.where(x > 0, jnp.zeros(3), jnp.inf),
        lambda x: jnp.where(x > 0, x, jnp.full(3, 2.0)),
        lambda x: jnp.where(x > 0, jnp.full((2, 3), 2.0), x),
        lambda x: jnp.where(True, jnp.full((2, 3), 2.0), 1.0) + x,
    ],
)
def test_choices_are_the_same(choose):
    x = jnp.array([-3.0, 0.0, 4.0])
    (found,), _ = evaluated(choose, x)
    np.testing.assert_array_equal(found, choose(x))


def test_rows_of_one_number_are_scanned():
    def add_up(x):
        def step(total, row):
            return total + row, total * 2.0

        return jax.lax.scan(step, jnp.zeros(3), jnp.ones((4, 3)))[0] + x

    x = jnp.array([-3.0, 0.0, 4.0])
    (found,), _ = evaluated(add_up, x)
    np.testing.assert_array_equal(found, add_up(x))


@pytest.mark.parametrize("num_candidates", [1, 5])
def test_an_onnx_program_has_the_short_operations(num_candidates):
    package = pytest.importorskip("onnx")
    operations.mish_signature.cache_clear()  # as in a process that begins with this
    program = make_program(make_policy("flow"), 0, num_candidates)
    model = package.load_from_string(onnx.serialize(program, onnx.OPSET))
    counts = collections.Counter(node.op_type for node in model.graph.node)
    assert counts["Clip"] and counts["Sigmoid"] and not counts["Exp"]
    assert counts["MatMul"] > counts["Einsum"]  # what is left is of the critics
