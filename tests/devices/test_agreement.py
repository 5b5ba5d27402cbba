"""Hosts that differ, or of which one refuses, are refused alike, and none waits."""

import functools
import threading

import pytest

import ramac_jax as rj
from ramac_jax.devices import (
    agreement,
    check_same,
    first_host_first,
    on_every_host,
    start_devices,
)
from ramac_jax.devices.agreement import share
from ramac_jax.devices.hosts import in_thread
from tests.hosts import run_hosts


def messages(found):
    assert all(isinstance(x, rj.InputError) for x in found), found
    return [str(x) for x in found]


def test_texts_of_every_length_are_shared(monkeypatch):
    texts = ["é" * 70, "", "three"]
    found = run_hosts(monkeypatch, *(functools.partial(share, x) for x in texts))
    assert found == [texts] * 3


def test_a_single_host_waits_for_none():
    assert share("x") == ["x"]
    assert first_host_first(lambda: 1) == on_every_host(lambda: 1) == 1
    check_same({"a": 1})
    with pytest.raises(ZeroDivisionError):
        first_host_first(lambda: 1 // 0)


def test_the_first_difference_is_named_on_every_host(monkeypatch):
    same = {"--out": "runs/a", "members": {"seeds": [0, 1], "bc_weight": float("inf")}}
    other = {**same, "members": {"seeds": [0, 10], "bc_weight": 5.0}}
    hosts = [functools.partial(check_same, x) for x in (same, same, other)]
    assert (
        messages(run_hosts(monkeypatch, *hosts))
        == [
            "the hosts differ: members.seeds.1 is 1 on host 0 and 10 on host 2; start "
            "all of them alike, or set JAX_NUM_PROCESSES=1 on each to run them apart"
        ]
        * 3
    )
    assert run_hosts(monkeypatch, *hosts[:2]) == [None, None]


@pytest.mark.parametrize("call", [on_every_host, first_host_first])
@pytest.mark.parametrize("refusing", [0, 1])
@pytest.mark.parametrize("fault", [rj.InputError("no"), KeyboardInterrupt("no")])
def test_what_one_host_raises_every_host_raises(monkeypatch, call, refusing, fault):
    def refuse():
        raise fault

    works = [functools.partial(call, lambda: 7)] * 3
    works[refusing] = functools.partial(call, refuse)
    found = run_hosts(monkeypatch, *works)
    assert found.pop(refusing) is fault
    assert messages(found) == [f"host {refusing} stopped: no"] * 2
    assert run_hosts(monkeypatch, *[functools.partial(call, lambda: 7)] * 3) == [7] * 3


@pytest.mark.parametrize("broken", [0, 1])
def test_a_host_whose_jax_cannot_start_ends_the_one_that_waits_for_it(
    monkeypatch, broken
):
    fault, never, host = AssertionError(), threading.Event(), threading.local()

    def start(index):
        if index == broken:
            raise fault
        never.wait(20.0)

    def work(index):
        host.index = index
        start_devices()

    monkeypatch.setattr(
        agreement, "in_thread", lambda _: in_thread(lambda x=host.index: start(x))
    )
    found = run_hosts(monkeypatch, *(functools.partial(work, x) for x in range(2)))
    never.set()
    assert found.pop(broken) is fault
    assert messages(found) == [
        f"host {broken} stopped: JAX cannot start (AssertionError)"
    ]


def test_the_first_host_returns_before_the_others_begin(monkeypatch):
    order = []
    works = [
        functools.partial(first_host_first, functools.partial(order.append, host))
        for host in range(3)
    ]
    run_hosts(monkeypatch, *works)
    assert order[0] == 0 and sorted(order) == [0, 1, 2]
