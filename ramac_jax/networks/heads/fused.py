"""The head as Pallas kernels, whose activations stay on the chip."""

from functools import partial

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl

from ramac_jax.networks.heads.plain import matmul, plain_head
from ramac_jax.types import Array

SMALLEST = 16  # a matrix unit takes no fewer rows or columns
# One program's block of B, block of W and warps of 32 threads: of the sizes tried, the
# largest that Triton compiles for Hopper at E = 128 without spilling registers.
ROWS, COLUMNS, WARPS = 64, 32, 8


def fused_head(
    feature: Array,
    weight: Array,
    kernel: Array,
    bias: Array,
    out_kernel: Array,
    out_bias: Array,
) -> Array:
    """Keep [B, N, E] and [B, N, W] on the chip: Pallas kernels, forward and backward.

    A program takes ROWS of B and COLUMNS of W and goes through the fractions; what it
    leaves in memory is one share of each result, and the shares are added up outside.
    Products have factors of the arguments' type; sums and the rest are float32.
    On a CPU the kernels are interpreted, for tests; on other than CUDA devices XLA
    computes the same. Matrix products follow `jax.default_matmul_precision`, whose
    default is TF32 as XLA's is; "highest" makes them slow. Differentiable in reverse
    mode only; made for E up to 128, beyond which a program's tiles spill.
    """
    arguments = feature, weight, kernel, bias, out_kernel, out_bias
    dtype = jnp.result_type(*arguments)
    feature, weight, kernel, bias, out_kernel, out_bias = (
        x.astype(dtype) for x in arguments
    )
    rows, columns = _padded(feature.shape[0], ROWS), _padded(kernel.shape[1], COLUMNS)
    inner = _power_of_two(kernel.shape[0])
    quantiles = _fused(
        _pad(feature, rows, inner),
        _pad(weight, weight.shape[0], inner),
        _pad(kernel, inner, columns),
        _pad(bias, columns),
        _pad(out_kernel[:, 0], columns),
    )
    return quantiles.T[: feature.shape[0]] + out_bias


def _power_of_two(size: int) -> int:
    return max(SMALLEST, 1 << (size - 1).bit_length())


