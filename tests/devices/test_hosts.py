"""The launchers that start several hosts, by their environment variables."""

import jax
import pytest

import ramac_jax as rj
from ramac_jax.devices import initialize_hosts

LAUNCHERS = (
    "SLURM_NTASKS",
    "SLURM_STEP_NODELIST",
    "OMPI_COMM_WORLD_SIZE",
    "TPU_WORKER_HOSTNAMES",
    "JOB_COMPLETION_INDEX",
    "JAX_NUM_PROCESSES",
    "JAX_PROCESS_ID",
)


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
        {"SLURM_STEP_NODELIST": "n0", "SLURM_NTASKS": "1"},
        {"SLURM_NTASKS": "4"},  # a job in which srun started nothing
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
        ({"SLURM_STEP_NODELIST": "n[0-3]", "SLURM_NTASKS": "4"}, {}),
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
