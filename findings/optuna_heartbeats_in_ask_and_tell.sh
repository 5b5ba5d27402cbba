#!/usr/bin/env bash
# optuna 5.0.0 with SQLAlchemy 2.0.44 and SQLite.
#
# A storage with `heartbeat_interval` notices lost processes only in `Study.optimize`,
# which starts a thread that records heartbeats. A trial of `Study.ask` has none, and
# `fail_stale_trials` reads heartbeats alone: the trial of a killed process stays RUNNING
# for ever, and its callback for retries is never called. `ask` says so in a warning.
# With one heartbeat recorded by hand, by `storage.record_heartbeat`, the trial fails
# after the grace period and the callback queues it again. The reverse holds too: a
# process that trains for longer than the grace period must go on recording, or the
# others take its trial for lost.
#
# Seen on 2026-11-28:
#   no heartbeat recorded       RUNNING after the grace period
#   one heartbeat recorded      FAIL, and queued again as WAITING
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install -q optuna==5.0.0 sqlalchemy==2.0.44
cat > "$place/heartbeats.py" <<'PYTHON'
import multiprocessing
import os
import signal
import sys
import time
import warnings

import optuna

warnings.simplefilter("ignore")
optuna.logging.disable_default_handler()
URL = f"sqlite:///{sys.argv[1]}/study.db"


def study_of(name):
    storage = optuna.storages.RDBStorage(
        URL,
        heartbeat_interval=1,
        grace_period=2,
        heartbeat_stale_trial_callback=(
            optuna.storages.RetryHeartbeatStaleTrialCallback()
        ),
    )
    study = optuna.create_study(storage=storage, study_name=name, load_if_exists=True)
    return study, storage


def ask_and_die(name, record):
    study, storage = study_of(name)
    trial = study.ask()
    trial.suggest_float("x", 0.0, 1.0)
    if record:
        storage.record_heartbeat(trial._trial_id)
    os.kill(os.getpid(), signal.SIGKILL)


def states(name, record):
    process = multiprocessing.Process(target=ask_and_die, args=(name, record))
    process.start()
    process.join()
    time.sleep(4)
    study, _ = study_of(name)
    optuna.storages.fail_stale_trials(study)
    return [trial.state.name for trial in study.get_trials()]


without, recorded = states("without", False), states("recorded", True)
print(f"no heartbeat recorded       {', '.join(without)}")
print(f"one heartbeat recorded      {', '.join(recorded)}")
assert without == ["RUNNING"] and recorded == ["FAIL", "WAITING"]
PYTHON
"$place/venv/bin/python" "$place/heartbeats.py" "$place"
