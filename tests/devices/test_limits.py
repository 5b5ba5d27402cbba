"""What a container leaves of a host."""

import os

import psutil
import pytest

from ramac_jax.devices import limits as resources


@pytest.fixture
def group(monkeypatch, tmp_path):
    """A folder in place of the container's, on a host of 8 cores and 600 free bytes."""
    monkeypatch.setattr(resources, "GROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8), raising=False)
    memory = type("Memory", (), {"available": 600})
    monkeypatch.setattr(psutil, "virtual_memory", memory)
    return tmp_path


def test_without_a_container_all_of_the_host_is_ours(group, monkeypatch):
    assert resources.count_cores() == 8
    assert resources.free_on_host() == 600
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
    (group / "cpu.max").unlink()
    (group / "cpu").mkdir()
    quota, period = told.replace("max", "-1").split()
    (group / "cpu/cpu.cfs_quota_us").write_text(quota)
    (group / "cpu/cpu.cfs_period_us").write_text(period)
    assert resources.count_cores() == cores


@pytest.mark.parametrize(("limit", "used"), resources.MEMORY_FILES)
def test_a_limit_of_memory(group, limit, used):
    (group / limit).parent.mkdir(exist_ok=True)
    (group / limit).write_text("500\n")
    (group / used).write_text("100\n")
    assert resources.free_on_host() == 400
    (group / limit).write_text("max\n")
    assert resources.free_on_host() == 600
