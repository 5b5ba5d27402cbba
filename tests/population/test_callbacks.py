"""A watcher at work beside the training changes no number and loses none."""

import os
import signal
import threading

import jax
import numpy as np
import pytest

from ramac_jax.population import Interrupted, train_population
from ramac_jax.population import callbacks as watching

pytestmark = pytest.mark.usefixtures("compiled_once")
PATIENCE = 60.0  # seconds that anything may wait for what should come at once
LATE = {"num_steps": 12, "bc_steps": 0, "log_every": 4, "save_every": 3}


class Death(Exception):
    """The end of a process, as far as a test that lives on can have it."""


class Fault(Exception):
    """What may go wrong in a watcher."""


class Watcher:
    """The toy's, which looks on for as long as it is not let go; then it may fail."""

    def __init__(self, toy, fails_at=None):
        self.look, self.fails_at = toy.watch, fails_at
        self.free = threading.Event()
        self.events, self.threads = [], []
        self.broken_off = False

    def __call__(self, step, params, members):
        self.events.append(("begins", step))
        self.threads.append(threading.current_thread())
        assert all(type(x) is np.ndarray for x in jax.tree.leaves(params))
        try:
            tries = range(int(PATIENCE / 0.01))
            assert any(self.free.wait(0.01) for _ in tries), "training waits for it"
        except KeyboardInterrupt:
            self.broken_off = True
            raise
        if step == self.fails_at:
            raise Fault(step)
        figures = self.look(step, params, members)
        self.events.append(("ends", step))
        return figures


class Reports(list):
    """All reports; something happens at the first from one step."""

    def __init__(self, step=None, action=None):
        super().__init__()
        self.step, self.action = step, action

    def __call__(self, progress):
        self.append(progress)
        if progress.step == self.step:
            self.step = None
            self.action(progress)


@pytest.fixture
def watcher(toy):
    """One to be let go; what is left of it ends with the test."""
    made = Watcher(toy)
    yield made
    made.free.set()


@pytest.fixture(scope="module")
def train(toy):
    """Train the toy's population under a watcher that looks every 5 updates."""

    def call(watch, folder=None, report=lambda progress: None, **lengths):
        return train_population(
            toy.AGENT,
            toy.DATASET,
            toy.make_members(),
            toy.SCHEDULE._replace(**LATE | lengths),
            folder=folder,
            watch=watch,
            report=report,
        )

    return call


@pytest.fixture(scope="module")
def waiting(train, toy):
    """A run that waits for its watcher, as one of several hosts does; its threads."""
    watcher = Watcher(toy)
    watcher.free.set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watching, "overlaps", lambda: False)
        return train(watcher), watcher


def let_go(watcher):
    return lambda progress: watcher.free.set()


def steps_of(folder):
    """The checkpoints that are there."""
    found = (folder / "chunk-0" / "training").glob("*")
    return {int(x.name) for x in found if x.name.isdigit()}


def test_training_goes_on_while_the_watcher_looks(train, watcher, waiting, same):
    reports = Reports(9, let_go(watcher))
    trained = train(watcher, report=reports)
    same(trained, waiting[0])
    during = [x for x in reports if x.looking == 5]
    assert {5, 6, 8, 9} <= {x.step for x in during}
    assert all(x.history.watched == {} for x in during)
    np.testing.assert_array_equal(trained.history.watched["step"], [5, 10])
    assert reports[-1].looking is None and reports[-1].step == 12
    same(reports[-1].history, trained.history)
    assert threading.main_thread() not in watcher.threads
    assert {x.is_alive() for x in watcher.threads} == {False}


def test_several_hosts_wait_for_their_watchers(waiting):
    assert set(waiting[1].threads) == {threading.main_thread()}
    assert [step for _, step in waiting[1].events] == [5, 5, 10, 10]


def test_one_look_waits_for_the_one_before(train, watcher):
    reports = Reports(4, let_go(watcher))
    trained = train(watcher, report=reports, watch_every=3)
    looks = (3, 6, 9, 12)
    assert watcher.events == [(x, step) for step in looks for x in ("begins", "ends")]
    np.testing.assert_array_equal(trained.history.watched["step"], looks)
    pending = [x for x in reports if x.looking is not None]
    assert all(0 <= x.step - x.looking < 3 for x in pending)