def _padded(size: int, block: int) -> int:
    """Round up to whole blocks, or to a smaller power of two where that is enough."""
    return min(_power_of_two(size), -(-size // block) * block)


def _pad(x: Array, *shape: int) -> Array:
    """Fill up with zeros: no padded entry then adds to a result or to a gradient."""
    return jnp.pad(x, [(0, new - old) for new, old in zip(shape, x.shape, strict=True)])


# In the kernels feature [R, E] is a block of rows, kernel [E, C], bias [C] and out [C]
# are blocks of columns, weight [N, E] and the cotangent [N, R] of the quantiles [N, R]
# have all fractions. Each goes through them one by one, as far as relu(before) out of
#     before = (feature * weight[n]) kernel + bias  # [R, C]
# and the derivatives of that; a fraction's activations are gone with the next.


def _quantiles_kernel(feature, weight, kernel, bias, out, quantiles):
    rows, columns, offset, slope = feature[...], kernel[...], bias[...], out[...]

    def fraction(n, _):
        before = matmul(rows * weight[n], columns) + offset
        quantiles[n] = jnp.sum(jnp.maximum(before, 0.0) * slope, axis=1)

    jax.lax.fori_loop(0, weight.shape[0], fraction, None)


def _inputs_kernel(feature, weight, kernel, bias, out, cotangent, d_feature, d_weight):
    rows, columns, offset, slope = feature[...], kernel[...], bias[...], out[...]

    def fraction(n, total):
        before = matmul(rows * weight[n], columns) + offset
        d_before = jnp.where(before > 0.0, cotangent[n][:, None] * slope, 0.0)
        d_product = matmul(d_before.astype(columns.dtype), columns.T)  # [R, E]
        d_weight[n] = jnp.sum(d_product * rows, axis=0)
        return total + d_product * weight[n]

    start = jnp.zeros(feature.shape, jnp.float32)
    d_feature[...] = jax.lax.fori_loop(0, weight.shape[0], fraction, start)


def _parameters_kernel(
    feature, weight, kernel, bias, out, cotangent, d_kernel, d_bias, d_out
):
    rows, columns, offset, slope = feature[...], kernel[...], bias[...], out[...]

    def fraction(n, totals):
        product = rows * weight[n]
        before = matmul(product, columns) + offset
        slant = cotangent[n][:, None]
        d_before = jnp.where(before > 0.0, slant * slope, 0.0)
        changes = (
            matmul(product.T, d_before.astype(product.dtype)),
            jnp.sum(d_before, axis=0),
            jnp.sum(jnp.maximum(before, 0.0) * slant, axis=0),
        )
        return jax.tree.map(jnp.add, totals, changes)

    start = tuple(jnp.zeros(x.shape, jnp.float32) for x in (kernel, bias, out))
    d_kernel[...], d_bias[...], d_out[...] = jax.lax.fori_loop(
        0, weight.shape[0], fraction, start
    )


def _on_blocks(kernel, results, interpret, *args):
    """Run a kernel over the blocks of B and of W and add up the shares.

    An array's axes are written as letters: B and W go by blocks, N and E are whole;
    a result has in front b or w, an axis of its shares, one from each block of B or W.
    """
    (rows, inner), (fractions, _), (_, columns) = (x.shape for x in args[:3])
    block = {"N": fractions, "E": inner, "b": None, "w": None}
    block |= {"B": min(ROWS, rows), "W": min(COLUMNS, columns)}
    grid = (rows // block["B"], columns // block["W"])
    size = {"N": fractions, "E": inner, "B": rows, "W": columns}
    size |= {"b": grid[0], "w": grid[1]}

    def spec(axes):
        def index(b, w):
            at = {"B": b, "b": b, "W": w, "w": w}
            return tuple(at.get(axis, 0) for axis in axes)

        return pl.BlockSpec(tuple(block[axis] for axis in axes), index)

    def shape(axes):
        return jax.ShapeDtypeStruct(tuple(size[axis] for axis in axes), jnp.float32)

    arguments = ("BE", "NE", "EW", "W", "W", "NB")[: len(args)]
    # Imported late: JAX means to drop Triton one day, and only this form needs it.
    from jax.experimental.pallas import triton

    shares = pl.pallas_call(
        kernel,
        tuple(map(shape, results)),
        grid=grid,
        in_specs=list(map(spec, arguments)),
        out_specs=tuple(map(spec, results)),
        interpret=interpret,
        compiler_params=triton.CompilerParams(num_warps=WARPS),
    )(*args)
    return tuple(
        jnp.sum(share, axis=tuple(i for i, axis in enumerate(axes) if axis in "bw"))
        for share, axes in zip(shares, results, strict=True)
    )


def _run(kernel, results, elsewhere, args):
    """Run a kernel on CUDA, interpret it on a CPU, or leave it to XLA."""
    return jax.lax.platform_dependent(
        *args,
        cuda=partial(_on_blocks, kernel, results, False),
        cpu=partial(_on_blocks, kernel, results, True),
        default=elsewhere,
    )


def _with_xla(feature, weight, kernel, bias, out):
    head = plain_head(feature, weight, kernel, bias, out[:, None], jnp.zeros(1))
    return (head.T,)


def _pulled_back(which, *args):
    *primals, cotangent = args
    gradients = jax.vjp(_with_xla, *primals)[1]((cotangent,))[which]
    return tuple(x.astype(jnp.float32) for x in gradients)


@jax.custom_vjp
def _fused(*args):
    """Quantiles [N, B] without the last bias, of arguments padded to whole blocks."""
    return _run(_quantiles_kernel, ("wNB",), _with_xla, args)[0]


def _fused_forward(*args):
    return _fused(*args), args


def _fused_backward(args, cotangent):
    # Two kernels: whoever wants the gradient of the feature alone, as the actor does,
    # leaves the second without use, and it is removed.
    args = *args, cotangent
    elsewhere = partial(_pulled_back, slice(0, 2))
    inputs = _run(_inputs_kernel, ("wBE", "bwNE"), elsewhere, args)
    elsewhere = partial(_pulled_back, slice(2, 5))
    parameters = _run(_parameters_kernel, ("bEW", "bW", "bW"), elsewhere, args)
    results = zip(inputs + parameters, args[:-1], strict=True)
    return tuple(result.astype(x.dtype) for result, x in results)


_fused.defvjp(_fused_forward, _fused_backward)
