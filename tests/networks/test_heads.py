"""Three forms of the quantile head: one function, one gradient, other memory."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AbstractDevice, AbstractMesh, use_abstract_mesh

from ramac_jax.networks.heads import fused_head
from ramac_jax.networks.heads.fused import COLUMNS, ROWS
from ramac_jax.registry import HEADS

ODD, BLOCK = (5, 3, 7, 9), (16, 4, 16, 32)
SEVERAL = (ROWS + 2, 2, 3, COLUMNS + 1)  # two blocks of rows and two of columns
ARGUMENTS = ["feature", "weight", "kernel", "bias", "out_kernel", "out_bias"]
ALL = tuple(range(len(ARGUMENTS)))


def shapes(sizes):
    b, n, e, w = sizes
    return [(b, e), (n, e), (e, w), (w,), (w, 1), (1,)]


def draw(sizes, front=()):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(*front, *shape)) for shape in shapes(sizes)]
    return [array.astype(np.float32) for array in arrays]


def draw_cotangent(sizes, front=()):
    rng = np.random.default_rng(1)
    return rng.normal(size=(*front, *sizes[:2])).astype(np.float32)


def pull(head):
    """Return the quantiles and the gradients of their product with a cotangent."""

    def both(args, cotangent):
        quantiles, back = jax.vjp(head, *args)
        return quantiles, *back(cotangent)

    return both


def formula(args, cotangent):
    """The same in float64, differentiated by hand."""
    feature, weight, kernel, bias, out_kernel, out_bias = map(np.float64, args)
    cotangent, out = np.float64(cotangent), out_kernel[:, 0]
    product = np.einsum("be,ne->bne", feature, weight)
    before = np.einsum("bne,ew->bnw", product, kernel) + bias
    hidden = np.maximum(before, 0.0)
    d_before = np.einsum("bn,w->bnw", cotangent, out) * (before > 0.0)
    d_product = np.einsum("bnw,ew->bne", d_before, kernel)
    return (
        hidden @ out + out_bias,
        np.einsum("bne,ne->be", d_product, weight),
        np.einsum("bne,be->ne", d_product, feature),
        np.einsum("bne,bnw->ew", product, d_before),
        d_before.sum((0, 1)),
        np.einsum("bnw,bn->w", hidden, cotangent)[:, None],
        cotangent.sum(keepdims=True)[0],
    )


def assert_same(actual, desired, names=("quantiles", *ARGUMENTS)):
    """Compare up to the rounding of sums of float32, relative to the largest entry."""
    for name, one, other in zip(names, actual, desired, strict=True):
        assert one.shape == other.shape, name
        scale = np.max(np.abs(other))
        np.testing.assert_allclose(one, other, 0.0, 3e-6 * scale, err_msg=name)


@pytest.mark.parametrize("sizes", [ODD, BLOCK, SEVERAL])
@pytest.mark.parametrize("name", HEADS)
def test_a_head_and_its_gradients_are_the_formula(name, sizes):
    args, cotangent = draw(sizes), draw_cotangent(sizes)
    assert_same(
        jax.jit(pull(HEADS[name].load()))(args, cotangent), formula(args, cotangent)
    )


@pytest.mark.parametrize("name", HEADS)
def test_a_unit_at_rest_passes_no_gradient(name):
    """relu'(0) is 0 in every form: with all at zero only the last bias learns."""
    args = [np.zeros(shape, np.float32) for shape in shapes(ODD)]
    args[4] += 1.0
    _, *gradients = jax.jit(pull(HEADS[name].load()))(
        args, np.ones(ODD[:2], np.float32)
    )
    assert not any(np.any(gradient) for gradient in gradients[:-1])
    np.testing.assert_array_equal(gradients[-1], [15.0])


@pytest.mark.parametrize("name", HEADS)
def test_two_vmapped_axes_are_a_loop(name):
    """A population of agents, each of two critics."""
    args, cotangent = draw(ODD, (3, 2)), draw_cotangent(ODD, (3, 2))
    both = jax.jit(jax.vmap(jax.vmap(pull(HEADS[name].load()))))(args, cotangent)
    for i, j in itertools.product(range(3), range(2)):
        one = formula([x[i, j] for x in args], cotangent[i, j])
        assert_same([x[i, j] for x in both], one)


# Which arguments have the axis: the critics share what they see, the agents of a
# population their batch; the actor varies the feature under one critic.
@pytest.mark.parametrize("mapped", [(2, 3, 4, 5), (0,), (1,), (4,)])
@pytest.mark.parametrize("name", HEADS)
def test_gradients_of_shared_arguments_add_up(name, mapped):
    args, cotangent = draw(ODD), draw_cotangent(ODD, (2,))
    for i, (array, many) in enumerate(zip(args, draw(ODD, (2,)), strict=True)):
        args[i] = many if i in mapped else array
    axes = [0 if i in mapped else None for i in ALL]

    def total(args):
        quantiles = jax.vmap(HEADS[name].load(), axes)(*args)
        return jnp.sum(quantiles * cotangent)

    gradients = jax.jit(jax.grad(total))(args)
    each = []
    for k in range(2):
        one = [x[k] if i in mapped else x for i, x in enumerate(args)]
        each.append(formula(one, cotangent[k])[1:])
    pairs = zip(*each, strict=True)
    desired = [np.stack(p) if i in mapped else sum(p) for i, p in enumerate(pairs)]
    assert_same(gradients, desired, ARGUMENTS)


