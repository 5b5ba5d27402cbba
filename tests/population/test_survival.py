"""A run that is killed again and again returns the numbers of an undisturbed run."""

import os
import random
import signal
import time

import pytest

from tests.population.toy import assert_same

pytestmark = pytest.mark.slow

PRETRAINING_STEPS = 300
LENGTHS = {
    "num_steps": 1200,
    "log_every": 130,
    "save_every": 100,
    "eval_every": 150,
}


def whole(run, phase):
    """The steps of the complete checkpoints of a phase."""
    return {int(x.name) for x in run.glob(f"chunk-0/{phase}/*") if x.name.isdigit()}


def incomplete(run, phase):
    """The names of the incomplete checkpoints of a phase."""
    return {path.name for path in run.glob(f"chunk-0/{phase}/*-tmp*")}


def a_checkpoint_is_incomplete(run):
    """A moment during the writing of a checkpoint of training.

    What an earlier life left incomplete does not count; a new life removes it.
    """
    left = incomplete(run, "training")

    def moment(found):
        nonlocal left
        present = incomplete(run, "training")
        left &= present
        return bool(present) and not left

    return moment


def kill_when(process, moment):
    """Kill a process at a moment; it is stopped while the moment is checked again."""
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
    """An undisturbed run, and one that is killed and started again until it ends.

    Returns their folder and the lives of the second run, each with the checkpoints of
    both phases at its start, its exit status, and the places that it reported.
    """
    home = tmp_path_factory.mktemp("lives")
    run = home / "run"
    common = {"lengths": LENGTHS, "pretraining_steps": PRETRAINING_STEPS}
    code, text = finish(launch(common | {"out": home / "undisturbed.npz"}))
    assert code == 0, text
    lived = []

    def live(moment=None):
        found = whole(run, "pretraining"), whole(run, "training")
        arguments = common | {"out": home / "killed.npz", "folder": run}
        process = launch(arguments)
        if moment is not None:
            kill_when(process, lambda: moment(found[1]))
        code, text = finish(process)
        words = [line.split() for line in text.splitlines()]
        places = [
            (x[0], int(x[1])) for x in words if x[0] in ("pretraining", "training")
        ]
        lived.append((found, code, places or text))

    def later(found):
        if len(whole(run, "training") - found) < 2:
            return False
        time.sleep(random.uniform(0.0, 0.05))
        return True

    live(lambda found: whole(run, "pretraining"))
    live(lambda found: whole(run, "training"))
    live(a_checkpoint_is_incomplete(run))
    assert incomplete(run, "training")
    live(later)
    live()
    return home, lived


def test_each_life_except_the_last_was_killed(lives):
    codes = [code for _, code, _ in lives[1]]
    assert codes == [-signal.SIGKILL] * 4 + [0], lives[1][-1]


def test_each_life_resumes_from_the_newest_complete_checkpoint(lives):
    starts = []
    for (pretrained, trained), _, places in lives[1]:
        expected = ("pretraining", max(pretrained, default=0))
        if trained:
            expected = ("training", max(trained))
        assert places[0] == expected
        starts.append(expected)
    # The third life died during its first checkpoint; the others advanced.
    assert starts == sorted(starts) and len(set(starts)) >= 4


def test_the_numbers_equal_those_of_an_undisturbed_run(lives, read):
    home, _ = lives
    expected = read(home / "undisturbed.npz")
    assert list(expected["[1].metrics['step']"]) == [*range(130, 1200, 130), 1200]
    assert list(expected["[1].evaluations['step']"]) == list(range(150, 1201, 150))
    assert_same(read(home / "killed.npz"), expected)


def test_no_incomplete_checkpoint_remains(lives):
    run = lives[0] / "run"
    assert incomplete(run, "pretraining") == incomplete(run, "training") == set()
    assert whole(run, "pretraining") == {200, 300}
    assert whole(run, "training") == {1100, 1200}
