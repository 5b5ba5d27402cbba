#!/usr/bin/env bash
# jax and jaxlib 0.10.2, CPU, with `jax_disable_most_optimizations` (a switch that many
# projects turn on to make their tests compile faster).
#
# The gradient of `jnp.min` over an axis of size 2 is NaN for some rows of a jitted
# program, although every input is an ordinary float32, no two entries are equal, and
# the same function gives finite gradients without jit and with XLA's optimiser. The
# rule of JAX divides by the number of entries that equal the minimum. Most likely XLA
# computes the operand twice and rounds it differently, so that no entry equals the
# minimum, and 0 / 0 remains. A selection by `jnp.argmin` keeps the gradient finite.
#
# Seen on 2026-11-27, of 64 rows:
#   jit, no optimiser   jnp.min     rows with NaN: 14
#   jit, no optimiser   jnp.argmin  rows with NaN: 0
#   jit, optimiser      jnp.min     rows with NaN: 0
#   no jit              jnp.min     rows with NaN: 0
# The number depends on the processor's vector instructions; the script asks that the
# first is above 0 and the others are 0.
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install -q jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cat > "$place/minimum.py" <<'PYTHON'
import jax
import jax.numpy as jnp
import numpy as np

rng = np.random.default_rng(0)
z = jnp.asarray(rng.normal(size=(2, 64, 16)), jnp.float32)
tau = jnp.asarray(rng.uniform(0.0, 0.1, size=8), jnp.float32)


def distances(z):
    return 1.3 * jnp.sum((tau[:, None] - z[..., None, :]) ** 2, axis=-1) - 9.0


def by_min(z):
    return jnp.sum(jnp.min(distances(z), axis=0))


def by_argmin(z):
    x = distances(z)
    first = jnp.argmin(x, axis=0)
    return jnp.sum(jnp.where(jnp.arange(2)[:, None, None] == first, x, 0.0))


def rows_with_nan(function):
    return int(jnp.isnan(function(z)).any(axis=(0, -1)).sum())


assert len(np.unique(distances(z))) == distances(z).size  # no tie
found = {"no jit              jnp.min   ": rows_with_nan(jax.grad(by_min))}
for off, name in ((False, "jit, optimiser      "), (True, "jit, no optimiser   ")):
    jax.config.update("jax_disable_most_optimizations", off)
    jax.clear_caches()
    for label, function in (("jnp.min   ", by_min), ("jnp.argmin", by_argmin)):
        found[name + label] = rows_with_nan(jax.jit(jax.grad(function)))
for name, count in found.items():
    print(f"{name}  rows with NaN: {count}")
surprising = found.pop("jit, no optimiser   jnp.min   ")
assert surprising > 0 and not any(found.values()), "the behaviour has changed"
PYTHON
JAX_PLATFORMS=cpu "$place/venv/bin/python" "$place/minimum.py"
