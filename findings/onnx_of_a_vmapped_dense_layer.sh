#!/usr/bin/env bash
# jax2onnx 0.13.0 with jax 0.10.2 and flax 0.12.8, CPU.
#
# `to_onnx` refuses a program with `jax.vmap` over the parameters of a `flax.linen.Dense`
# layer, as an ensemble of critics has: "Batching rule for 'linen.dense' not
# implemented". A vmapped `jnp.split` fails too: its rule reads the axis as if nothing
# were vmapped. While it traces, jax2onnx replaces functions of JAX and Flax by
# primitives of its own, not all of which can be vmapped. A program that was traced
# before (`jax.make_jaxpr`, then `jax.extend.core.jaxpr_as_fun`) is exported, since only
# JAX's own primitives are left in it.
#
# Seen on 2026-11-27:
#   vmapped Dense    as a function: NotImplementedError   traced before: exported
#   vmapped split    as a function: ValueError            traced before: exported
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install -q jax2onnx==0.13.0 jax==0.10.2 jaxlib==0.10.2 flax==0.12.8
cat > "$place/dense.py" <<'PYTHON'
import logging

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.extend.core import jaxpr_as_fun
from jax2onnx import to_onnx

logging.disable(logging.CRITICAL)
layer = nn.Dense(4)
keys = jax.random.split(jax.random.key(0), 2)
params = jax.vmap(layer.init, in_axes=(0, None))(keys, jnp.zeros((1, 3)))
PROGRAMS = {
    "vmapped Dense": lambda x: jax.vmap(layer.apply, in_axes=(0, None))(params, x),
    "vmapped split": lambda x: jax.vmap(lambda v: jnp.split(v, [1, 3], axis=-1)[1])(x),
}


def outcome(function, example):
    try:
        to_onnx(function, [example])
    except Exception as error:
        return type(error).__name__
    return "exported"


found = []
for name, function in PROGRAMS.items():
    example = jax.ShapeDtypeStruct((2, 3), jnp.float32)
    traced = jaxpr_as_fun(jax.make_jaxpr(function)(example))
    found += [outcome(function, example), outcome(traced, example)]
    print(f"{name}    as a function: {found[-2]}   traced before: {found[-1]}")
assert "exported" not in found[0::2] and {*found[1::2]} == {"exported"}
PYTHON
"$place/venv/bin/python" "$place/dense.py"
