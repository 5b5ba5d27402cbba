"""Lanes, workers and threads of a rollout, and how it is cancelled."""

import dataclasses
import functools
import multiprocessing
import signal
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec

import ramac_jax as rj
from ramac_jax.cli.signals import SIGNALS
from ramac_jax.evaluation import (
    Cancelled,
    Environments,
    evaluate,
    rollouts,
)
from ramac_jax.evaluation.environments import serve
from ramac_jax.evaluation.simulators import find_spec
from tests.evaluation.counters import (
    COUNTER,
    HOPPER,
    UNBATCHED_HOPPER,
    OfOneProcess,
    assert_same_rows,
    constant_policy,
    play,
)

pytestmark = pytest.mark.usefixtures("optimised")


def test_groups_of_episodes_in_turn_in_two_lanes_change_nothing(hopper):
    reported = []
    with Environments(UNBATCHED_HOPPER, horizon=40) as environments:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rollouts, "MAX_ENVIRONMENTS", 1)
            episodes = evaluate(
                hopper,
                environments,
                num_episodes=19,
                seed=0,
                on_step=lambda *counts: reported.append(counts),
            )
        made = [len(lane) for lane in environments.rows.lanes.values()]
    assert made == [3 * rollouts.TILE] * 2
    assert_same_rows(episodes, play(hopper, HOPPER, 19, seed=0, horizon=40))
    assert reported == sorted(reported)
    assert reported[-1] == (120, 120)


def test_workers_change_nothing(hopper, hopper_episodes):
    with Environments(UNBATCHED_HOPPER, horizon=40, num_workers=2) as environments:
        for _ in range(2):  # the same environments serve again
            episodes = evaluate(hopper, environments, num_episodes=3, seed=7)
            assert_same_rows(episodes, hopper_episodes)
        workers = environments.workers
    assert not any(worker.is_alive() for worker in workers)


def test_a_worker_that_was_killed_is_named(hopper):
    with Environments(UNBATCHED_HOPPER, horizon=40, num_workers=1) as environments:
        environments.workers[0].kill()
        environments.workers[0].join()
        with pytest.raises(
            rj.InputError, match="a worker process that steps .* died, a"
        ):
            evaluate(hopper, environments, num_episodes=3, seed=7)


def test_what_a_worker_refuses_is_refused_in_its_words():
    alone = EnvSpec("OfOneProcess-v0", entry_point=OfOneProcess)
    with Environments(alone, horizon=4, num_workers=1) as environments:
        for _ in range(2):
            with pytest.raises(rj.InputError, match="OSError: the simulator is in use"):
                environments.reset(0, np.array([3]))


def test_a_fault_of_a_program_in_a_worker_is_raised_and_ends_nothing():
    with Environments(COUNTER, horizon=4, num_workers=1) as environments:
        with pytest.raises(RuntimeError, match="KeyError: 9"):
            environments.step(9, np.zeros((1, 1)), np.array([True]))
        assert environments.reset(0, np.array([3])).observation.tolist() == [[3, 0]]


def test_a_worker_whose_parent_is_gone_ends_without_a_word():
    ours, theirs = multiprocessing.Pipe()
    ours.close()
    before = [signal.getsignal(x) for x in SIGNALS]
    try:
        serve(theirs, find_spec(HOPPER), 40)
    finally:
        for number, handler in zip(SIGNALS, before, strict=True):
            signal.signal(number, handler)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_cancelled_evaluation_ends_at_once_and_leaves_usable_environments(
    hopper, hopper_episodes, num_workers
):
    reported = []

    def cancel_at_the_fifth(done, total):
        reported.append((done, total))
        return len(reported) == 5

    env = UNBATCHED_HOPPER if num_workers else HOPPER
    with Environments(env, horizon=40, num_workers=num_workers) as environments:
        with pytest.raises(Cancelled, match="after 5 of 40"):
            evaluate(
                hopper,
                environments,
                num_episodes=3,
                seed=7,
                on_step=cancel_at_the_fifth,
            )
        again = evaluate(hopper, environments, num_episodes=3, seed=7)
    assert reported == [(done, 40) for done in range(1, 6)]
    assert_same_rows(again, hopper_episodes)


def test_cancelling_after_the_last_step_loses_no_episode():
    policy, reported = constant_policy(0.5), []
    with Environments(COUNTER, horizon=5) as environments:

        def play_and_report(on_step):
            return evaluate(
                policy, environments, num_episodes=2, seed=9, on_step=on_step
            )

        whole = play_and_report(lambda *counts: reported.append(counts))
        last, calls = len(reported), iter(range(1, 100))
        again = play_and_report(lambda *counts: next(calls) == last)
        calls = iter(range(1, 100))
        with pytest.raises(Cancelled):
            play_and_report(lambda *counts: next(calls) == last - 1)
    assert_same_rows(again, whole)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_another_thread_plays_the_same(hopper, hopper_episodes, num_workers):
    on_host = dataclasses.replace(
        hopper, params=jax.tree.map(np.asarray, hopper.params)
    )
    with (
        Environments(HOPPER, horizon=40, num_workers=num_workers) as environments,
        ThreadPoolExecutor(1) as pool,
    ):
        call = functools.partial(
            evaluate, on_host, environments, num_episodes=3, seed=7
        )
        assert_same_rows(pool.submit(call).result(timeout=120), hopper_episodes)
