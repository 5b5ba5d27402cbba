"""Signals of a command: noted during training, with the run saved before it ends."""

import os
import signal
import threading
import time

import pytest

from ramac_jax.cli.signals import SIGNALS, noted_signals
from ramac_jax.population import Callbacks, Interrupted, Storage, train_population
from tests.population import toy


@pytest.fixture(autouse=True)
def default_interrupt():
    """Ctrl-C as at a terminal: a shell has its background processes ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def handlers():
    return [signal.getsignal(x) for x in SIGNALS]


def kill(number):
    os.kill(os.getpid(), number)
    time.sleep(0.01)  # where Python runs the handler


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_noted_and_the_handlers_are_restored(number):
    before = handlers()
    with pytest.raises(ZeroDivisionError), noted_signals() as noted_signal:
        assert noted_signal() == 0
        kill(number)
        assert noted_signal() == number
        raise ZeroDivisionError
    assert handlers() == before


def test_a_signal_that_nobody_handled_takes_effect_at_the_end():
    with pytest.raises(KeyboardInterrupt), noted_signals():
        kill(signal.SIGINT)
    with noted_signals() as noted_signal:
        pass
    assert noted_signal() == 0


def test_a_second_interrupt_is_raised_at_once():
    before, reached = handlers(), []
    with pytest.raises(KeyboardInterrupt) as interrupted, noted_signals():
        kill(signal.SIGINT)
        reached.append("first")
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10.0)
        reached.append("second")
    assert type(interrupted.value) is KeyboardInterrupt
    assert reached == ["first"]
    assert handlers() == before


def test_outside_the_main_thread_no_handler_changes():
    before, inside = handlers(), []

    def work():
        with noted_signals() as noted_signal:
            inside.append((handlers(), noted_signal()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert inside == [(before, 0)]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_during_training_saves_the_run_and_ends_it(tmp_path, number):
    before = handlers()

    def train(action):
        with noted_signals() as noted_signal:
            return train_population(
                toy.AGENT,
                toy.DATASET,
                toy.make_members(),
                toy.SCHEDULE,
                callbacks=Callbacks(
                    report=toy.Reports(("training", 0, 4), action),
                    should_stop=noted_signal,
                ),
                storage=Storage(folder=tmp_path),
            )

    with pytest.raises(Interrupted, match="everything is saved") as interrupted:
        train(lambda: kill(number))
    assert interrupted.value.number == number
    assert handlers() == before
    assert train(lambda: None).states.step.tolist() == [10] * 5
