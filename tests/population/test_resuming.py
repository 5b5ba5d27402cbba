"""A run that is cut short resumes and returns the same numbers; a stop saves it."""

import shutil
import signal
import threading

import jax
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.population import Interrupted, phase_run, phases
from tests.population import toy
from tests.population.toy import Death, Reports, assert_same, die

pytestmark = pytest.mark.usefixtures("compiled_once", "waiting")


@pytest.fixture
def finished(uninterrupted, tmp_path):
    """A copy of the folder of the uninterrupted run."""
    return shutil.copytree(uninterrupted[1], tmp_path / "run")


@pytest.mark.parametrize(
    ("phase", "step", "saved"),
    [
        ("pretraining", 1, 0),  # before the first checkpoint
        ("pretraining", 4, 3),
        ("training", 0, 4),  # pretrained, without an update of training
        ("training", 5, 3),  # with a row and an evaluation that are made once more
        ("training", 8, 6),  # with updates that are in no row yet
        ("training", 10, 9),
    ],
)
def test_a_run_resumes_from_its_last_checkpoint(
    train, uninterrupted, tmp_path, phase, step, saved
):
    with pytest.raises(Death):
        train(tmp_path, report=Reports((phase, 0, step), die))
    again = Reports()
    assert_same(train(tmp_path, report=again), uninterrupted[0])
    first = "pretraining" if saved == 4 else phase
    assert again.places[0] == (first, 0, saved)


def test_a_finished_run_is_read_without_training(
    train, uninterrupted, finished, monkeypatch
):
    monkeypatch.delattr(phases, "init_carry")
    monkeypatch.delattr(phase_run.PhaseRun, "advance")
    again = Reports()
    assert_same(train(finished, report=again), uninterrupted[0])
    assert again.places == [("training", 0, 10)]


def test_the_interval_of_checkpoints_changes_no_number(train, uninterrupted, tmp_path):
    with pytest.raises(Death):
        train(tmp_path, report=Reports(("training", 0, 8), die))
    often = toy.SCHEDULE._replace(save_every=1)
    assert_same(train(tmp_path, schedule=often), uninterrupted[0])


@pytest.fixture(scope="module")
def started(train, tmp_path_factory):
    """The folder of a run with settings, cut short before its first update."""
    folder = tmp_path_factory.mktemp("started")
    settings = {"task": {"name": "hopper", "rate": 0.1}}
    with pytest.raises(Death):
        train(folder, settings=settings, report=Reports(("pretraining", 0, 0), die))
    return folder, settings


MEMBERS = toy.make_members()
DISCOUNT = np.full(5, 0.5, np.float32)
REWARD = toy.DATASET.reward.copy()
REWARD[3] = np.nextafter(REWARD[3], np.inf)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": toy.SCHEDULE._replace(num_steps=12)}, "num_steps 10, not 12"),
        (
            {"start": toy.PRETRAINING._replace(num_steps=5)},
            "pretraining_steps 4, not 5",
        ),
        ({"schedule": toy.SCHEDULE._replace(log_every=5)}, "log_every 4, not 5"),
        ({"schedule": toy.SCHEDULE._replace(eval_every=4)}, "eval_every 5, not 4"),
        ({"members": MEMBERS._replace(seed=MEMBERS.seed + 1)}, "seeds.0 0, not 1"),
        (
            {
                "members": MEMBERS._replace(
                    hyperparams=MEMBERS.hyperparams._replace(discount=DISCOUNT)
                )
            },
            "hyperparams.discount",
        ),
        ({"dataset": toy.DATASET._replace(reward=REWARD)}, 'dataset "'),
        (
            {"settings": {"task": {"name": "walker"}}},
            'task.name "hopper", not "walker"',
        ),
    ],
)
def test_a_folder_with_other_settings_is_refused(train, started, options, message):
    folder, settings = started
    with pytest.raises(rj.InputError, match=message):
        train(folder, **({"settings": settings} | options))


