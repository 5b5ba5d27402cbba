"""An evaluation next to the training changes no number and loses none."""

import threading

import jax
import numpy as np
import pytest

from ramac_jax.evaluation import Cancelled
from ramac_jax.population import (
    Callbacks,
    Interrupted,
    Storage,
    callbacks,
    train_population,
)
from tests.population import toy
from tests.population.toy import Death, assert_same

pytestmark = pytest.mark.usefixtures("compiled_once")
PATIENCE = 60.0  # seconds of waiting for an event that happens at once


class Fault(Exception):
    """An error of an eval callback."""


class Evaluation:
    """The eval callback of the toy, which ends, or fails, once it is released."""

    def __init__(self, fails_at=None):
        self.fails_at = fails_at
        self.released = threading.Event()
        self.events, self.threads = [], []

    def __call__(self, step, params, members, cancelled):
        self.events.append(("starts", step))
        self.threads.append(threading.current_thread())
        assert all(type(x) is np.ndarray for x in jax.tree.leaves(params))
        for _ in range(int(PATIENCE / 0.01)):
            if self.released.wait(0.01):
                break
            if cancelled.is_set() and not self.released.is_set():
                self.events.append(("cancelled", step))
                raise Cancelled
        else:
            raise AssertionError("training waits for the evaluation")
        if step == self.fails_at:
            raise Fault(step)
        results = toy.evaluate(step, params, members, cancelled)
        self.events.append(("ends", step))
        return results


class Progresses(list):
    """All reports; an action happens at the first report of one step."""

    def __init__(self, step=None, action=None):
        super().__init__()
        self.step, self.action = step, action

    def __call__(self, progress):
        self.append(progress)
        if progress.step == self.step:
            self.step = None
            self.action(progress)


@pytest.fixture
def evaluation():
    """An evaluation that has to be released, at the latest at the end of the test."""
    made = Evaluation()
    yield made
    made.released.set()


def train(evaluate, folder=None, report=lambda progress: None, stop=None, **lengths):
    """Train the toy population with an evaluation every 5 updates."""
    schedule = toy.SCHEDULE._replace(**{"num_steps": 12} | lengths)
    return train_population(
        toy.AGENT,
        toy.DATASET,
        toy.make_members(),
        schedule,
        callbacks=Callbacks(
            evaluate=evaluate, report=report, should_stop=stop or (lambda: 0)
        ),
        storage=None if folder is None else Storage(folder=folder),
    )


@pytest.fixture(scope="module")
def sequential(compiled_once):
    """A run that waits for its evaluations, as several hosts do, and its evaluation."""
    evaluation = Evaluation()
    evaluation.released.set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callbacks, "overlaps", lambda: False)
        return train(evaluation), evaluation


def release(evaluation):
    return lambda progress: evaluation.released.set()


def steps_of(folder):
    """The steps of the checkpoints in a folder."""
    found = (folder / "chunk-0" / "training").glob("*")
    return {int(x.name) for x in found if x.name.isdigit()}


def test_training_continues_during_an_evaluation(evaluation, sequential):
    reports = Progresses(9, release(evaluation))
    trained = train(evaluation, report=reports)
    assert_same(trained, sequential[0])
    during = [x for x in reports if x.evaluating == 5]
    assert {5, 6, 8, 9} <= {x.step for x in during}
    assert all(x.history.evaluations == {} for x in during)
    np.testing.assert_array_equal(trained.history.evaluations["step"], [5, 10])
    assert reports[-1].evaluating is None and reports[-1].step == 12
    assert_same(reports[-1].history, trained.history)
    assert threading.main_thread() not in evaluation.threads
    assert {x.is_alive() for x in evaluation.threads} == {False}


def test_several_hosts_wait_for_their_evaluations(sequential):
    assert set(sequential[1].threads) == {threading.main_thread()}
    assert [step for _, step in sequential[1].events] == [5, 5, 10, 10]


def test_an_evaluation_waits_for_the_one_before(evaluation):
    reports = Progresses(4, release(evaluation))
    trained = train(evaluation, report=reports, eval_every=3)
    steps = (3, 6, 9, 12)
    assert evaluation.events == [
        (x, step) for step in steps for x in ("starts", "ends")
    ]
    np.testing.assert_array_equal(trained.history.evaluations["step"], steps)
    pending = [x for x in reports if x.evaluating is not None]
    assert all(0 <= x.step - x.evaluating < 3 for x in pending)


