"""What a process may have of this host, or of a container: cores and memory."""

import math
import os
from pathlib import Path

import psutil

GROUP = Path("/sys/fs/cgroup")  # of a container, where there is one


def count_cores() -> int:
    """Cores that this process may use."""
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    try:
        quota, period = (GROUP / "cpu.max").read_text().split()
        cores = min(cores, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):  # no such group, or no limit
        pass
    return cores


def memory_of_host() -> int:
    """Bytes in all, in use or not."""
    total = psutil.virtual_memory().total
    limit = group_bytes("memory.max")
    return total if limit is None else min(total, limit)


def free_on_host() -> int:
    """Bytes that this process may still take."""
    free = psutil.virtual_memory().available
    limit, used = group_bytes("memory.max"), group_bytes("memory.current")
    return free if limit is None or used is None else min(free, limit - used)


def group_bytes(name: str) -> int | None:
    """What a file of the group says; None: no such group, or no limit."""
    try:
        return int((GROUP / name).read_text())
    except (OSError, ValueError):
        return None
