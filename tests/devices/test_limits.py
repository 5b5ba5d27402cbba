"""Cores and memory of a host, and of a container on it."""

import os

import psutil
import pytest

from ramac_jax.devices import limits


@pytest.fixture
def cgroup(monkeypatch, tmp_path):
    """An empty cgroup folder, on a host with 8 cores and 600 free bytes."""
    monkeypatch.setattr(limits, "CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8), raising=False)
    memory = type("Memory", (), {"available": 600})
    monkeypatch.setattr(psutil, "virtual_memory", memory)
    return tmp_path


def test_without_a_container_the_whole_host_is_available(cgroup, monkeypatch):
    assert limits.count_cores() == 8
    assert limits.free_host_bytes() == 600
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert limits.count_cores() == 5


@pytest.mark.parametrize(
    ("quota_line", "cores"),
    [
        ("200000 100000", 2),
        ("250000 100000", 3),
        ("max 100000", 8),
        ("9000000 1000", 8),
    ],
)
def test_a_quota_is_rounded_up_to_cores(cgroup, quota_line, cores):
    (cgroup / "cpu.max").write_text(quota_line)
    assert limits.count_cores() == cores
    (cgroup / "cpu.max").unlink()
    (cgroup / "cpu").mkdir()
    quota, period = quota_line.replace("max", "-1").split()
    (cgroup / "cpu/cpu.cfs_quota_us").write_text(quota)
    (cgroup / "cpu/cpu.cfs_period_us").write_text(period)
    assert limits.count_cores() == cores


def test_xla_counts_cores_without_the_quota_unless_it_is_told(cgroup, monkeypatch):
    (cgroup / "cpu.max").write_text("200000 100000")
    monkeypatch.delenv("NPROC", raising=False)
    assert limits.count_threads() == 8
    monkeypatch.setenv("NPROC", "3")
    assert limits.count_threads() == 3
    monkeypatch.setenv("NPROC", "many")
    assert limits.count_threads() == 8


@pytest.mark.parametrize(("limit", "used"), limits.MEMORY_FILES)
def test_a_memory_limit_of_a_container_counts(cgroup, limit, used):
    (cgroup / limit).parent.mkdir(exist_ok=True)
    (cgroup / limit).write_text("500\n")
    (cgroup / used).write_text("100\n")
    assert limits.free_host_bytes() == 400
    (cgroup / limit).write_text("max\n")
    assert limits.free_host_bytes() == 600
