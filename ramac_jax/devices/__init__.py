"""The machine: devices, hosts, memory and caches."""

from ramac_jax.devices.cache import fit_cache
from ramac_jax.devices.hosts import first_host_first, initialize_hosts, is_first_host
from ramac_jax.devices.mesh import use_every_core

__all__ = [
    "first_host_first",
    "fit_cache",
    "initialize_hosts",
    "is_first_host",
    "use_every_core",
]
