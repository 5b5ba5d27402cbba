"""Hosts join where a launcher started several, and wait in reach of signals."""

import os
import signal
import threading
import time

import jax
import pytest

import ramac_jax as rj
from ramac_jax.devices import initialize_hosts
from ramac_jax.devices.hosts import interruptible
from ramac_jax.launchers import unjoined_tasks

LAUNCHERS = (
    "SLURM_NTASKS",
    "SLURM_STEP_NODELIST",
    "SLURM_STEP_NUM_TASKS",
    "JAX_COORDINATOR_ADDRESS",
    "OMPI_COMM_WORLD_SIZE",
    "TPU_WORKER_HOSTNAMES",
    "JOB_COMPLETION_INDEX",
    "JAX_NUM_PROCESSES",
    "JAX_PROCESS_ID",
)
STEP = {"SLURM_STEP_NODELIST": "n[0-3]", "SLURM_STEP_NUM_TASKS": "4"}


@pytest.fixture
def joined(monkeypatch):
    """The arguments of each call that joins hosts, without any launcher's variables."""
    calls = []
    for name in LAUNCHERS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(jax.distributed, "initialize", lambda **x: calls.append(x))
    return calls


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"SLURM_NTASKS": "4", "SLURM_STEP_NUM_TASKS": "4"},  # srun started nothing
        STEP,  # independent runs
        STEP | {"SLURM_STEP_NUM_TASKS": "x", "JAX_COORDINATOR_ADDRESS": "n0:1"},
        STEP | {"SLURM_STEP_NUM_TASKS": "1", "JAX_COORDINATOR_ADDRESS": "n0:1"},
        {"OMPI_COMM_WORLD_SIZE": "1"},
        {"TPU_WORKER_HOSTNAMES": "localhost"},
        {"JAX_NUM_PROCESSES": "1"},
        {"JAX_NUM_PROCESSES": "1", "OMPI_COMM_WORLD_SIZE": "2"},
    ],
)
def test_a_single_host_joins_no_other(joined, monkeypatch, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    initialize_hosts()
    assert joined == []


@pytest.mark.parametrize(
    ("environment", "arguments"),
    [
        (STEP | {"JAX_NUM_PROCESSES": "4"}, {"num_processes": 4}),
        (
            STEP | {"JAX_COORDINATOR_ADDRESS": "n0:1", "SLURM_NTASKS": "9"},
            {"num_processes": 4},
        ),
        ({"OMPI_COMM_WORLD_SIZE": "2"}, {}),
        ({"TPU_WORKER_HOSTNAMES": "t-0,t-1"}, {}),
        ({"JOB_COMPLETION_INDEX": "0"}, {}),
        (
            {"JAX_NUM_PROCESSES": "3", "JAX_PROCESS_ID": "2"},
            {"num_processes": 3, "process_id": 2},
        ),
    ],
)
def test_the_variables_of_a_launcher_reach_jax(
    joined, monkeypatch, environment, arguments
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    initialize_hosts()
    assert joined == [arguments]


def test_hosts_that_cannot_be_joined_are_refused(joined, monkeypatch):
    def fail(**options):
        raise ValueError("coordinator_address should be defined.")

    monkeypatch.setenv("JAX_NUM_PROCESSES", "3")
    with pytest.raises(rj.InputError, match=r"cannot be joined \('JAX_PROCESS_ID'\)"):
        initialize_hosts()
    monkeypatch.setenv("JAX_PROCESS_ID", "2")
    monkeypatch.setattr(jax.distributed, "initialize", fail)
    with pytest.raises(rj.InputError, match="coordinator_address should be defined"):
        initialize_hosts()
    assert joined == []


def test_tasks_that_run_alone_are_remarked(joined, monkeypatch):
    assert unjoined_tasks() is None
    for name, value in STEP.items():
        monkeypatch.setenv(name, value)
    remark = unjoined_tasks()
    assert remark is not None and remark.startswith("SLURM started 4 tasks, and each")
    assert "JAX_NUM_PROCESSES=4" in remark
    for count in ("4", "1"):
        monkeypatch.setenv("JAX_NUM_PROCESSES", count)
        assert unjoined_tasks() is None


def test_a_wait_for_other_hosts_returns_and_raises_as_the_call_does():
    assert interruptible(lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        interruptible(lambda: 1 // 0)


def test_a_signal_ends_a_wait_for_other_hosts():
    never, before = threading.Event(), signal.getsignal(signal.SIGTERM)

    def stop(number, frame):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
    begin = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            interruptible(lambda: never.wait(20.0))
    finally:
        signal.signal(signal.SIGTERM, before)
        never.set()
    assert time.monotonic() - begin < 10.0
