"""The operations of a traced program, as jax2onnx and ONNX Runtime take them best.

ONNX Runtime spends about .3 microseconds on an operation however small it is, about
half of the time of one action. So operations that have a shorter form are replaced.
The results differ by rounding, and every export is compared with the policy.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, JaxprEqn

from ramac_jax.networks.layers import mish


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
    return [read(x) for x in traced.jaxpr.outvars]


def evaluate_equation(equation: JaxprEqn, arguments: Sequence[Any]) -> Sequence[Any]:
    """Return the results of one operation, in its shorter form where there is one."""
    params = equation.params
    if equation.primitive.name == "scan":
        return evaluate_scan(params, arguments)
    if is_matmul(equation, arguments):
        return [jax.numpy.matmul(*arguments)]
    if is_scalar_clip(equation, arguments):
        return [jax.numpy.clip(arguments[0], *sorted(arguments[1:]))]
    if params.get("name") == "_where":
        return [jax.numpy.where(*arguments)]
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
    rows = arguments[num_consts + num_carry :]
    order = list(range(params["length"]))
    results: dict[int, list[Any]] = {}
    for index in reversed(order) if params["reverse"] else order:
        row = [x[index] for x in rows]
        found = evaluate(params["jaxpr"], *consts, *carry, *row)
        carry, results[index] = found[:num_carry], found[num_carry:]
    columns = zip(*(results[index] for index in order), strict=True)
    return [*carry, *(jax.numpy.stack(column) for column in columns)]


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
