"""Trials of processes that end: noticed, run again with a note, and told once."""

import threading

import pytest
import sqlalchemy
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.trial import TrialState

from ramac_jax.search import engine, search
from ramac_jax.search.engine import Worker
from ramac_jax.search.heartbeats import Heartbeats
from ramac_jax.search.lineage import HISTORY, MAX_RETRIES, orphans, retry
from ramac_jax.search.storage import quiet_optuna
from tests.search.studies import GRID, SPACE, in_file, in_memory, score


@pytest.fixture
def study(tmp_path):
    """A study whose lost trials are noticed after a second."""
    return in_file(tmp_path / "study.db", heartbeat=1, grace=1)


@pytest.fixture
def notes():
    return []


def run(study, notes, score=score, trials=3, **options):
    return search(
        study,
        SPACE,
        score,
        num_trials=trials,
        batch_size=2,
        note=notes.append,
        **options,
    )


def worker(study, heartbeats, space=SPACE, num_trials=1):
    return Worker(
        study, space, heartbeats, num_trials, 1, None, "dead", False, lambda text: None
    )


def ask_and_die(study, space=SPACE, num_trials=1):
    """Ask for a trial, record one heartbeat, and leave."""
    with Heartbeats(study) as heartbeats:
        return worker(study, heartbeats, space, num_trials).ask(0)[0]


def test_a_lost_trial_runs_again_with_its_parameters_and_a_note(study, notes):
    lost = ask_and_die(study)
    found = run(study, notes)
    assert [(x.state, x.retry_of) for x in found.trials] == [
        ("fail", None),
        ("complete", None),
        ("complete", None),
        ("complete", 0),
    ]
    assert found.trials[3].setting == found.trials[0].setting
    assert lost.params["risk_weight"] == found.trials[3].setting["risk_weight"]
    assert notes == [
        "no trial is left; waiting about 3 s, in case a process is lost that trains "
        "trial 0"
    ]


def age(study):
    """Make all heartbeats an hour old."""
    with study._storage._backend.engine.begin() as connection:
        old = "datetime(heartbeat, '-1 hour')"
        done = connection.execute(
            sqlalchemy.text(f"UPDATE trial_heartbeats SET heartbeat = {old}")
        )
    assert done.rowcount


@pytest.mark.parametrize("options", [{"process": "dead"}, {"alone": True}])
def test_a_search_that_resumes_late_resumes_its_own_trials(study, notes, options):
    for _ in range(2):
        with Heartbeats(study) as heartbeats:
            worker(study, heartbeats, num_trials=2).ask(0)
    age(study)
    found = run(study, notes, **options)
    assert [(x.state, x.retry_of) for x in found.trials] == [("complete", None)] * 3
    assert notes == []


def test_a_process_that_ends_before_its_first_heartbeat_is_lost_too(study, notes):
    """The retry draws what the trial would have drawn."""
    with quiet_optuna():
        study.ask()
    found = run(study, notes, trials=1)
    assert [(x.state, x.retry_of) for x in found.trials] == [
        ("fail", None),
        ("complete", 0),
    ]
    alone = ask_and_die(in_memory())
    assert found.trials[1].setting == alone.params


def test_a_search_ends_while_other_processes_live(study, notes):
    with Heartbeats(study) as heartbeats:
        worker(study, heartbeats).ask(0)
        found = run(study, notes, trials=2)
    assert [x.state for x in found.trials] == ["running", "complete"]
    assert notes[-1] == "other processes still train trial 0"


def test_a_trial_that_was_given_up_does_not_count_and_is_noted(study, notes):
    """Another process takes it for lost while this one trains."""

    def slow(round_):
        if 0 in round_.numbers:
            trial = study.get_trials()[0]
            study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
            retry(study, trial)
        return score(round_)

    found = run(study, notes, slow, trials=2)
    assert [(x.state, x.retry_of) for x in found.trials] == [
        ("fail", None),
        ("complete", None),
        ("complete", 0),
    ]
    assert len(notes) == 1 and notes[0].startswith("trial 0 was without a heartbeat")


