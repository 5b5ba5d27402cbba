"""Cores and memory that this host, or its container, grants to a process."""

import math
import os
from pathlib import Path

from ramac_jax.extras import require

CGROUP = Path("/sys/fs/cgroup")  # limits of a container, cgroup version 2 or 1
MEMORY_FILES = (
    ("memory.max", "memory.current"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
)


def count_cores() -> int:
    """Cores that this process may use: the affinity mask, cut by the CPU quota."""
    cores = allowed_cores()
    quota, period = (
        cgroup_numbers("cpu.max")
        or (
            *cgroup_numbers("cpu/cpu.cfs_quota_us"),
            *cgroup_numbers("cpu/cpu.cfs_period_us"),
        )
        or (0, 0)
    )
    return min(cores, math.ceil(quota / period)) if quota > 0 < period else cores


def allowed_cores() -> int:
    """Cores that the operating system schedules this process on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def count_threads() -> int:
    """Threads among which XLA divides a computation on one CPU device.

    XLA reads NPROC, and else counts the cores, whatever the CPU quota.
    """
    given = os.environ.get("NPROC", "")
    return int(given) if given.isdecimal() and int(given) else allowed_cores()


def free_host_bytes() -> int:
    """Bytes of memory that this process may still allocate."""
    require("psutil", "ramac_jax.devices")
    import psutil

    free: int = psutil.virtual_memory().available
    for limit_file, usage_file in MEMORY_FILES:
        numbers = *cgroup_numbers(limit_file), *cgroup_numbers(usage_file)
        if len(numbers) == 2:
            limit, usage = numbers
            free = min(free, limit - usage)
    return free


def cgroup_numbers(name: str) -> tuple[int, ...]:
    """The numbers in a cgroup file; empty without the file and for "max"."""
    try:
        return tuple(int(word) for word in (CGROUP / name).read_text().split())
    except (OSError, ValueError):
        return ()