def test_no_second_evaluation_starts_while_one_is_pending(evaluation):
    started = []

    def release_late(progress):
        started.extend(evaluation.events)
        evaluation.released.set()

    train(evaluation, report=Progresses(9, release_late))
    assert started == [("starts", 5)]


def test_a_checkpoint_waits_for_the_evaluations_up_to_its_step(
    evaluation, sequential, tmp_path
):
    seen = []

    def die(progress):
        raise Death

    def report(progress):
        seen.append((progress.evaluating, steps_of(tmp_path)))
        released(progress)
        killed(progress)

    released, killed = Progresses(9, release(evaluation)), Progresses(12, die)
    with pytest.raises(Death):
        train(evaluation, tmp_path, report)
    assert any(evaluating == 5 for evaluating, _ in seen)
    assert all(max(x, default=0) <= 3 for evaluating, x in seen if evaluating == 5)
    assert steps_of(tmp_path) == {3, 9}  # that of 6 was dropped for that of 9
    again = Progresses()
    assert_same(train(evaluation, tmp_path, again), sequential[0])
    assert again[0].step == 9 and again[0].evaluating is None
    np.testing.assert_array_equal(again[0].history.metrics["step"], [4, 8])
    np.testing.assert_array_equal(again[0].history.evaluations["step"], [5])
    assert steps_of(tmp_path) == {9, 12}


def test_a_run_without_the_results_resumes_from_before_the_evaluation(
    evaluation, sequential, tmp_path
):
    def die(progress):
        evaluation.released.set()
        raise Death

    with pytest.raises(Death):
        train(evaluation, tmp_path, Progresses(8, die))
    assert evaluation.events[-1] == ("ends", 5)  # no evaluation is left running
    again = Progresses()
    assert_same(train(evaluation, tmp_path, again), sequential[0])
    assert again[0].step == 3 and again[0].history.evaluations == {}


def test_a_stop_waits_for_the_results_and_saves_them(evaluation, sequential, tmp_path):
    stops = []

    def ask(progress):
        assert progress.evaluating == 5
        stops.append(15)
        evaluation.released.set()

    with pytest.raises(Interrupted, match="everything is saved"):
        train(evaluation, tmp_path, Progresses(6, ask), lambda: sum(stops))
    again = Progresses()
    assert_same(train(evaluation, tmp_path, again), sequential[0])
    assert again[0].step > 6
    np.testing.assert_array_equal(again[0].history.evaluations["step"], [5])


@pytest.mark.parametrize("error", [KeyboardInterrupt, Death])
def test_an_error_of_the_run_cancels_the_evaluation(evaluation, error):
    def fail(progress):
        raise error

    with pytest.raises(error) as raised:
        train(evaluation, report=Progresses(6, fail))
    assert type(raised.value) is error
    assert not hasattr(raised.value, "__notes__")
    assert evaluation.events == [("starts", 5), ("cancelled", 5)]
    assert {x.is_alive() for x in evaluation.threads} == {False}


@pytest.mark.parametrize("overlaps", [True, False])
@pytest.mark.parametrize("step", [5, 10, 12])
def test_an_error_of_the_eval_callback_is_raised(monkeypatch, step, overlaps):
    monkeypatch.setattr(callbacks, "overlaps", lambda: overlaps)
    evaluation = Evaluation(fails_at=step)
    evaluation.released.set()
    every = 6 if step == 12 else 5  # 12: once nothing is left to train
    with pytest.raises(Fault, match=str(step)):
        train(evaluation, eval_every=every)


def test_an_error_of_the_run_notes_that_the_eval_callback_failed_too():
    evaluation = Evaluation(fails_at=5)

    def die(progress):
        evaluation.released.set()
        raise Death

    with pytest.raises(Death) as died:
        train(evaluation, report=Progresses(6, die))
    assert died.value.__notes__ == ["The eval callback failed too: Fault(5)"]


def test_an_evaluation_computes_off_the_accelerator(monkeypatch):
    asked = []
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    with callbacks.on_cpu():
        assert jax.config.jax_default_device == jax.devices("cpu")[0]

    def devices(kind):
        asked.append(kind)
        raise RuntimeError("Unknown backend cpu")

    monkeypatch.setattr(jax, "devices", devices)
    with callbacks.on_cpu():
        assert jax.config.jax_default_device is None
    assert asked == ["cpu"]
