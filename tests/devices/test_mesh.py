"""The arrangement of devices for a population."""

import math
import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

import ramac_jax as rj
from ramac_jax.devices import mesh


@pytest.mark.parametrize(
    ("population", "devices", "batch_size", "rows", "members", "shape"),
    [
        (1, 1, 256, 1, 1, (1, 1)),
        (1, 2, 256, 1, 1, (1, 2)),
        (1, 2, 250, 1, 1, (1, 2)),
        (1, 2, 1, 1, 1, (1, 1)),  # the batches cannot be divided
        (1, 2, 63, 1, 1, (1, 1)),  # halves would be too small
        (1, 16, 256, 1, 1, (1, 8)),
        (1, 6, 256, 1, 1, (1, 4)),  # 256 has no divisor of six
        (2, 2, 256, 2, 2, (2, 1)),
        (2, 5, 256, 2, 2, (2, 2)),
        (3, 2, 256, 1, 3, (1, 2)),  # both cores in each of three turns, none idle
        (3, 2, 1, 2, 4, (2, 1)),
        (4, 2, 256, 2, 4, (2, 1)),
        (7, 4, 256, 4, 8, (4, 1)),
        (11, 8, 1, 6, 12, (6, 1)),  # two turns, with the fewest cores
        (16, 4, 256, 4, 16, (4, 1)),
    ],
)
def test_cores_are_arranged_to_train_fastest(
    monkeypatch, population, devices, batch_size, rows, members, shape
):
    made = []
    monkeypatch.setattr(jax, "device_count", lambda: devices)
    monkeypatch.setattr(jax, "devices", lambda: list(range(devices)))
    monkeypatch.setattr(
        jax, "make_mesh", lambda *args, **rest: made.append((args, rest))
    )
    assert mesh.count_rows(population, batch_size, devices) == rows
    assert members == rows * math.ceil(population / rows)
    mesh.make_mesh(members, batch_size)
    (((found, names), rest),) = made
    assert found == shape and names == (mesh.AXIS, mesh.SHARDS)
    assert rest["devices"] == list(range(shape[0] * shape[1]))


def test_members_use_all_accelerators(monkeypatch):
    monkeypatch.setattr(jax, "device_count", lambda: 4)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert mesh.count_rows(5, 256, 4) == 4
    with pytest.raises(
        rj.InputError, match="6 members cannot be divided equally among 4"
    ):
        mesh.make_mesh(6, 256)


def test_every_core_is_a_device_unless_a_number_is_given(monkeypatch):
    asked = []
    monkeypatch.setattr(jax.config, "update", lambda *args: asked.append(args))
    monkeypatch.setattr(mesh, "count_cores", lambda: 6)
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    mesh.use_every_core()
    assert asked == [("jax_num_cpu_devices", 6)]
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=3")
    mesh.use_every_core()
    monkeypatch.delenv("XLA_FLAGS")
    monkeypatch.setattr(jax.distributed, "is_initialized", lambda: True)
    mesh.use_every_core()
    assert len(asked) == 1


PROGRAM_OF_A_COMMAND = """
import ramac_jax.cli.sweep, ramac_jax.cli.train, ramac_jax.cli.bandit.command
from ramac_jax.devices import use_every_core
from ramac_jax.devices.limits import count_cores
import jax

use_every_core()
assert jax.device_count() == count_cores()
use_every_core()  # JAX has started: nothing changes, and nothing is raised
assert jax.device_count() == count_cores()
"""


def test_importing_the_commands_does_not_start_jax():
    numbers = ("JAX_NUM_CPU_DEVICES", "XLA_FLAGS")
    environment = {k: v for k, v in os.environ.items() if k not in numbers}
    subprocess.run(
        [sys.executable, "-c", PROGRAM_OF_A_COMMAND],
        check=True,
        env=environment | {"JAX_PLATFORMS": "cpu"},
        cwd=Path(__file__).parents[2],
    )
