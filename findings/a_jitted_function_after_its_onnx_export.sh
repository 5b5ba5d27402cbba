#!/usr/bin/env bash
# jax2onnx 0.13.0 with JAX 0.10.2, Python 3.11, CPU. Seen 2026-11-27.
#
# While jax2onnx traces a model, it puts primitives of its own in place of functions of
# jax.numpy. JAX keeps what it traced for a jitted function and a shape, and jax2onnx
# does not make it forget. So a jitted function that the model calls, and that was not
# called with these shapes before, no longer runs in this process once the model was
# exported: JAX finds no lowering for "jax.numpy.minimum". The exported model is right.
# Called once before the export, the same function goes on working; so does every
# function after jax.clear_caches().
#
# Expected from memory: an export leaves the exported function as it was.
#
# Output seen:
#   called before the export: runs after it
#   first called after the export: NotImplementedError
#   after jax.clear_caches(): runs
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2 flax==0.12.8 \
  jax2onnx==0.13.0 onnx==1.23.2 numpy==2.4.6
cat > "$folder/try.py" <<'PY'
import logging

import jax
import jax.numpy as jnp

logging.disable(logging.CRITICAL)
from jax2onnx import to_onnx


def make():
    @jax.jit
    def bounded(x):
        return jnp.tanh(jnp.minimum(x, 20.0))

    return bounded


def outcome(function):
    try:
        function(jnp.ones(3)).block_until_ready()
    except NotImplementedError as error:
        assert "jax.numpy." in str(error), error
        return "NotImplementedError"
    return "runs"


shape = [jax.ShapeDtypeStruct((3,), jnp.float32)]
known, unknown = make(), make()
known(jnp.ones(3))
to_onnx(lambda x: known(x) + 1.0, shape)
to_onnx(lambda x: unknown(x) + 1.0, shape)
found = outcome(known), outcome(unknown)
print("called before the export:", found[0], "after it")
print("first called after the export:", found[1])
jax.clear_caches()
cleared = outcome(unknown)
print("after jax.clear_caches():", cleared)
assert found == ("runs", "NotImplementedError") and cleared == "runs"
PY
JAX_PLATFORMS=cpu "$folder/venv/bin/python" "$folder/try.py" 2> "$folder/errors" || {
  cat "$folder/errors" >&2
  exit 1
}
