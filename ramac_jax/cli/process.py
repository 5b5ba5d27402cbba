"""The process of a command: exit status, signals, devices and compiled programs."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ramac_jax.cli.jax_start import fault_of_jax
from ramac_jax.cli.signals import ENDINGS
from ramac_jax.errors import InputError
from ramac_jax.extras import advice
from ramac_jax.files import disk_fault
from ramac_jax.launchers import OTHER_HOSTS

MIN_COMPILE_SECONDS = 0.3
"""Programs that compile faster are not kept for the next process."""


class Terminated(KeyboardInterrupt):
    """A signal of `ENDINGS` arrived outside the training of a population."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextlib.contextmanager
def exit_status(command: str) -> Iterator[None]:
    """End the process with one line on stderr where the body raises.

    Status 2 for an `InputError`, for a package that is not installed, for a JAX that
    cannot start and for files that the system refuses to read or to write; 128 plus the
    number of a signal.

    Args:
      command: its name, for the message about a missing package.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        print(str(error).lstrip(": ") or "interrupted", file=sys.stderr)
        number = getattr(error, "number", signal.SIGINT)
        if not saved_on_every_host(error):
            end_alone(number)
        sys.exit(128 + number)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        leave_hosts(2)
        sys.exit(2)
    except ModuleNotFoundError as error:
        if (line := advice(command, error.name or "")) is None:
            raise
        print(f"error: {line}", file=sys.stderr)
        sys.exit(2)
    except Exception as error:
        if (line := fault_of_jax(error) or system_line(error)) is None:
            raise
        print(f"error: {line}", file=sys.stderr)
        sys.exit(2)


def system_line(error: Exception) -> str | None:
    """Return what a user does about rights or a disk; None: another error."""
    path = getattr(error, "filename", None)
    if isinstance(error, PermissionError) and path is not None:
        return f"cannot use {path}: permission denied; ask its owner, or give another"
    if (fault := disk_fault(error)) is not None:
        cannot, reason, advice = fault
        where = "the disk" if path is None else path
        return f"cannot {cannot} {where}: {reason}; {advice}, and give the same command"
    return None


def saved_on_every_host(error: KeyboardInterrupt) -> bool:
    """Return whether the hosts stop together, in training, or this is the only one."""
    jax = sys.modules.get("jax")
    together = type(error) not in (KeyboardInterrupt, Terminated)
    return together or jax is None or not jax.distributed.is_initialized()


def end_alone(number: int) -> None:
    """End by a signal, since JAX's own end waits minutes for the other hosts."""
    sys.stdout.flush()
    sys.stderr.flush()
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


def leave_hosts(status: int) -> None:
    """End where JAX still waits for a host: Python's own end would abort that wait."""
    jax = sys.modules.get("jax")
    waits = any(thread.name == OTHER_HOSTS for thread in threading.enumerate())
    if waits and jax is not None and jax.distributed.is_initialized():
        sys.stdout.flush()
        sys.stderr.flush()
        jax.distributed.shutdown()
        os._exit(status)


def set_up(
    *, keep_programs: bool = True, many_cores: bool = False, one_thread: bool = False
) -> None:
    """Prepare this process for a command; call it before anything else of JAX, but
    after the hosts have joined.

    Args:
      keep_programs: keep compiled programs for the next process, and use those kept.
      many_cores: make each core of a CPU a device.
      one_thread: let XLA compute on one thread of a CPU, unless NPROC says otherwise.
        The products of an action are too small to be shared: two threads take twice as
        long as one.
    """
    if one_thread:
        start_on_one_thread()
    if many_cores:
        from ramac_jax.devices import start_devices, use_every_core

        use_every_core()
        start_devices()  # raises where there are none, before any work
    handle_signals()
    if keep_programs:
        use_cache()


def start_on_one_thread() -> None:
    """Start JAX's devices, a CPU with one thread; XLA reads NPROC only then."""
    from ramac_jax.devices import start_devices

    given = os.environ.get("NPROC")
    os.environ["NPROC"] = given or "1"
    try:
        start_devices()
    finally:
        if given is None:
            del os.environ["NPROC"]
        else:
            os.environ["NPROC"] = given


def handle_signals() -> None:
    """End this process by one line where a signal asks for it.

    JAX installs a handler of its own when it joins hosts: call this function again.
    """
    for number in ENDINGS:
        signal.signal(number, terminate)


def terminate(number: int, frame: Any) -> None:
    """Raise `Terminated`."""
    raise Terminated(number)


def use_cache() -> None:
    """Keep compiled programs in the user's cache folder unless JAX has another."""
    import jax
    import platformdirs

    known = getattr(jax.config, "jax_compilation_cache_dir", None)
    if known is None:
        folder = Path(platformdirs.user_cache_dir("ramac_jax"), "programs")
        with contextlib.suppress(OSError):  # no cache where there is no such folder
            folder.mkdir(parents=True, exist_ok=True)
            jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", MIN_COMPILE_SECONDS)


@contextlib.contextmanager
def first_host_prints(many_hosts: bool) -> Iterator[None]:
    """Discard what the other hosts print."""
    if many_hosts:
        from ramac_jax.cli.console import CONSOLE
        from ramac_jax.devices.hosts import is_first_host

        if not is_first_host():
            CONSOLE.quiet = True
            with open(os.devnull, "w") as null, contextlib.redirect_stdout(null):
                yield
            return
    yield


def run_command(
    main: Callable[[Sequence[str]], None], name: str, **setup: bool
) -> None:
    """Run `main(argv)` as this process; `setup` are arguments of `set_up`."""
    with exit_status(name):
        set_up(**setup)
        main(sys.argv[1:])
