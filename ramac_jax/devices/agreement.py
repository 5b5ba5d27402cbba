"""Hosts that agree before they work: the same inputs, and one answer to bad ones.

Every host must make each of these calls, in the same order, and none inside of another:
what one of them raises, all of them raise.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import jax
import numpy as np

from ramac_jax.devices.hosts import all_hosts, is_first_host
from ramac_jax.differences import first_difference
from ramac_jax.errors import InputError, first_line
from ramac_jax.files import strict

T = TypeVar("T")


def share(text: str) -> list[str]:
    """Return the texts of all hosts, in the order of the hosts."""
    if jax.process_count() == 1:
        return [text]
    raw = np.frombuffer(text.encode(), np.uint8)
    lengths = all_hosts(np.asarray([raw.size], np.int32))[:, 0]
    padded = np.zeros(max(1, lengths.max()), np.uint8)
    padded[: raw.size] = raw
    pairs = zip(all_hosts(padded), lengths, strict=True)
    return [row[:length].tobytes().decode() for row, length in pairs]


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
