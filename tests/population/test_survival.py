"""A run that is killed, however often and whenever, comes to the same numbers."""

import os
import random
import signal
import time

import pytest

LENGTHS = {
    "num_steps": 1200,
    "bc_steps": 300,
    "log_every": 130,
    "save_every": 100,
    "watch_every": 150,
}


def whole(run, phase):
    """The steps of the checkpoints of a phase that are written to their end."""
    return {int(x.name) for x in run.glob(f"chunk-0/{phase}/*") if x.name.isdigit()}


def half(run, phase, since=0.0):
    """Those begun since a time, in seconds, that are not."""
    found = []
    for path in run.glob(f"chunk-0/{phase}/*-tmp*"):
        try:
            if path.stat().st_ctime > since:
                found.append(path.name)
        except FileNotFoundError:  # it is written by now
            continue
    return found


def kill_when(process, moment):
    """Kill a process at a moment, stopped so that the moment is not gone by then."""
    while process.poll() is None:
        if moment():
            process.send_signal(signal.SIGSTOP)
            os.waitpid(process.pid, os.WUNTRACED)
            if moment():
                process.kill()
                return
            process.send_signal(signal.SIGCONT)
        time.sleep(0.0005)


@pytest.fixture(scope="module")
def lives(launch, finish, tmp_path_factory):
    """A run undisturbed, and one killed and started again until it comes to its end.

    Gives their folder and each life of the second: the checkpoints of both phases that
    it found, its exit status, and the places that it reported.
    """
    home = tmp_path_factory.mktemp("lives")
    run = home / "run"
    code, text = finish(launch({"out": home / "undisturbed.npz", "lengths": LENGTHS}))
    assert code == 0, text
    lived = []

    def live(moment=None):
        found = whole(run, "cloning"), whole(run, "training")
        began = time.time()
        arguments = {"out": home / "killed.npz", "lengths": LENGTHS, "folder": run}
        process = launch(arguments)
        if moment is not None:
            kill_when(process, lambda: moment(found[1], began))
        code, text = finish(process)
        words = [line.split() for line in text.splitlines()]
        places = [(x[0], int(x[1])) for x in words if x[0] in ("cloning", "training")]
        lived.append((found, code, places or text))

    def later(found, began):
        if len(whole(run, "training") - found) < 2:
            return False
        time.sleep(random.uniform(0.0, 0.05))
        return True

    live(lambda found, began: whole(run, "cloning"))
    live(lambda found, began: whole(run, "training"))
    live(lambda found, began: half(run, "training", began))
    assert half(run, "training")
    live(later)
    live()
    return home, lived


def test_each_life_but_the_last_was_cut_short(lives):
    codes = [code for _, code, _ in lives[1]]
    assert codes == [-signal.SIGKILL] * 4 + [0], lives[1][-1]


def test_each_life_goes_on_from_the_newest_whole_checkpoint(lives):
    begun = []
    for (cloned, trained), _, places in lives[1]:
        expected = ("cloning", max(cloned, default=0))
        if trained:
            expected = ("training", max(trained))
        assert places[0] == expected
        begun.append(expected)
    # The third died as it wrote its first; the others came further.
    assert begun == sorted(begun) and len(set(begun)) >= 4


def test_the_numbers_are_those_of_an_undisturbed_run(lives, read, same):
    home, _ = lives
    expected = read(home / "undisturbed.npz")
    assert list(expected["[1].metrics['step']"]) == [*range(130, 1200, 130), 1200]
    assert list(expected["[1].watched['step']"]) == list(range(150, 1201, 150))
    same(read(home / "killed.npz"), expected)


def test_nothing_half_written_stays_behind(lives):
    run = lives[0] / "run"
    assert half(run, "cloning") == half(run, "training") == []
    assert whole(run, "cloning") == {200, 300}
    assert whole(run, "training") == {1100, 1200}
