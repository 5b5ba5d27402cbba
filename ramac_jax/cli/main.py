"""The program `ramac`: a table of commands, each imported when it is asked for.

This module imports neither JAX nor NumPy, so that `ramac --help` is immediate. A
command has two modules: one that reads its options, without JAX, and one that runs.
"""

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from ramac_jax.version import __version__


class Command(NamedTuple):
    """One command of the program."""

    summary: str
    options: str
    """Module whose `parse(argv)` returns the options; exits for `--help`."""
    module: str
    """Module whose `execute(options, argv)` does the work."""
    many_hosts: bool = False
    """Whether the command joins the other hosts of a launcher."""
    many_cores: bool = False
    """Whether the command trains on every core of a CPU."""
    one_thread: bool = False
    """Whether XLA computes on one thread of a CPU; simulators have the others."""
    simulators: bool = False
    """Whether the command reads datasets or steps environments."""


COMMANDS = {
    "train": Command(
        "train agents on a task, evaluate them and draw figures",
        "ramac_jax.cli.options.train",
        "ramac_jax.cli.train",
        many_hosts=True,
        many_cores=True,
        simulators=True,
    ),
    "sweep": Command(
        "search hyperparameters and rank the settings",
        "ramac_jax.cli.options.sweep",
        "ramac_jax.cli.sweep",
        many_hosts=True,
        many_cores=True,
        simulators=True,
    ),
    "evaluate": Command(
        "play more episodes of a trained run",
        "ramac_jax.cli.options.evaluate",
        "ramac_jax.cli.evaluate",
        one_thread=True,
        simulators=True,
    ),
    "report": Command(
        "make tables and figures of evaluated runs",
        "ramac_jax.cli.options.report",
        "ramac_jax.cli.report",
    ),
    "compare": Command(
        "train several agents on several tasks and compare them",
        "ramac_jax.cli.options.compare",
        "ramac_jax.cli.compare",
        many_cores=True,
        simulators=True,
    ),
    "data": Command(
        "convert and relabel datasets",
        "ramac_jax.cli.options.data",
        "ramac_jax.cli.data",
        simulators=True,
    ),
    "export": Command(
        "write a trained policy as a program that acts without this library",
        "ramac_jax.cli.options.export",
        "ramac_jax.cli.export",
        simulators=True,
    ),
    "bandit": Command(
        "train every agent on the risky bandit and measure the paper's bounds",
        "ramac_jax.cli.options.bandit",
        "ramac_jax.cli.bandit.command",
        many_cores=True,
    ),
}

CLOSED_PIPE = 141  # 128 plus the number of SIGPIPE, as a shell reports it


def main(argv: Sequence[str] | None = None) -> None:
    """Run the program with these words; None: those of the process."""
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        try:
            dispatch(words)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # `ramac train --help | head -3`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(CLOSED_PIPE)


def dispatch(words: Sequence[str]) -> None:
    """Print the help or the version, or run the command that the first word names."""
    first = words[0] if words else "--help"
    if first in ("-h", "--help"):
        print(usage())
    elif first == "--version":
        print(f"ramac {__version__}")
    elif first in COMMANDS:
        run(first, words[1:])
    else:
        near = difflib.get_close_matches(first, COMMANDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"give {', '.join(COMMANDS)}"
        print(f"error: unknown command {first!r}: {hint}", file=sys.stderr)
        sys.exit(2)


def usage() -> str:
    """The help of the program."""
    rows = [f"  {name:<10}{command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: ramac COMMAND [OPTIONS]",
            "",
            "Risk-aware offline reinforcement learning with generative actors, in JAX.",
            "",
            "commands:",
            *rows,
            "",
            "options:",
            "  --help    show this text, or the options of a command",
            "  --version show the version",
        ]
    )


def run(name: str, argv: Sequence[str]) -> None:
    """Read the options of a command, then set the process up and run the command."""
    from ramac_jax.cli import process, quiet

    command = COMMANDS[name]
    with process.exit_status(f"ramac {name}"):
        options = read_options(name, argv)
        process.set_up(many_cores=command.many_cores, one_thread=command.one_thread)
        if command.simulators:
            quiet.quiet_libraries()
        module = importlib.import_module(command.module)
        with process.first_host_prints(command.many_hosts):
            module.execute(options, argv)


def read_options(name: str, argv: Sequence[str]) -> Any:
    """Read the options of a command, on several hosts those that all of them have."""
    from ramac_jax.launchers import several_hosts, unjoined_tasks

    command, started = COMMANDS[name], several_hosts()
    parse = importlib.import_module(command.options).parse
    if command.many_hosts and started:
        from ramac_jax.cli.hosts import join_and_compare

        return join_and_compare(name, parse, argv)
    options = parse(argv)
    remark = unjoined_tasks() if command.many_hosts else None
    if started:
        remark = f"ramac {name} joins no hosts: each of them runs all of it, alone"
    if remark is not None:
        print(remark, file=sys.stderr)
    return options