def test_a_look_that_is_due_is_not_begun_while_another_is_pending(train, watcher):
    begun = []

    def let_go_later(progress):
        begun.extend(watcher.events)
        watcher.free.set()

    train(watcher, report=Reports(9, let_go_later))
    assert begun == [("begins", 5)]


def test_a_checkpoint_waits_for_the_figures_up_to_its_step(
    train, watcher, waiting, same, tmp_path
):
    there = []

    def die(progress):
        raise Death

    def report(progress):
        there.append((progress.looking, steps_of(tmp_path)))
        released(progress)
        killed(progress)

    released, killed = Reports(9, let_go(watcher)), Reports(12, die)
    with pytest.raises(Death):
        train(watcher, tmp_path, report)
    assert any(looking == 5 for looking, _ in there)
    assert all(max(x, default=0) <= 3 for looking, x in there if looking == 5)
    assert steps_of(tmp_path) == {3, 9}  # that of 6 was overtaken
    again = Reports()
    same(train(watcher, tmp_path, again), waiting[0])
    assert again[0].step == 9 and again[0].looking is None
    np.testing.assert_array_equal(again[0].history.metrics["step"], [4, 8])
    np.testing.assert_array_equal(again[0].history.watched["step"], [5])
    assert steps_of(tmp_path) == {9, 12}


def test_without_the_figures_a_run_goes_on_from_before_the_look(
    train, watcher, waiting, same, tmp_path
):
    def die(progress):
        watcher.free.set()
        raise Death

    with pytest.raises(Death):
        train(watcher, tmp_path, Reports(8, die))
    assert watcher.events[-1] == ("ends", 5)  # nobody is left at work
    again = Reports()
    same(train(watcher, tmp_path, again), waiting[0])
    assert again[0].step == 3 and again[0].history.watched == {}


def test_a_signal_waits_for_the_figures_and_saves_them(
    train, watcher, waiting, same, tmp_path
):
    def terminate(progress):
        assert progress.looking == 5
        os.kill(os.getpid(), signal.SIGTERM)
        watcher.free.set()

    with pytest.raises(Interrupted, match="all is saved"):
        train(watcher, tmp_path, Reports(6, terminate))
    again = Reports()
    same(train(watcher, tmp_path, again), waiting[0])
    assert again[0].step > 6
    np.testing.assert_array_equal(again[0].history.watched["step"], [5])


def test_a_second_interrupt_breaks_the_watcher_off(train, watcher):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def twice(progress):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(0.01)  # where a signal is delivered

    try:
        with pytest.raises(KeyboardInterrupt) as interrupted:
            train(watcher, report=Reports(6, twice))
    finally:
        signal.signal(signal.SIGINT, before)
    assert type(interrupted.value) is KeyboardInterrupt
    assert watcher.broken_off and not watcher.free.is_set()


@pytest.mark.parametrize("overlaps", [True, False])
@pytest.mark.parametrize("step", [5, 10, 12])
def test_what_the_watcher_raises_comes_out(train, toy, monkeypatch, step, overlaps):
    monkeypatch.setattr(watching, "overlaps", lambda: overlaps)
    watcher = Watcher(toy, fails_at=step)
    watcher.free.set()
    every = 6 if step == 12 else 5  # 12: when nothing is left to train
    with pytest.raises(Fault, match=str(step)):
        train(watcher, watch_every=every)


def test_a_run_that_ends_otherwise_tells_that_the_watcher_failed_too(train, toy):
    watcher = Watcher(toy, fails_at=5)

    def die(progress):
        watcher.free.set()
        raise Death

    with pytest.raises(Death) as died:
        train(watcher, report=Reports(6, die))
    assert died.value.__notes__ == ["The watcher failed too: Fault(5)"]


def test_the_watcher_computes_off_the_accelerator(monkeypatch):
    asked = []
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    with watching.on_cpu():
        assert jax.config.jax_default_device == jax.devices("cpu")[0]

    def devices(kind):
        asked.append(kind)
        raise RuntimeError("Unknown backend cpu")

    monkeypatch.setattr(jax, "devices", devices)
    with watching.on_cpu():
        assert jax.config.jax_default_device is None
    assert asked == ["cpu"]
