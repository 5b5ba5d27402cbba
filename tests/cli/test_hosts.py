"""The hosts of a command compare what they were started with before anything starts."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import jax
import pytest

import ramac_jax as rj
from ramac_jax.cli import hosts, main, process
from ramac_jax.cli.options import sweep, train
from ramac_jax.devices import hosts as devices
from tests.hosts import run_hosts

ROOT = Path(rj.__file__).parents[1]
WORDS = "--dataset a/b-v0 --out run"


def refuse(error):
    def parse(words):
        raise error

    return parse


@pytest.fixture
def start(monkeypatch):
    """Start a command on two hosts that have joined; what each returned or raised."""
    monkeypatch.setattr(devices, "initialize_hosts", lambda: None)
    monkeypatch.setattr(hosts, "handle_signals", lambda: None)

    def call(*commands):
        def host(command):
            name, *words = command.split()
            parse = {"train": train.parse, "sweep": sweep.parse}[name]
            try:  # here, since tyro reads in one thread at a time
                options = parse(words)
            except rj.InputError as error:
                refusing = refuse(error)
                return lambda: hosts.join_and_compare(name, refusing, words)
            return lambda: hosts.join_and_compare(name, lambda _: options, words)

        return run_hosts(monkeypatch, *map(host, commands))

    return call


def test_hosts_with_the_same_options_start(start, monkeypatch):
    for found in start(f"train {WORDS} --workers 2 --memory 3", f"train {WORDS}"):
        assert found.output.out == Path("run")


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        (
            f"train {WORDS} --out {'a' * 99}/1",
            f"train {WORDS} --out {'a' * 99}/2",
            f'--out is ...{"a" * 19}/1" on host 0 and ...{"a" * 19}/2" on host 1',
        ),
        (
            f"train {WORDS} --seed 1",
            f"train {WORDS}",
            "--seed is 1 on host 0 and 0 on host 1",
        ),
        (
            f"train {WORDS}",
            f"train {WORDS} --bc-weight 5",
            "--bc-weight is 1.0 on host 0 and 5.0 on host 1",
        ),
        (
            f"sweep {WORDS} --grid bc_weight=1,2",
            f"train {WORDS}",
            'the command is "sweep" on host 0 and "train" on host 1',
        ),
        (
            f"sweep {WORDS} --grid bc_weight=1,2",
            f"sweep {WORDS} --grid bc_weight=1,3",
            '--grid.0 is "bc_weight=1,2" on host 0 and "bc_weight=1,3" on host 1',
        ),
    ],
)
def test_the_option_that_differs_is_named_on_both_hosts(
    start, monkeypatch, tmp_path, one, other, difference
):
    monkeypatch.chdir(tmp_path)
    first, second = start(one, other)
    assert isinstance(first, rj.InputError) and str(first) == str(second)
    assert str(first).startswith(f"the hosts differ: {difference}; start all")
    assert not list(tmp_path.iterdir())


def test_words_that_one_host_cannot_read_end_both(start):
    first, second = start(f"train {WORDS}", f"train {WORDS} --no-such 1")
    assert str(second).startswith("Unrecognized options: --no-such, 1")
    assert str(first) == f"host 1 stopped: {second}"


def test_a_task_of_slurm_runs_alone_with_a_remark(monkeypatch, capsys):
    for name in ("JAX_NUM_PROCESSES", "JAX_COORDINATOR_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLURM_STEP_NODELIST", "n0")
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    options = main.read_options("train", WORDS.split())
    assert options.output.out == Path("run")
    assert capsys.readouterr().err.startswith("SLURM started 2 tasks, and each runs ")


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("name", ["compare", "bandit"])
def test_a_command_that_joins_no_hosts_says_so_on_each(
    monkeypatch, capsys, name, count
):
    monkeypatch.setenv("JAX_NUM_PROCESSES", str(count))
    words = ["--out", "run"] + ["--tasks", "hopper-medium-replay"] * (name == "compare")
    main.read_options(name, words)
    line = f"ramac {name} joins no hosts: each of them runs all of it, alone\n"
    assert capsys.readouterr().err == line * (count == 2)


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), process.Terminated(signal.SIGTERM)]
)
def test_a_host_that_is_stopped_alone_ends_by_the_signal(monkeypatch, capsys, error):
    """JAX's own end would wait for the other hosts."""
    number = getattr(error, "number", signal.SIGINT)
    before, raised = signal.getsignal(number), []
    monkeypatch.setattr(jax.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(
        signal, "raise_signal", lambda x: raised.append((x, signal.getsignal(x)))
    )
    try:
        with pytest.raises(SystemExit), process.exit_status("ramac train"):
            raise error
    finally:
        signal.signal(number, before)
    assert raised == [(number, signal.SIG_DFL)]
    assert capsys.readouterr().err.count("\n") == 1


def test_a_host_that_leaves_a_wait_behind_leaves_the_others_and_ends(monkeypatch):
    """Python's own end would abort the thread inside of JAX: status 134."""
    ended, never = [], threading.Event()
    monkeypatch.setattr(jax.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(jax.distributed, "shutdown", lambda: ended.append("left"))
    monkeypatch.setattr(os, "_exit", ended.append)
    devices.in_thread(lambda: never.wait(20.0))
    with pytest.raises(SystemExit), process.exit_status("ramac train"):
        raise rj.InputError("host 0 stopped: JAX cannot start")
    never.set()
    assert ended == ["left", 2]


@pytest.mark.slow
def test_two_processes_with_different_options_end_at_once(tmp_path):
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    started = []
    for host, weight in enumerate(("1", "5")):
        words = ["train", "--dataset", "a/b-v0", "--out", str(tmp_path / "run")]
        joining = {
            "JAX_COORDINATOR_ADDRESS": f"localhost:{port}",
            "JAX_NUM_PROCESSES": "2",
            "JAX_PROCESS_ID": str(host),
            "PYTHONPATH": str(ROOT),
        }
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "ramac_jax", *words, "--bc-weight", weight],
                env=os.environ | joining,
                cwd=ROOT,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    try:
        for host in started:
            error = host.communicate(timeout=90)[1]
            assert host.returncode == 2, error
            expected = (
                "error: the hosts differ: --bc-weight is 1.0 on host 0 and 5.0 on"
            )
            assert error.splitlines()[-1].startswith(expected)
    finally:
        for host in started:
            host.kill()
    assert not (tmp_path / "run").exists()
