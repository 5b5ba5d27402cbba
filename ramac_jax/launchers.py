"""The launchers that start several hosts, by their environment variables.

This module imports no JAX, so that a command refuses bad options at once.
"""

import os
from typing import Any

COUNT = "JAX_NUM_PROCESSES"
OTHER_HOSTS = "other-hosts"
"""Name of the threads that wait for other hosts."""


def several_hosts() -> bool:
    """Whether the environment asks this process to join other hosts.

    The tasks of a SLURM step are asked by `JAX_NUM_PROCESSES` or
    `JAX_COORDINATOR_ADDRESS`, since many such steps are independent runs.
    """
    environment = os.environ
    if COUNT in environment:
        return environment[COUNT] != "1"
    return (
        (slurm_tasks() > 1 and "JAX_COORDINATOR_ADDRESS" in environment)
        or environment.get("OMPI_COMM_WORLD_SIZE", "1") != "1"
        or "JOB_COMPLETION_INDEX" in environment
        or "," in environment.get("TPU_WORKER_HOSTNAMES", "")
    )


def slurm_tasks() -> int:
    """Tasks of the SLURM step that this process belongs to; 1: there is no step.

    The tasks of the job do not count: a job may have several steps. Nor does a count
    that is no number: SLURM did not write it.
    """
    count = os.environ.get("SLURM_STEP_NUM_TASKS", "")
    known = "SLURM_STEP_NODELIST" in os.environ and count.isdecimal()
    return int(count) if known else 1


def launch_options() -> dict[str, Any]:
    """The arguments of `jax.distributed.initialize` that JAX does not find itself.

    Raises `KeyError` or `ValueError` where the environment lacks a number.
    """
    environment, tasks = os.environ, slurm_tasks()
    if COUNT not in environment:
        return {"num_processes": tasks} if tasks > 1 else {}
    options: dict[str, Any] = {"num_processes": int(environment[COUNT])}
    if "JAX_PROCESS_ID" in environment or tasks == 1:
        options["process_id"] = int(environment["JAX_PROCESS_ID"])
    return options  # JAX knows the number of a task of SLURM


def unjoined_tasks() -> str | None:
    """A remark on tasks of SLURM that run alone; None: there are none."""
    tasks = slurm_tasks()
    if tasks == 1 or several_hosts() or COUNT in os.environ:
        return None
    return (
        f"SLURM started {tasks} tasks, and each runs alone: {COUNT}={tasks} makes them "
        "the hosts of one run"
    )
