"""SIGTERM and Ctrl-C while a population trains: noted, and heeded once it is saved."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """A signal ended the training; the message says what is saved and how to go on."""

    def __init__(self, message: str, number: int):
        super().__init__(message)
        self.number = number  # of the signal


@contextlib.contextmanager
def noted_signals() -> Iterator[Callable[[], int]]:
    """Give a function that tells the signal received so far, 0 for none.

    A second Ctrl-C is not noted but raises `KeyboardInterrupt`, as ever. Outside the
    main thread, where Python delivers no signal, nothing is changed.
    """
    received = [0]
    before = {}

    def note(number, frame):
        received[0] = number
        if number == signal.SIGINT:
            signal.signal(number, signal.default_int_handler)

    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield lambda: received[0]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
