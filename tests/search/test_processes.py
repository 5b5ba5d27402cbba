"""Several processes share a study on a real PostgreSQL server, and some are killed."""

import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest

from ramac_jax.search import open_storage, search
from ramac_jax.search.results import results_of
from tests.search.studies import SPACE, in_memory, score

ROOT = Path(__file__).parents[2]
TRIALS, BATCH = 24, 3
WORKER = f"""
import sys, time
from ramac_jax.search import make_sampler, open_storage, open_study, search
from tests.search.studies import SPACE, score

def slow(round_):
    time.sleep(0.4)
    return score(round_)

storage = open_storage(sys.argv[1], heartbeat=1, grace=3)
sampler = make_sampler("random", SPACE, seed=3)
study = open_study(storage, "shared", sampler=sampler, record={{}})
print("started", flush=True)
search(study, SPACE, slow, num_trials={TRIALS}, batch_size={BATCH}, note=print)
"""


def binaries():
    """The folder of PostgreSQL's programs, if any."""
    known = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which("initdb")
    return next(
        (x for x in known if (x / "initdb").exists()), found and Path(found).parent
    )


def as_other(command):
    """A command of a user other than root, as whom the server refuses to run."""
    if os.geteuid():
        return command
    name = next(
        x for x in ("postgres", "nobody") if x in {u.pw_name for u in pwd.getpwall()}
    )
    return ["setpriv", f"--reuid={name}", "--regid=nogroup", "--clear-groups", *command]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The URL of a PostgreSQL server of this test alone."""
    programs = binaries()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed")
    if not os.geteuid() and not shutil.which("setpriv"):
        pytest.skip("PostgreSQL refuses root, and there is no setpriv")
    folder = Path(
        subprocess.check_output(as_other(["mktemp", "-d"]), text=True).strip()
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def call(*words):
        subprocess.run(
            as_other([*map(str, words)]), check=True, stdout=subprocess.DEVNULL
        )

    data = folder / "data"
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    call(programs / "initdb", "-D", data, "-U", "me", "--auth=trust", "--no-sync")
    control = (programs / "pg_ctl", "-D", data, "-l", folder / "log", "-w")
    call(*control, "-o", options, "start")
    try:
        yield f"postgresql://me:secret@127.0.0.1:{port}/postgres"
    finally:
        call(*control, "-m", "immediate", "stop")
        call("rm", "-rf", folder)


@pytest.mark.slow
def test_killed_processes_leave_their_trials_to_the_others(server, tmp_path):
    """Four processes, two of them killed at random moments while they work."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", WORKER, server]
    workers = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for worker in workers:
        assert worker.stdout.readline() == "started\n"
    for worker in workers[:2]:
        time.sleep(random.uniform(0.2, 1.0))
        worker.send_signal(signal.SIGKILL)
    said = [worker.communicate(timeout=50)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [-9, -9, 0, 0], said
    storage = open_storage(server)
    study = optuna.load_study(study_name="shared", storage=storage)
    trials = study.get_trials()
    complete = [x for x in trials if x.state.name == "COMPLETE"]
    failed = [x for x in trials if x.state.name == "FAIL"]
    retried = [x for x in trials if "failed_trial" in x.system_attrs]
    assert {x.state.name for x in trials} <= {"COMPLETE", "FAIL"}
    assert len(complete) == TRIALS
    assert all(len(x.values) == 1 for x in complete)
    lost = [x for x in failed if "reason" not in x.user_attrs]
    assert lost, "no trial was lost: the processes were killed too early or too late"
    again = {x.system_attrs["retry_history"][-1]: x for x in retried}
    assert set(again) == {x.number for x in lost}
    for trial in lost:
        assert again[trial.number].params.items() >= trial.params.items()
    roots = {x.system_attrs.get("failed_trial", x.number) for x in complete}
    assert roots == {
        x.number for x in trials if x not in retried and "reason" not in x.user_attrs
    }
    # Random draws depend on the number of a trial alone: the best one is known.
    undisturbed = search(
        in_memory("random", seed=3),
        SPACE,
        score,
        num_trials=max(roots) + 1,
        batch_size=8,
    )
    known = {x.number: (x.setting, x.scores) for x in undisturbed.trials}
    found = results_of(study, SPACE)
    for trial in found.trials:
        root = trial.number if trial.retry_of is None else trial.retry_of
        if trial.state == "complete":
            assert (trial.setting, trial.scores) == known[root]
    assert found.best[0].scores == max(known[root][1] for root in roots)
    storage.engine.dispose()
