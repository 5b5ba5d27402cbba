"""Signals during training: noted, so that a run is saved before it ends."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

ENDINGS = (signal.SIGTERM, *([signal.SIGUSR1] if hasattr(signal, "SIGUSR1") else []))
"""Signals of a scheduler that ends a job, or warns of its time limit."""
SIGNALS = (signal.SIGINT, *ENDINGS)


@contextlib.contextmanager
def noted_signals() -> Iterator[Callable[[], int]]:
    """Note signals instead of ending the process.

    Yields a function that returns the number of the noted signal, 0 for none: the
    `should_stop` of `ramac_jax.population.Callbacks`. A second Ctrl-C raises
    `KeyboardInterrupt` at once. A noted signal after which the block ends without an
    error takes effect at the end of the block.

    Outside the main thread, where Python delivers no signals, nothing changes.
    """
    noted = [0]
    before = {}

    def note(number: int, frame: FrameType | None) -> None:
        noted[0] = number
        if number == signal.SIGINT:
            signal.signal(number, signal.default_int_handler)

    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield lambda: noted[0]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if noted[0]:
        signal.raise_signal(noted[0])
