"""The hosts of a command: they join, and compare what they were started with.

This module imports no JAX before hosts join.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from ramac_jax.cli.options.sections import flatten
from ramac_jax.cli.options.train import TrainOptions
from ramac_jax.cli.process import handle_signals
from ramac_jax.errors import InputError
from ramac_jax.version import __version__

T = TypeVar("T", bound=TrainOptions)

OF_ONE_HOST = {"config", "memory", "workers"}
"""Options that may differ: of the settings file, its content counts."""


def join_and_compare(
    command: str, parse: Callable[[Sequence[str]], T], argv: Sequence[str]
) -> T:
    """Read the options of a command, join the other hosts and compare with theirs.

    Raises `InputError` on every host: for words that one of them cannot read, and with
    the first difference of version, command or options.
    """
    options = fault = None
    try:
        options = parse(argv)
    except InputError as error:
        fault = error
    from ramac_jax.devices.agreement import check_same, raise_together
    from ramac_jax.devices.hosts import initialize_hosts

    handle_signals()
    initialize_hosts()
    handle_signals()
    raise_together(fault)
    assert options is not None
    flat = {k: x for section in flatten(options).values() for k, x in section.items()}
    flat |= {"out": options.output.out.absolute()}
    words = {
        f"--{name.replace('_', '-')}": value
        for name, value in flat.items()
        if name not in OF_ONE_HOST
    }
    check_same(
        {"the version of ramac_jax": __version__, "the command": command, **words}
    )
    return options
