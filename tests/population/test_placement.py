"""Members on many devices and hosts: each trains its part, and no number changes."""

import json
import shutil
import socket

import jax
import numpy as np
import pytest

from ramac_jax.population import Callbacks, train_population
from tests.population import toy
from tests.population.toy import assert_same

pytestmark = pytest.mark.slow
SIZE = 11  # members: two on each of five devices, then one and its copy
LENGTHS = {"save_every": 2}


def result(text):
    """The result that a process printed."""
    return json.loads(next(x for x in text.splitlines() if x.startswith("{")))


@pytest.fixture(scope="module")
def one_host(launch, finish, read, tmp_path_factory):
    """One process with eight devices: its result, and the arrays that it wrote."""
    out = tmp_path_factory.mktemp("one") / "out.npz"
    arguments = {
        "out": out,
        "size": SIZE,
        "lengths": LENGTHS,
        "pretraining_steps": 0,
        "surveyed": 16,
    }
    code, text = finish(launch(arguments, devices=8))
    assert code == 0, text
    return result(text), read(out)


def free_port():
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def two_hosts(launch, finish, tmp_path_factory):
    """Two processes with four devices each: their folder, and how they ended twice.

    The first time one of them receives SIGTERM. Before the second time the newest
    checkpoint is damaged.
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
                "pretraining_steps": 0,
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
            shutil.rmtree(home / "run/chunk-0/training/6/state/ocdbt.process_1/d")
    return home, *ended


def test_every_device_has_the_same_number_of_members(one_host):
    found, _ = one_host
    assert found["hosts"] == 1
    assert found["shards"] == {
        "spread": [[2] * 8],
        "init": [[2] * 8],
        "advance": [[2] * 8],
        "dataset": [[12] * 8],  # the whole dataset, on every device
    }


def test_devices_do_not_communicate_in_training(one_host):
    found, _ = one_host
    assert found["control"] == ["all-reduce"]  # the search finds those that exist
    assert found["collectives"] == []


def test_eight_devices_return_the_numbers_of_one(one_host, close):
    members, lengths = toy.make_members(SIZE), toy.SCHEDULE._replace(**LENGTHS)
    trained = train_population(
        toy.AGENT,
        toy.DATASET,
        members,
        lengths,
        callbacks=Callbacks(evaluate=toy.evaluate),
    )
    leaves = jax.tree.leaves_with_path((trained.states, trained.history))
    expected = {jax.tree_util.keystr(path): leaf for path, leaf in leaves}
    assert expected["[0].step"].shape == (SIZE,)
    close(one_host[1], expected, 1e-5, 1e-4)


def test_two_of_eight_cores_share_the_batches_of_one_agent(one_host):
    found = one_host[0]["true_agent"]
    assert found["mesh"] == [1, 2]  # a batch of 64 suits no more of them
    assert found["collectives"] == ["all-reduce"]
    agent, pretraining, dataset, schedule = toy.true_agent()
    members = toy.make_members(1)
    alone = train_population(agent, dataset, members, schedule, start=pretraining)
    for name, values in alone.history.metrics.items():
        np.testing.assert_allclose(found["metrics"][name], values, 1e-3, 1e-4)
    weights = jax.tree.leaves(alone.states.actor_params)
    for sharded, expected in zip(found["weights"], weights, strict=True):
        np.testing.assert_allclose(sharded, expected, 1e-3, 1e-4)


def test_a_signal_to_one_host_stops_all_hosts(two_hosts):
    for code, text in two_hosts[1]:
        assert code != 0
        message = "Interrupted: SIGTERM after update 6 of training: everything is saved"
        assert message in text


def test_two_hosts_resume_to_the_numbers_of_one(two_hosts, one_host, read):
    home, _, ended = two_hosts
    for host, (code, text) in enumerate(ended):
        assert code == 0, text
        assert "training/6 is damaged" in text and "the run resumes from 4" in text
        places = [x for x in text.splitlines() if x.startswith("training")]
        assert places[0] == "training 4"
        assert result(text)["hosts"] == 2
        assert_same(read(home / f"{host}.npz"), one_host[1])
    kept = {x.name for x in (home / "run/chunk-0/training").iterdir()}
    assert kept == {"8", "10"}


def test_hosts_divide_rows_and_join_them(two_hosts):
    home, _, ended = two_hosts
    results = [result(text) for _, text in ended]
    assert [x["rows"] for x in results] == [[0, 1, 2], [3, 4, 4]]
    for found in results:
        assert found["joined"] == {
            "double": ["float64", [[i + 0.1, i + 1e-300] for i in range(5)]],
            "whole": ["int64", [2**40 + i for i in range(5)]],
            "flag": ["bool", [True, False, True, False, True]],
        }
        assert found["arrivals"] == ["0", "1"]
        assert found["least"] == [1.5, -2.0]
    assert results[0]["refused"] == "no"
    assert results[1]["refused"] == "host 0 stopped: no"
