"""What a process may have of this host, or of a container: cores and memory."""

import math
import os
from pathlib import Path

import psutil

GROUP = Path("/sys/fs/cgroup")  # of a container, in the second version or the first
MEMORY_FILES = (
    ("memory.max", "memory.current"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
)


def count_cores() -> int:
    """Cores that this process may use."""
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    quota, period = (
        group_numbers("cpu.max")
        or (
            *group_numbers("cpu/cpu.cfs_quota_us"),
            *group_numbers("cpu/cpu.cfs_period_us"),
        )
        or (0, 0)
    )
    return min(cores, math.ceil(quota / period)) if quota > 0 < period else cores


def free_on_host() -> int:
    """Bytes that this process may still take."""
    free = psutil.virtual_memory().available
    for limit, used in MEMORY_FILES:
        told = *group_numbers(limit), *group_numbers(used)
        if len(told) == 2:
            free = min(free, told[0] - told[1])
    return free


def group_numbers(name: str) -> tuple[int, ...]:
    """The numbers that a file of the group holds; none: no such file, or no limit."""
    try:
        return tuple(int(word) for word in (GROUP / name).read_text().split())
    except (OSError, ValueError):
        return ()
