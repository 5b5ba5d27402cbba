"""The head as Pallas kernels, whose activations stay on the chip."""

from functools import partial
from typing import Any

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

    A program takes ROWS of B and COLUMNS of W and loops over the fractions. It writes
    one partial result; the partial results are summed outside. Factors of products
    have the dtype of the arguments; everything else is float32. On a CPU the kernels
    are interpreted, for tests; on devices other than CUDA, XLA computes the same.
    Matrix products follow `jax.default_matmul_precision`, whose default is TF32 as in
    XLA; "highest" makes them slow. Differentiable in reverse mode only; designed for E
    up to 128, above which the tiles of a program spill.
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
    return quantiles.T[: feature.shape[0]] + out_bias[None, :]


def _power_of_two(size: int) -> int:
    return max(SMALLEST, 1 << (size - 1).bit_length())


def _padded(size: int, block: int) -> int:
    """Round up to whole blocks, or to a smaller power of two where that is enough."""
    return min(_power_of_two(size), -(-size // block) * block)


def _pad(x: Array, *shape: int) -> Array:
    """Pad with zeros, which add nothing to a result or a gradient."""
    return jnp.pad(x, [(0, new - old) for new, old in zip(shape, x.shape, strict=True)])


# In the kernels feature [R, E] is a block of rows, kernel [E, C], bias [C] and out [C]
# are blocks of columns, weight [N, E] and the cotangent [N, R] of the quantiles [N, R]
# have all fractions. Each kernel loops over them, computing relu(before) out of
#     before = (feature * weight[n]) kernel + bias  # [R, C]
# and its derivatives; the activations of a fraction are overwritten by the next.


def _quantiles_kernel(
    feature: Any, weight: Any, kernel: Any, bias: Any, out: Any, quantiles: Any
) -> None:
    rows, columns, offset, slope = feature[...], kernel[...], bias[...], out[...]

    def fraction(n: Any, _: Any) -> Any:
        before = matmul(rows * weight[n][None, :], columns) + offset[None, :]
        quantiles[n] = jnp.sum(jnp.maximum(before, 0.0) * slope[None, :], axis=1)

    jax.lax.fori_loop(0, weight.shape[0], fraction, None)


def _inputs_kernel(
    feature: Any,
    weight: Any,
    kernel: Any,
    bias: Any,
    out: Any,
    cotangent: Any,
    d_feature: Any,
    d_weight: Any,
) -> None:
    rows, columns, offset, slope = feature[...], kernel[...], bias[...], out[...]

    def fraction(n: Any, total: Any) -> Any:
        before = matmul(rows * weight[n][None, :], columns) + offset[None, :]
        slant = cotangent[n][:, None] * slope[None, :]
        d_before = jnp.where(before > 0.0, slant, 0.0)
        d_product = matmul(d_before.astype(columns.dtype), columns.T)  # [R, E]
        d_weight[n] = jnp.sum(d_product * rows, axis=0)
        return total + d_product * weight[n][None, :]

    start = jnp.zeros(feature.shape, jnp.float32)
    d_feature[...] = jax.lax.fori_loop(0, weight.shape[0], fraction, start)


def _parameters_kernel(
    feature: Any,
    weight: Any,
    kernel: Any,
    bias: Any,
    out: Any,
    cotangent: Any,
    d_kernel: Any,
    d_bias: Any,
    d_out: Any,
) -> None:
    rows, columns, offset, slope = feature[...], kernel[...], bias[...], out[...]

    def fraction(n: Any, totals: Any) -> Any:
        product = rows * weight[n][None, :]
        before = matmul(product, columns) + offset[None, :]
        slant = cotangent[n][:, None]
        d_before = jnp.where(before > 0.0, slant * slope[None, :], 0.0)
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


def _on_blocks(
    kernel: Any, results: Any, interpret: Any, *args: Any
) -> tuple[Array, ...]:
    """Run a kernel over the blocks of B and of W and sum the partial results.

    An array's axes are written as letters: B and W go by blocks, N and E are whole;
    a result has b or w in front, an axis of partial results, one from each block.
    """
    (rows, inner), (fractions, _), (_, columns) = (x.shape for x in args[:3])
    block = {"N": fractions, "E": inner, "b": None, "w": None}
    block |= {"B": min(ROWS, rows), "W": min(COLUMNS, columns)}
    grid = (rows // block["B"], columns // block["W"])
    size = {"N": fractions, "E": inner, "B": rows, "W": columns}
    size |= {"b": grid[0], "w": grid[1]}

    def spec(axes: Any) -> pl.BlockSpec:
        def index(b: Any, w: Any) -> tuple[Any, ...]:
            at = {"B": b, "b": b, "W": w, "w": w}
            return tuple(at.get(axis, 0) for axis in axes)

        return pl.BlockSpec(tuple(block[axis] for axis in axes), index)

    def shape(axes: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(tuple(size[axis] for axis in axes), jnp.float32)

    arguments = ("BE", "NE", "EW", "W", "W", "NB")[: len(args)]
    # Imported late: JAX plans to drop Triton, and only this head needs it.
    from jax.experimental.pallas import triton

    partials = pl.pallas_call(
        kernel,
        tuple(map(shape, results)),
        grid=grid,
        in_specs=list(map(spec, arguments)),
        out_specs=tuple(map(spec, results)),
        interpret=interpret,
        compiler_params=triton.CompilerParams(num_warps=WARPS),
    )(*args)
    return tuple(
        jnp.sum(part, axis=tuple(i for i, axis in enumerate(axes) if axis in "bw"))
        for part, axes in zip(partials, results, strict=True)
    )


def _run(kernel: Any, results: Any, elsewhere: Any, args: Any) -> tuple[Array, ...]:
    """Run a kernel on CUDA, interpret it on a CPU, or use XLA elsewhere."""
    return jax.lax.platform_dependent(
        *args,
        cuda=partial(_on_blocks, kernel, results, False),
        cpu=partial(_on_blocks, kernel, results, True),
        default=elsewhere,
    )


def _with_xla(
    feature: Any, weight: Any, kernel: Any, bias: Any, out: Any
) -> tuple[Array]:
    head = plain_head(feature, weight, kernel, bias, out[:, None], jnp.zeros(1))
    return (head.T,)


def _pulled_back(which: Any, *args: Any) -> tuple[Array, ...]:
    *primals, cotangent = args
    gradients = jax.vjp(_with_xla, *primals)[1]((cotangent,))[which]
    return tuple(x.astype(jnp.float32) for x in gradients)


@jax.custom_vjp
def _fused(*args: Any) -> Array:
    """Quantiles [N, B] without the last bias; arguments are padded to whole blocks."""
    return _run(_quantiles_kernel, ("wNB",), _with_xla, args)[0]


def _fused_forward(*args: Any) -> tuple[Array, tuple[Array, ...]]:
    return _fused(*args), args


def _fused_backward(args: Any, cotangent: Any) -> tuple[Array, ...]:
    # Two kernels: where only the gradient of the feature is used, as for the actor, XLA
    # removes the second.
    args = *args, cotangent
    elsewhere = partial(_pulled_back, slice(0, 2))
    inputs = _run(_inputs_kernel, ("wBE", "bwNE"), elsewhere, args)
    elsewhere = partial(_pulled_back, slice(2, 5))
    parameters = _run(_parameters_kernel, ("bEW", "bW", "bW"), elsewhere, args)
    results = zip(inputs + parameters, args[:-1], strict=True)
    return tuple(result.astype(x.dtype) for result, x in results)


_fused.defvjp(_fused_forward, _fused_backward)
