"""Several hosts as threads of one process, which exchange arrays as hosts do."""

import threading
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np

from ramac_jax.devices import agreement

TIMEOUT = 20.0  # seconds; a host that waits longer fails


def run_hosts(monkeypatch, *works):
    """Call each function as a host; return their results, or what they raised."""
    count, host = len(works), threading.local()
    barrier, slots = threading.Barrier(count, timeout=TIMEOUT), [None] * count

    def all_hosts(array):
        slots[host.index] = array
        barrier.wait()
        stacked = np.stack(slots)
        barrier.wait()
        return stacked

    def work(index):
        host.index = index
        try:
            return works[index]()
        except BaseException as fault:
            return fault

    monkeypatch.setattr(jax, "process_count", lambda: count)
    monkeypatch.setattr(jax, "process_index", lambda: host.index)
    monkeypatch.setattr(agreement, "all_hosts", all_hosts)
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, range(count)))