def test_a_trial_that_failed_and_was_not_queued_is_queued_in_the_end(study, notes):
    """The process that noticed it was lost in between."""
    trial = ask_and_die(study)
    study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
    found = run(study, notes, trials=1)
    assert [(x.state, x.retry_of) for x in found.trials] == [
        ("fail", None),
        ("complete", 0),
    ]


def test_a_trial_is_run_again_a_few_times_at_most(study, notes):
    for _ in range(MAX_RETRIES + 2):
        waiting = [x for x in study.get_trials() if x.state == TrialState.WAITING]
        if waiting or not study.trials:
            trial = ask_and_die(study)
            study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
            retry(study, study.get_trials()[-1])
    trials = study.get_trials()
    assert len(trials) == 1 + MAX_RETRIES
    assert trials[-1].system_attrs[HISTORY] == list(range(MAX_RETRIES))
    with quiet_optuna():
        number = RetryHeartbeatStaleTrialCallback.retried_trial_number(trials[-1])
    assert number == 0
    assert orphans(trials) == []
    found = run(study, notes, trials=1)
    reason = "its process was lost 4 times"
    assert [x.attributes.get("reason") for x in found.trials] == [None] * 3 + [reason]
    assert notes == [f"trial 3 does not run again: {reason}"]


def test_a_point_of_the_grid_that_was_lost_is_that_point_again(tmp_path, notes):
    path = tmp_path / "study.db"
    study = in_file(path, "grid", GRID, heartbeat=1, grace=1)
    with quiet_optuna():
        study.ask()
    found = search(study, GRID, score, num_trials=2, batch_size=2, note=notes.append)
    assert found.trials[2].retry_of == 0
    assert found.trials[2].setting == {"discount": 0.5, "risk_weight": 0.1}
    assert found.trials[1].setting == {"discount": 0.5, "risk_weight": 0.2}


def test_a_trial_beyond_the_number_is_given_back(study):
    ask_and_die(study)
    assert ask_and_die(study) is None  # it asked at the same moment as another one
    trial = study.get_trials()[1]
    assert (trial.state, trial.user_attrs["reason"]) == (
        TrialState.FAIL,
        engine.SURPLUS,
    )


def test_a_search_that_was_killed_as_it_gave_a_trial_back_does_so(study, notes):
    ask_and_die(study)
    trial = ask_and_die(study, num_trials=2)
    trial.set_user_attr("reason", engine.SURPLUS)
    found = run(study, notes, trials=1, process="dead")
    assert [x.state for x in found.trials] == ["complete"]
    assert study.get_trials()[1].state == TrialState.FAIL


def test_heartbeats_survive_a_storage_that_is_away_for_a_moment(study, monkeypatch):
    recorded = threading.Event()
    with Heartbeats(study) as heartbeats:
        heartbeats.follow(ask_and_die(study)._trial_id)
        original, faults = heartbeats.storage.record_heartbeat, iter([OSError("away")])

        def record(trial_id):
            if (fault := next(faults, None)) is not None:
                raise fault
            original(trial_id)
            recorded.set()

        monkeypatch.setattr(heartbeats.storage, "record_heartbeat", record)
        assert recorded.wait(5)


def test_a_lost_trial_that_two_processes_queue_runs_again_once(study, notes):
    """Both found it at the same moment; the later one of its retries is surplus."""
    ask_and_die(study, num_trials=3)
    study.tell(0, state=TrialState.FAIL)
    for _ in range(2):
        retry(study, study.trials[0])
    found = run(study, notes)
    retried = [x for x in study.trials if x.system_attrs.get(HISTORY) == [0]]
    assert [x.state.name for x in retried] == ["COMPLETE", "FAIL"]
    assert [x.state for x in found.trials].count("complete") == 3
    assert [x.retry_of for x in found.trials].count(0) == 1
