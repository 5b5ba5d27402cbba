"""What a container leaves of a host."""

import os

import psutil
import pytest

from ramac_jax.populations import resources


@pytest.fixture
def group(monkeypatch, tmp_path):
    """A folder in place of the container's, on a host of 8 cores and 1000 bytes."""
    monkeypatch.setattr(resources, "GROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8), raising=False)
    memory = type("Memory", (), {"total": 1000, "available": 600})
    monkeypatch.setattr(psutil, "virtual_memory", memory)
    return tmp_path


def test_without_a_container_all_of_the_host_is_ours(group, monkeypatch):
    assert resources.count_cores() == 8
    assert (resources.memory_of_host(), resources.free_on_host()) == (1000, 600)
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert resources.count_cores() == 5


@pytest.mark.parametrize(
    ("told", "cores"),
    [
        ("200000 100000", 2),
        ("250000 100000", 3),
        ("max 100000", 8),
        ("9000000 1000", 8),
    ],
)
def test_a_quota_is_whole_cores(group, told, cores):
    (group / "cpu.max").write_text(told)
    assert resources.count_cores() == cores


def test_a_limit_of_memory(group):
    (group / "memory.max").write_text("500\n")
    (group / "memory.current").write_text("100\n")
    assert (resources.memory_of_host(), resources.free_on_host()) == (500, 400)
    (group / "memory.max").write_text("max\n")
    assert (resources.memory_of_host(), resources.free_on_host()) == (1000, 600)
