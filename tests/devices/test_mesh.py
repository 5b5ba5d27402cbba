"""Members on many devices and hosts: each does its share, and no number changes."""

import json
import math
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.devices import mesh as placement
from ramac_jax.population import initialize_hosts, train_population

SIZE = 11  # members: two on each of five devices, then one beside its copy
LENGTHS = {"bc_steps": 0, "save_every": 2}


def found_by(text):
    """What a worker found out, from what it printed."""
    return json.loads(next(x for x in text.splitlines() if x.startswith("{")))


@pytest.fixture(scope="module")
def one_host(launch, finish, read, tmp_path_factory):
    """One process with eight devices: what it found, and what became of its members."""
    out = tmp_path_factory.mktemp("one") / "out.npz"
    arguments = {"out": out, "size": SIZE, "lengths": LENGTHS, "surveyed": 16}
    code, text = finish(launch(arguments, devices=8))
    assert code == 0, text
    return found_by(text), read(out)


def free_port():
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def two_hosts(launch, finish, tmp_path_factory):
    """Two processes with four devices each, and how they ended.

    They are called twice: the first time one of them is told to stop, and before the
    second what it saved is lost.
    """
    home = tmp_path_factory.mktemp("two")
    ended = []
    for stop in ([1, "training", 5], None):
        port = free_port()
        processes = []
        for host in (0, 1):
            arguments = {
                "out": home / f"{host}.npz",
                "folder": home / "run",
                "size": SIZE,
                "lengths": LENGTHS,
                "stop": stop,
                "shared": None if stop else home / "meeting",
            }
            environment = {
                "JAX_COORDINATOR_ADDRESS": f"localhost:{port}",
                "JAX_NUM_PROCESSES": "2",
                "JAX_PROCESS_ID": str(host),
            }
            processes.append(launch(arguments, devices=4, **environment))
        ended.append([finish(process) for process in processes])
        if stop:
            shutil.rmtree(home / "run/chunk-0/training/6/carry/ocdbt.process_1/d")
    return home, *ended


def test_every_device_has_its_share(one_host):
    found, _ = one_host
    assert found["hosts"] == 1
    assert found["shares"] == {
        "spread": [[2] * 8],
        "begun": [[2] * 8],
        "advanced": [[2] * 8],
        "dataset": [[12] * 8],  # all of it, everywhere
    }


def test_nothing_is_communicated_in_training(one_host):
    found, _ = one_host
    assert found["control"] == ["all-reduce"]  # they are seen where there are any
    assert found["collectives"] == []


def test_eight_devices_give_what_one_does(one_host, toy, close):
    members, lengths = toy.make_members(SIZE), toy.SCHEDULE._replace(**LENGTHS)
    trained = train_population(
        toy.AGENT, toy.DATASET, members, lengths, watch=toy.watch
    )
    leaves = jax.tree.leaves_with_path((trained.states, trained.history))
    expected = {jax.tree_util.keystr(path): leaf for path, leaf in leaves}
    assert expected["[0].step"].shape == (SIZE,)
    close(one_host[1], expected, 1e-5, 1e-4)


def test_two_of_eight_cores_share_the_batches_of_one_agent(one_host, toy):
    learned = one_host[0]["learned"]
    assert learned["mesh"] == [1, 2]  # a batch of 64 is not worth more of them
    assert learned["collectives"] == ["all-reduce"]
    agent, cloner, dataset, schedule = toy.true_agent()
    members = toy.make_members(1)
    alone = train_population(agent, dataset, members, schedule, cloner=cloner)
    for name, values in alone.history.metrics.items():
        np.testing.assert_allclose(learned["metrics"][name], values, 1e-3, 1e-4)
    weights = jax.tree.leaves(alone.states.actor_params)
    for found, expected in zip(learned["weights"], weights, strict=True):
        np.testing.assert_allclose(found, expected, 1e-3, 1e-4)