@pytest.mark.parametrize("name", HEADS)
def test_a_loop_of_gradient_steps_agrees(name):
    """Differentiated inside a scan, on the feature alone, as the actor's loss is."""
    args, cotangent = draw(ODD), draw_cotangent(ODD)

    def step(feature, _):
        def loss(feature):
            return jnp.sum(HEADS[name].load()(feature, *args[1:]) * cotangent)

        value, gradient = jax.value_and_grad(loss)(feature)
        return feature - 0.01 * gradient, value

    def descend(feature):
        return jax.lax.scan(step, feature, length=3)

    feature, values = args[0], []
    for _ in range(3):
        quantiles, gradient, *_ = formula([feature, *args[1:]], cotangent)
        values.append(np.sum(quantiles * cotangent))
        feature = feature - 0.01 * gradient
    actual = jax.jit(descend)(args[0])
    assert_same(actual, (feature, np.array(values)), ["feature", "values"])


@pytest.mark.parametrize("name", HEADS)
def test_a_head_of_bfloat16_is_that_of_float32_but_for_rounding(name):
    """Of its factors and activations: quantiles are float32 all the same."""
    args = [x.astype(jnp.bfloat16) for x in draw(SEVERAL)]
    cotangent = draw_cotangent(SEVERAL)
    actual = jax.jit(pull(HEADS[name].load()))(args, cotangent)
    assert [x.dtype.name for x in actual] == ["float32"] + 6 * ["bfloat16"]
    desired = formula(args, cotangent)
    for found, one in zip(actual, desired, strict=True):
        off = np.linalg.norm(np.float64(found) - one)  # a unit near 0 may rest or not
        assert off < 2.0**-6 * np.linalg.norm(one)


def kept(head, sizes):
    """Sizes of what the forward pass keeps for the gradient."""

    def keep(*args):
        return jax.tree.leaves(jax.vjp(head, *args)[1])

    return [leaf.size for leaf in jax.eval_shape(keep, *draw(sizes))]


def test_only_the_plain_head_keeps_activations():
    """No [B, N, E] or [B, N, W]: nothing larger than the largest argument, padded."""
    b, n, e, w = sizes = (32, 24, 16, 32)
    assert b * n * w in kept(HEADS["plain"].load(), sizes)
    for name in ("rematerialized", "fused"):
        assert max(kept(HEADS[name].load(), sizes)) <= max(b * e, n * e, e * w)


def lowered_for_cuda(function, *args):
    """Lower for a GPU that is not here, the kernels down to the dialect of Triton."""
    device = AbstractDevice("NVIDIA H200", None, "gpu")
    with use_abstract_mesh(AbstractMesh((), (), abstract_device=device)):
        traced = jax.jit(function).trace(*args)
        return traced.lower(lowering_platforms=("cuda",)).as_text()


@pytest.mark.filterwarnings("ignore:The Pallas Triton backend is deprecated")
@pytest.mark.parametrize("dtype", [np.float32, jnp.bfloat16])
@pytest.mark.parametrize("argnums, kernels", [(0, 2), (ALL, 3)])
def test_the_fused_head_of_a_population_lowers_for_cuda(argnums, kernels, dtype):
    """For the feature's gradient alone, the kernel of the parameters' is left out."""
    b, n, e, w = sizes = (256, 32, 128, 256)  # the published critic
    example = [np.zeros((3, 2, *shape), dtype) for shape in shapes(sizes)]

    def loss(*args):
        return jnp.sum(fused_head(*args) ** 2)

    gradient = jax.vmap(jax.vmap(jax.grad(loss, argnums)))
    text = lowered_for_cuda(gradient, *example)
    assert text.count("__gpu$xla.gpu.triton") == kernels
    assert not any(f"{b}x{n}x{x}x" in text for x in (e, w))
    assert f"{b * n}x" not in text


@pytest.mark.filterwarnings("ignore:The Pallas Triton backend is deprecated")
def test_the_fused_head_of_odd_sizes_lowers_for_cuda():
    text = lowered_for_cuda(pull(fused_head), draw(ODD), draw_cotangent(ODD))
    assert text.count("__gpu$xla.gpu.triton") == 3


def test_the_fused_head_is_plain_where_there_is_no_kernel():
    """On a TPU nothing of Pallas is left."""
    traced = jax.jit(pull(fused_head)).trace(draw(ODD), draw_cotangent(ODD))
    text = traced.lower(lowering_platforms=("tpu",)).as_text()
    assert "custom_call" not in text and "dot_general" in text
