"""Storages and studies that are refused, and tables that two processes make."""

import optuna
import pytest
import sqlalchemy

import ramac_jax as rj
from ramac_jax.search import make_sampler, open_storage, open_study, search, storage
from ramac_jax.search.storage import first_made
from tests.search.studies import SPACE, in_file, score


def open_in(path, **record):
    return open_study(
        open_storage(f"sqlite:///{path}"),
        "study",
        sampler=make_sampler("random", SPACE),
        record=record,
    )


def test_a_study_of_another_search_is_refused_with_the_difference(tmp_path):
    study = open_in(tmp_path / "x.db", task="hopper", space={"a": [1, 2]})
    study.add_trial(optuna_trial())
    open_in(tmp_path / "x.db", task="hopper", space={"a": [1, 2]})
    with pytest.raises(rj.InputError, match="made with space.a") as said:
        open_in(tmp_path / "x.db", task="hopper", space={"a": [1, 3]})
    assert str(said.value).startswith("the study 'study' in sqlite:///")
    assert "\n" not in str(said.value)


def optuna_trial():
    return optuna.trial.create_trial(value=1.0)


def test_an_empty_study_takes_the_record_of_the_next_process(tmp_path):
    open_in(tmp_path / "x.db", task="hopper")
    assert open_in(tmp_path / "x.db", task="walker").user_attrs["ramac_jax"] == {
        "task": "walker"
    }


def test_a_study_of_other_directions_is_refused_even_without_trials(tmp_path):
    made = open_storage(f"sqlite:///{tmp_path / 'x.db'}")
    optuna.create_study(storage=made, study_name="study", direction="minimize")
    line = "has the directions minimize, not maximize: give another study"
    with pytest.raises(rj.InputError, match=line) as said:
        open_in(tmp_path / "x.db")
    assert "\n" not in str(said.value)


def test_a_study_of_another_program_is_refused(tmp_path):
    study = in_file(tmp_path / "x.db")
    study._storage.set_study_user_attr(study._study_id, "ramac_jax", None)
    study.add_trial(optuna_trial())
    with pytest.raises(rj.InputError, match="is of another program: give another stu"):
        open_in(tmp_path / "x.db", task="hopper")


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("study.db", "the storage is no URL: give one such as sqlite"),
        ("sqlite:////nowhere/x.db", "cannot reach sqlite:////nowhere/x.db ("),
        ("mysql+pymysql://me:secret@host/x", "for MySQL pip install pymysql"),
        ("nosuch://me:secret@host/x", "cannot reach nosuch://me:***@host/x ("),
    ],
)
def test_a_storage_that_cannot_be_opened_is_one_line(url, line):
    with pytest.raises(rj.InputError) as said:
        open_storage(url)
    assert line in str(said.value)
    assert "secret" not in str(said.value)
    assert "\n" not in str(said.value)


def test_tables_that_another_process_makes_meanwhile_are_used(monkeypatch):
    monkeypatch.setattr(storage, "PAUSE", 0.0)
    faults = [
        sqlalchemy.exc.IntegrityError("create", {}, Exception("duplicate key value")),
        sqlalchemy.exc.OperationalError("create", {}, Exception("table x exists")),
    ]

    def make():
        if faults:
            raise faults.pop()
        return "made"

    assert first_made(make) == "made"
    faults.append(sqlalchemy.exc.OperationalError("x", {}, Exception("no route")))
    with pytest.raises(sqlalchemy.exc.OperationalError, match="no route"):
        first_made(make)


def test_a_storage_that_is_lost_is_one_line_and_the_scores_are_not(tmp_path):
    """The same call resumes: it scores the round again, and tells it."""
    study = in_file(tmp_path / "x.db")
    path = tmp_path / "x.db"

    def lose(round_):
        path.rename(tmp_path / "away.db")
        path.mkdir()
        study._storage._backend.engine.dispose()
        return score(round_)

    options = {"num_trials": 2, "batch_size": 2, "process": "me"}
    with pytest.raises(rj.InputError, match="cannot reach the storage of study 's"):
        search(study, SPACE, lose, **options)
    path.rmdir()
    (tmp_path / "away.db").rename(path)
    found = search(in_file(path), SPACE, score, **options)
    assert [x.state for x in found.trials] == ["complete"] * 2
