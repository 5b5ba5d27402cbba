"""What the numbers of a run depend on besides its inputs: JAX's settings, the machine.

A resumed run must have the same settings of arithmetic and random numbers. Another
machine changes the last bits: the run resumes, with a warning.
"""

import enum
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from ramac_jax.devices.limits import count_threads
from ramac_jax.errors import InputError

ARITHMETIC = (
    "jax_enable_x64",
    "jax_default_prng_impl",
    "jax_threefry_partitionable",
    "jax_random_seed_offset",
    "jax_default_matmul_precision",
    "jax_numpy_dtype_promotion",
    "jax_high_dynamic_range_gumbel",
    "jax_softmax_custom_jvp",
)
"""Settings of JAX for types, precision and random numbers."""
COMPILATION = {
    "jax_disable_most_optimizations": False,
    "jax_optimization_level": "UNKNOWN",
    "jax_exec_time_optimization_effort": 0.0,
    "jax_memory_fitting_level": "O2",
    "jax_memory_fitting_effort": 0.0,
    "jax_allow_f16_reductions": True,
}
"""Settings of JAX for the compiler, with their usual values, which go without word."""
VARIABLES = ("XLA_FLAGS", "LIBTPU_INIT_ARGS", "NVIDIA_TF32_OVERRIDE")
"""Variables of the process that the compiler reads."""
IDLE_FLAGS = ("--xla_dump", "--xla_force_host_platform_device_count")
"""Flags that change no number, or that the number of devices shows already."""
KEY = "jax"
"""Name of the settings in the record of a run; earlier versions recorded none."""


def machine(mesh: Mesh) -> str:
    """A line on the JAX and the devices that the last bits of a run depend on."""
    kinds = ", ".join(sorted({device.device_kind for device in mesh.devices.flat}))
    shards = mesh.devices.shape[1]
    sharded = f", {shards} for each batch" if shards > 1 else ""
    threads = ""
    if mesh.devices.flat[0].platform == "cpu":  # they share the work of a device
        count = max(count_threads(), jax.local_device_count())
        threads = f" with {count} thread{'s' if count > 1 else ''}"
    devices = f"{mesh.size} of {jax.device_count()} x {kinds}"
    words = [f"JAX {jax.__version__} on {devices}{sharded}{threads}", *compiler()]
    return ", ".join(words)


def compiler() -> Iterable[str]:
    """Yield the unusual settings of the compiler: NAME=VALUE."""
    for name, value in read_settings(COMPILATION).items():
        if value != COMPILATION[name]:
            yield f"{name}={value}"
    for name in VARIABLES:
        words = os.environ.get(name, "").split()
        if kept := [x for x in words if not x.startswith(IDLE_FLAGS)]:
            yield f"{name}={' '.join(sorted(kept))}"


def read_settings(names: Iterable[str]) -> dict[str, Any]:
    """The present values of settings that this JAX has, as JSON holds them."""
    values = {x: getattr(jax.config, x) for x in names if hasattr(jax.config, x)}
    return {k: x.value if isinstance(x, enum.Enum) else x for k, x in values.items()}


def arithmetic() -> dict[str, Any]:
    """The present settings of arithmetic, as the record of a run holds them."""
    return read_settings(ARITHMETIC)


def check_arithmetic(record: Path) -> None:
    """Compare the settings of arithmetic with those that a run began with.

    Settings that one of the two versions of JAX lacks do not count.

    Args:
      record: JSON file of the run, which may be missing.

    Raises `InputError` with the first difference and how to remove it.
    """
    if not record.exists():
        return
    before = json.loads(record.read_text()).get(KEY, {})
    for name, now in arithmetic().items():
        if name in before and before[name] != now:
            raise InputError(
                f"{record.parent} holds a run that began with {name} {before[name]}, "
                f"and now it is {now}: {advice(name, before[name])}, or give another "
                "folder"
            )


def advice(name: str, value: Any) -> str:
    """How to give a setting of JAX this value."""
    if value is None:
        return f"unset {name.upper()}"
    return f"set {name.upper()}={str(value).lower()}"