def test_a_run_that_another_machine_resumes_warns(
    train, uninterrupted, finished, tmp_path, monkeypatch
):
    def warnings_of(folder):
        messages = []
        trained = train(folder, warn=messages.append)
        assert_same(trained, uninterrupted[0])
        return messages

    halfway = tmp_path / "halfway"
    with pytest.raises(Death):
        train(halfway, report=Reports(("training", 0, 8), die))
    copy = shutil.copytree(halfway, tmp_path / "copy")
    assert warnings_of(copy) == []
    monkeypatch.setattr(jax, "__version__", "0.9")
    assert warnings_of(finished) == []  # nothing is trained there
    (message,) = warnings_of(halfway)
    before, after = message.split(", and ")
    assert before.startswith(f"{halfway / 'chunk-0' / 'training'} was written by JAX 0")
    assert " on 1 of 1 x cpu with " in before and "JAX 0.9 " not in before
    assert after.startswith("JAX 0.9 on 1 of 1 x cpu with ")
    assert " resumes it: the last bits differ from those of an unin" in after


def test_a_folder_is_used_by_one_run_alone(train, uninterrupted, tmp_path):
    refused = []

    def intrude():
        with pytest.raises(rj.InputError, match="another run uses") as error:
            train(tmp_path)
        refused.append(error)

    trained = train(tmp_path, report=Reports(("training", 0, 4), intrude))
    assert refused
    assert_same(trained, uninterrupted[0])
    assert_same(train(tmp_path), uninterrupted[0])


class Stop:
    """A `should_stop` that returns a number once its action has happened."""

    def __init__(self, number):
        self.number, self.asked = number, False

    def ask(self):
        self.asked = True

    def __call__(self):
        return self.number if self.asked else 0


@pytest.mark.parametrize(
    ("number", "phase", "step"),
    [
        (signal.SIGTERM, "pretraining", 1),
        (signal.SIGINT, "pretraining", 4),  # between the phases
        (signal.SIGINT, "training", 4),
        (signal.SIGTERM, "training", 5),
        (signal.SIGTERM, "training", 10),
    ],
)
def test_a_stop_ends_a_run_that_is_saved(
    train, uninterrupted, tmp_path, number, phase, step
):
    stop = Stop(number)
    seen = Reports((phase, 0, step), stop.ask)
    with pytest.raises(Interrupted, match="everything is saved") as interrupted:
        train(tmp_path, report=seen, should_stop=stop)
    assert interrupted.value.number == number
    assert str(interrupted.value).startswith(signal.Signals(number).name)
    assert isinstance(interrupted.value, KeyboardInterrupt)
    last = seen.places[-1]
    assert last[0] == phase  # no other phase was started
    assert last[2] <= step + 4
    again = Reports()
    assert_same(train(tmp_path, report=again), uninterrupted[0])
    assert again.places[0] == last


def test_a_stop_by_another_number_is_reported_with_it(train):
    stop = Stop(1000)
    with pytest.raises(Interrupted, match="stop 1000 after update") as interrupted:
        train(report=Reports(("training", 0, 4), stop.ask), should_stop=stop)
    assert interrupted.value.number == 1000


def test_a_stop_without_a_folder_reports_that_nothing_is_saved(train):
    stop = Stop(signal.SIGTERM)
    with pytest.raises(Interrupted, match="nothing is saved"):
        train(report=Reports(("training", 0, 4), stop.ask), should_stop=stop)


def test_training_installs_no_signal_handler(train, uninterrupted):
    inside, trained = [], []

    def handlers():
        return [signal.getsignal(x) for x in (signal.SIGINT, signal.SIGTERM)]

    before = handlers()
    place = ("training", 0, 4)
    train(report=Reports(place, lambda: inside.append(handlers())))

    def work():  # where no handler can be installed
        trained.append(train())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert inside == [before]
    assert_same(trained[0], uninterrupted[0])
