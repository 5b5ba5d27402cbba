"""Hosts that agree before they work: the same inputs, and one answer to bad ones.

Every host must make each of these calls, in the same order, and none inside of another:
what one of them raises, all of them raise.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import jax

from ramac_jax.devices.hosts import in_thread, interruptible, is_first_host, joined
from ramac_jax.differences import first_difference
from ramac_jax.errors import InputError, first_line
from ramac_jax.files import strict

T = TypeVar("T")

FAULTS, SHARED = "ramac_jax/faults", "ramac_jax/shared"
"""Where the store of JAX keeps the texts of hosts."""

LONG = 7 * 24 * 3600 * 1000
"""Milliseconds to wait for a host at work: JAX itself ends hosts that lose one."""

PAUSE = 0.1
"""Seconds between two looks at the other hosts while JAX starts."""


def share(text: str) -> list[str]:
    """Return the texts of all hosts, in the order of the hosts."""
    hosts = joined()
    if (client := hosts.client) is None or hosts.num_processes == 1:
        return [text]
    call = client.key_value_increment(f"{SHARED}/calls/{hosts.process_id}", 1)
    client.key_value_set(f"{SHARED}/{call}/{hosts.process_id}", json.dumps(text))
    everyone = [f"{SHARED}/{call}/{host}" for host in range(hosts.num_processes)]
    return interruptible(
        lambda: [json.loads(client.blocking_key_value_get(x, LONG)) for x in everyone]
    )


def start_devices() -> None:
    """Start JAX on every host: each waits for the others while it starts.

    Raises JAX's error on a host where it cannot start, and `InputError` on the others.
    """
    hosts = joined()
    if (client := hosts.client) is None or hosts.num_processes == 1:
        jax.devices()
        return
    started = in_thread(jax.devices)
    while True:
        try:
            started.result(timeout=PAUSE)
            return
        except TimeoutError:
            for key, text in client.key_value_dir_get(FAULTS):
                host = key.rpartition("/")[2]
                raise InputError(f"host {host} stopped: {text}") from None
        except Exception as fault:
            reason = first_line(fault) or type(fault).__name__
            text = f"JAX cannot start ({reason})"
            client.key_value_set(f"{FAULTS}/{hosts.process_id}", text)
            raise


def check_same(values: Mapping[str, Any]) -> None:
    """Compare values of JSON, by their names, with those of the other hosts.

    Raises `InputError` on every host, with the first difference from the first host.
    """
    first, *others = map(json.loads, share(json.dumps(strict(values))))
    for host, other in enumerate(others, 1):
        if (difference := first_difference(first, other)) is not None:
            name, here, there = difference
            raise InputError(
                f"the hosts differ: {name} is {here} on host 0 and {there} on host "
                f"{host}; start all of them alike, or set JAX_NUM_PROCESSES=1 on each "
                "to run them apart"
            )


def on_every_host(make: Callable[[], T]) -> T:
    """Call a function on every host, and return the result of this host's call.

    Raises its exception on this host, and `InputError` on every other host.
    """
    made, fault = attempt(make)
    raise_together(fault)
    return made


def first_host_first(make: Callable[[], T]) -> T:
    """Call a function on the first host, and after its return on the other hosts.

    Returns the result of this host's call. Raises its exception on the host where the
    call raises it, and `InputError` on every other host.
    """
    made, fault = attempt(make) if is_first_host() else (None, None)
    raise_together(fault)
    if not is_first_host():
        made, fault = attempt(make)
    raise_together(fault)
    return made  # type: ignore[return-value]


def attempt(make: Callable[[], T]) -> tuple[Any, BaseException | None]:
    """Return the result of a call, or the exception that it raised: a signal's too."""
    try:
        return make(), None
    except BaseException as fault:
        return None, fault


def raise_together(fault: BaseException | None) -> None:
    """Raise the fault of this host; `InputError` for the first one of another host."""
    own = "" if fault is None else first_line(fault) or type(fault).__name__
    everyone = share(own)
    if fault is not None:
        raise fault
    for host, text in enumerate(everyone):
        if text:
            raise InputError(f"host {host} stopped: {text}")
