"""The operations of a traced program, as jax2onnx and ONNX Runtime take them best.

ONNX Runtime spends about .3 microseconds on an operation however small it is, about
half of the time of one action. So operations that have a shorter form are replaced.
The results differ by rounding, and every export is compared with the policy.
"""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, JaxprEqn

from ramac_jax.networks.layers import mish


class Filled(NamedTuple):
    """An array of one known number, which is not made before something needs it.

    With a symbolic batch, ONNX makes such an array in four operations.
    """

    value: float
    type: Any  # shape and dtype


def evaluate(traced: ClosedJaxpr, *inputs: Any) -> list[Any]:
    """Return the results of a traced program, its scans and calls written out.

    jax2onnx does not know a scan that runs backwards, as that of the diffusion does,
    and ONNX Runtime starts each iteration of a loop anew.
    """
    values = dict(zip(traced.jaxpr.constvars, traced.consts, strict=True))
    values |= zip(traced.jaxpr.invars, inputs, strict=True)

    def read(atom: Any) -> Any:
        return atom.val if hasattr(atom, "val") else values[atom]

    for equation in traced.jaxpr.eqns:
        arguments = [read(x) for x in equation.invars]
        found = evaluate_equation(equation, arguments)
        values |= zip(equation.outvars, found, strict=True)
    return [make(read(x)) for x in traced.jaxpr.outvars]


def make(value: Any) -> Any:
    """Return an array, which a `Filled` is not yet."""
    if isinstance(value, Filled):
        number = np.asarray(value.value, value.type.dtype)
        return jax.lax.broadcast_in_dim(number, value.type.shape, ())
    return value


def evaluate_equation(equation: JaxprEqn, arguments: Sequence[Any]) -> Sequence[Any]:
    """Return the results of one operation, in its shorter form where there is one."""
    name, params = equation.primitive.name, equation.params
    if name == "scan":
        return evaluate_scan(params, arguments)
    if name == "broadcast_in_dim" and is_number(arguments[0]):
        return [Filled(float(arguments[0]), equation.outvars[0].aval)]
    if name == "add" and any(is_zeros(x) for x in arguments):
        return [arguments[is_zeros(arguments[0])]]
    if params.get("name") == "_where":
        return [where(equation, arguments)]
    arguments = [make(x) for x in arguments]
    if is_matmul(equation, arguments):
        return [jax.numpy.matmul(*arguments)]
    if is_scalar_clip(equation, arguments):
        return [jax.numpy.clip(arguments[0], *sorted(arguments[1:]))]
    if (called := params.get("call_jaxpr", params.get("jaxpr"))) is not None:
        if is_mish(called):
            return [short_mish(*arguments)]
        return evaluate(called, *arguments)
    found = equation.primitive.bind(*arguments, **params)
    return found if equation.primitive.multiple_results else [found]


def evaluate_scan(params: Any, arguments: Sequence[Any]) -> list[Any]:
    """Return the results of a scan, its iterations written out."""
    num_consts, num_carry = params["num_consts"], params["num_carry"]
    consts, carry = arguments[:num_consts], arguments[num_consts:][:num_carry]
    rows = [make(x) for x in arguments[num_consts + num_carry :]]
    order = list(range(params["length"]))
    results: dict[int, list[Any]] = {}
    for index in reversed(order) if params["reverse"] else order:
        row = [x[index] for x in rows]
        found = evaluate(params["jaxpr"], *consts, *carry, *row)
        carry, results[index] = found[:num_carry], found[num_carry:]
    columns = zip(*(results[index] for index in order), strict=True)
    return [*carry, *(jax.numpy.stack([*map(make, x)]) for x in columns)]


def is_number(value: Any) -> bool:
    """Whether an argument is one known floating-point number."""
    return (
        not isinstance(value, Filled | jax.core.Tracer)
        and np.ndim(value) == 0
        and jax.numpy.issubdtype(jax.numpy.result_type(value), jax.numpy.floating)
    )


def is_zeros(value: Any) -> bool:
    """Whether an argument is an array of zeros."""
    return isinstance(value, Filled) and value.value == 0.0


def where(equation: JaxprEqn, arguments: Sequence[Any]) -> Any:
    """Return `jnp.where`, in which ONNX broadcasts known numbers by itself."""
    numbers = [x.value if isinstance(x, Filled) else x for x in arguments]
    found: Any = jax.numpy.where(*numbers)
    (result,) = equation.outvars
    if found.shape == getattr(result.aval, "shape", None):
        return found
    return jax.numpy.where(*(make(x) for x in arguments))


def is_matmul(equation: JaxprEqn, arguments: Sequence[Any]) -> bool:
    """Whether an operation is [..., I] @ [I, W].

    jax2onnx makes a Gemm without bias of it, or an Einsum where the first has more than
    two axes. ONNX Runtime joins a MatMul with the addition of the bias, and is slower
    with an Einsum.
    """
    if equation.primitive.name != "dot_general":
        return False
    left, right = (jax.typeof(x) for x in arguments)
    numbers = ((left.ndim - 1,), (0,)), ((), ())
    params = equation.params
    result = params["preferred_element_type"] or left.dtype
    same_type = left.dtype == right.dtype == result
    return right.ndim == 2 and same_type and params["dimension_numbers"] == numbers


def is_scalar_clip(equation: JaxprEqn, arguments: Sequence[Any]) -> bool:
    """Whether an operation is `jnp.clip` between two known numbers, in any order."""
    bounds = arguments[1:]
    return (
        equation.params.get("name") == "clip"
        and len(bounds) == 2
        and not any(isinstance(x, jax.core.Tracer) or np.ndim(x) for x in bounds)
    )


def signature(traced: ClosedJaxpr) -> list[Any]:
    """Return the names and numbers of a function's operations, whatever its shapes."""
    return [
        (x.primitive.name, *(float(y.val) for y in x.invars if hasattr(y, "val")))
        for x in traced.jaxpr.eqns
    ]


@functools.cache
def mish_signature() -> list[Any]:
    """Return the signature of `ramac_jax.networks.layers.mish`."""
    traced = jax.make_jaxpr(mish)(jax.ShapeDtypeStruct((), "float32"))
    return signature(traced.eqns[0].params["call_jaxpr"])


def is_mish(traced: ClosedJaxpr) -> bool:
    """Whether a function is `ramac_jax.networks.layers.mish`."""
    names, wanted = [x.primitive.name for x in traced.jaxpr.eqns], mish_signature()
    return names == [name for name, *_ in wanted] and signature(traced) == wanted


def short_mish(x: Any) -> Any:
    """Return x q / (2 - q) with q = s (2 - s) and s = 1 / (1 + e^-x), which is mish.

    1 + e^x = 1 / (1 - s), so that its square minus 1 over its square plus 1 is
    (1 - (1 - s)^2) / (1 + (1 - s)^2). These are six operations in place of seven. The
    Mish of ONNX is three, but ONNX Runtime's Softplus takes longer than all of them.
    """
    s = jax.lax.logistic(x)
    q = s * (2.0 - s)
    return x * (q / (2.0 - q))