def test_a_signal_to_one_host_stops_them_all(two_hosts):
    for code, text in two_hosts[1]:
        assert code != 0
        assert "Interrupted: SIGTERM after update 6 of training: all is saved" in text


def test_two_hosts_go_on_to_the_numbers_of_one(two_hosts, one_host, same, read):
    home, _, ended = two_hosts
    for host, (code, text) in enumerate(ended):
        assert code == 0, text
        assert "training/6 is damaged" in text and "going on from 4" in text
        places = [x for x in text.splitlines() if x.startswith("training")]
        assert places[0] == "training 4"
        assert found_by(text)["hosts"] == 2
        same(read(home / f"{host}.npz"), one_host[1])
    kept = {x.name for x in (home / "run/chunk-0/training").iterdir()}
    assert kept == {"8", "10"}


def test_hosts_share_work_and_join_it(two_hosts):
    home, _, ended = two_hosts
    told = [found_by(text) for _, text in ended]
    assert [x["rows"] for x in told] == [[0, 1, 2], [3, 4, 4]]
    for found in told:
        assert found["joined"] == {
            "double": ["float64", [[i + 0.1, i + 1e-300] for i in range(5)]],
            "whole": ["int64", [2**40 + i for i in range(5)]],
            "flag": ["bool", [True, False, True, False, True]],
        }
        assert found["arrivals"] == ["0", "1"]
        assert found["least"] == [1.5, -2.0]
    assert told[0]["refused"] == "no"
    assert "the first host refused" in told[1]["refused"]


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
    """What JAX is told of the hosts, where no launcher has left its variables."""
    calls = []
    for name in LAUNCHERS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(jax.distributed, "initialize", lambda **x: calls.append(x))
    return calls


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"SLURM_STEP_NODELIST": "n0", "SLURM_NTASKS": "1"},
        {"SLURM_NTASKS": "4"},  # of a job, in which srun started nothing
        {"OMPI_COMM_WORLD_SIZE": "1"},
        {"TPU_WORKER_HOSTNAMES": "localhost"},
        {"JAX_NUM_PROCESSES": "1"},
        {"JAX_NUM_PROCESSES": "1", "OMPI_COMM_WORLD_SIZE": "2"},
    ],
)
def test_a_host_alone_joins_no_other(joined, monkeypatch, told):
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    initialize_hosts()
    assert joined == []


