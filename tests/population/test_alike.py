"""Hosts that train different populations are refused before anything is written."""

import functools

import pytest

import ramac_jax as rj
from ramac_jax.population import Storage, train
from tests.hosts import run_hosts
from tests.population import toy

MEMBERS = toy.make_members()


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({"members": MEMBERS._replace(seed=MEMBERS.seed + 1)}, "seeds.0 is 0"),
        ({"schedule": toy.SCHEDULE._replace(num_steps=12)}, "num_steps is 10"),
        ({"dataset": toy.DATASET._replace(reward=-toy.DATASET.reward)}, "dataset is "),
        ({"storage": None}, "folder is "),
    ],
)
def test_the_input_that_differs_is_named(monkeypatch, tmp_path, changed, difference):
    same = {
        "dataset": toy.DATASET,
        "members": MEMBERS,
        "schedule": toy.SCHEDULE,
        "storage": Storage(folder=tmp_path / "run"),
    }
    call = functools.partial(train.train_population, toy.AGENT)
    works = [functools.partial(call, **x) for x in (same, same | changed)]
    first, second = run_hosts(monkeypatch, *works)
    assert isinstance(first, rj.InputError) and str(first) == str(second)
    assert str(first).startswith(f"the hosts differ: {difference}")
    assert not list(tmp_path.iterdir())


def test_members_that_one_host_cannot_train_end_all(monkeypatch):
    call = functools.partial(train.train_population, toy.AGENT, toy.DATASET)
    bad = MEMBERS._replace(seed=MEMBERS.seed - 1)
    works = [functools.partial(call, x, toy.SCHEDULE) for x in (MEMBERS, bad)]
    first, second = run_hosts(monkeypatch, *works)
    assert str(first) == f"host 1 stopped: {second}"
    assert "a seed is out of range" in str(second)


def test_a_folder_that_another_host_does_not_see_is_refused(monkeypatch, tmp_path):
    call = functools.partial(
        train.train_population, toy.AGENT, toy.DATASET, MEMBERS, toy.SCHEDULE
    )
    there = tmp_path / "there"
    monkeypatch.setattr(train, "appears", lambda path: False)
    works = [functools.partial(call, storage=Storage(folder=there))] * 2
    first, second = run_hosts(monkeypatch, *works)
    assert str(first) == f"host 1 stopped: {second}"
    assert f"does not see {there / 'settings.json'}" in str(second)


def test_a_file_of_another_host_may_come_late(monkeypatch, tmp_path):
    path, naps = tmp_path / "late", []

    def sleep(seconds):
        naps.append(seconds)
        path.write_text("")

    monkeypatch.setattr(train.time, "sleep", sleep)
    assert train.appears(path) and len(naps) == 1
    monkeypatch.setattr(train, "LATEST", 0.0)
    assert not train.appears(tmp_path / "never")
