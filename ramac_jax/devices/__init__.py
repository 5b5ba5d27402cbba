"""The machine: devices, hosts, memory and caches."""

from ramac_jax.devices.agreement import (
    check_same,
    first_host_first,
    on_every_host,
    start_devices,
)
from ramac_jax.devices.cache import fit_cache
from ramac_jax.devices.hosts import initialize_hosts, is_first_host
from ramac_jax.devices.mesh import use_every_core

__all__ = [
    "check_same",
    "first_host_first",
    "fit_cache",
    "initialize_hosts",
    "is_first_host",
    "on_every_host",
    "start_devices",
    "use_every_core",
]