@pytest.mark.parametrize(
    ("told", "passed"),
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
def test_what_a_launcher_says_is_passed_on(joined, monkeypatch, told, passed):
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    initialize_hosts()
    assert joined == [passed]


def test_hosts_that_cannot_be_joined(joined, monkeypatch):
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


@pytest.mark.parametrize(
    ("population", "devices", "batch_size", "rows", "members", "shape"),
    [
        (1, 1, 256, 1, 1, (1, 1)),
        (1, 2, 256, 1, 1, (1, 2)),
        (1, 2, 250, 1, 1, (1, 2)),
        (1, 2, 1, 1, 1, (1, 1)),  # a batch that is not to be shared
        (1, 2, 63, 1, 1, (1, 1)),  # or into halves of fewer rows than are worth it
        (1, 16, 256, 1, 1, (1, 8)),
        (1, 6, 256, 1, 1, (1, 4)),  # 256 in six equal shares there are not
        (2, 2, 256, 2, 2, (2, 1)),
        (2, 5, 256, 2, 2, (2, 2)),
        (3, 2, 256, 1, 3, (1, 2)),  # three turns of both: one core would idle in a half
        (3, 2, 1, 2, 4, (2, 1)),
        (4, 2, 256, 2, 4, (2, 1)),
        (7, 4, 256, 4, 8, (4, 1)),
        (11, 8, 1, 6, 12, (6, 1)),  # two turns, and no core more than they need
        (16, 4, 256, 4, 16, (4, 1)),
    ],
)
def test_cores_are_dealt_so_that_a_population_is_done_soonest(
    monkeypatch, population, devices, batch_size, rows, members, shape
):
    made = []
    monkeypatch.setattr(jax, "device_count", lambda: devices)
    monkeypatch.setattr(jax, "devices", lambda: list(range(devices)))
    monkeypatch.setattr(
        jax, "make_mesh", lambda *args, **rest: made.append((args, rest))
    )
    assert placement.count_rows(population, batch_size, devices) == rows
    assert members == rows * math.ceil(population / rows)
    placement.make_mesh(members, batch_size)
    (((found, names), rest),) = made
    assert found == shape and names == (placement.AXIS, placement.SHARES)
    assert rest["devices"] == list(range(shape[0] * shape[1]))


def test_members_on_accelerators_fill_them_all(monkeypatch):
    monkeypatch.setattr(jax, "device_count", lambda: 4)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert placement.count_rows(5, 256, 4) == 4
    with pytest.raises(rj.InputError, match="6 members cannot be dealt to 4 devices"):
        placement.make_mesh(6, 256)


def test_every_core_is_a_device_unless_a_number_is_told(monkeypatch):
    asked = []
    monkeypatch.setattr(jax.config, "update", lambda *args: asked.append(args))
    monkeypatch.setattr(placement, "count_cores", lambda: 6)
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    placement.use_every_core()
    assert asked == [("jax_num_cpu_devices", 6)]
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=3")
    placement.use_every_core()
    monkeypatch.delenv("XLA_FLAGS")
    monkeypatch.setattr(jax.distributed, "is_initialized", lambda: True)
    placement.use_every_core()
    assert len(asked) == 1


SEEN_BY_A_COMMAND = """
import ramac_jax.cli.sweep, ramac_jax.cli.train, ramac_jax.cli.bandit.command
from ramac_jax.population import use_every_core
from ramac_jax.devices.limits import count_cores
import jax

use_every_core()
assert jax.device_count() == count_cores()
use_every_core()  # JAX has started: nothing is changed, or raised
assert jax.device_count() == count_cores()
"""


def test_no_command_starts_jax_before_it_asks_for_every_core():
    told = ("JAX_NUM_CPU_DEVICES", "XLA_FLAGS")
    environment = {k: v for k, v in os.environ.items() if k not in told}
    subprocess.run(
        [sys.executable, "-c", SEEN_BY_A_COMMAND],
        check=True,
        env=environment | {"JAX_PLATFORMS": "cpu"},
        cwd=Path(__file__).parents[2],
    )


def test_what_is_spread_has_memory_of_its_own():
    room = np.zeros(4096 + 64, np.uint8)  # aligned as JAX takes memory over
    numbers = room[-room.ctypes.data % 64 :][:4096].view(np.float32)
    numbers[:] = expected = np.arange(1024)
    spread = placement.spread(numbers, placement.make_mesh(1024))
    copy = placement.gather(spread)
    numbers[:] = -1.0
    np.testing.assert_array_equal(spread, expected)
    add = jax.jit(lambda x: x + 1.0, donate_argnums=0)
    np.testing.assert_array_equal(add(spread), expected + 1)
    assert spread.is_deleted()
    np.testing.assert_array_equal(copy, expected)


@pytest.mark.parametrize("in_axes", [(0, 0, None), (None, 0, 0), (0, None, None)])
def test_members_in_turn_are_members_side_by_side(in_axes):
    def function(x, tree, y):
        return {"sum": x + tree["a"] * y, "b": tree["b"]}

    args = [np.arange(3.0), {"a": np.arange(3.0), "b": np.ones((3, 2))}, np.arange(3.0)]
    args = [
        jax.tree.map(lambda leaf: leaf[1], x) if axis is None else x
        for x, axis in zip(args, in_axes, strict=True)
    ]
    found = placement.in_turn(function, in_axes)(*args)
    jax.tree.map(
        np.testing.assert_array_equal, found, jax.vmap(function, in_axes)(*args)
    )
