"""Several hosts as threads of one process, which share texts as hosts do."""

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import jax

from ramac_jax.devices import agreement

TIMEOUT = 20.0  # seconds; a host that waits longer fails


class Store:
    """The store of texts of several hosts."""

    def __init__(self):
        self.texts, self.counts, self.news = {}, {}, threading.Condition()

    def key_value_increment(self, key, by):
        self.counts[key] = self.counts.get(key, 0) + by
        return self.counts[key]

    def key_value_set(self, key, text):
        with self.news:
            assert key not in self.texts, key
            self.texts[key] = text
            self.news.notify_all()

    def key_value_dir_get(self, folder):
        with self.news:
            return [(x, y) for x, y in self.texts.items() if x.startswith(folder)]

    def blocking_key_value_get(self, key, milliseconds):
        with self.news:
            assert self.news.wait_for(lambda: key in self.texts, timeout=TIMEOUT), key
            return self.texts[key]


def run_hosts(monkeypatch, *works):
    """Call each function as a host; return their results, or what they raised."""
    count, host = len(works), threading.local()
    store = Store()

    def joined():
        return SimpleNamespace(process_id=host.index, num_processes=count, client=store)

    def work(index):
        host.index = index
        try:
            return works[index]()
        except BaseException as fault:
            return fault

    monkeypatch.setattr(jax, "process_count", lambda: count)
    monkeypatch.setattr(jax, "process_index", lambda: host.index)
    monkeypatch.setattr(agreement, "joined", joined)
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, range(count)))
