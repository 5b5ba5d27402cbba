"""Options that change no number: settings files, folders and logs."""

import argparse
import dataclasses
import sys
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import tyro

from ramac_jax.cli.options.settings_files import read_settings, to_toml
from ramac_jax.cli.options.words import read_words

NO_SETTINGS = {"config", "print_config", "dry_run"}
"""Options that are about the command, not about the run."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CommandOptions:
    """What the command does with the settings."""

    config: Path | None = None
    """TOML file of options, by their names in Python. It overrides the preset, and
    options override the file; --print-config prints such a file."""
    print_config: bool = False
    """Print the settings as TOML for --config, and do nothing else."""
    dry_run: bool = False
    """Check everything, print what would be trained and written, and write nothing."""


@dataclasses.dataclass(frozen=True)
class OutputOptions:
    """The folder of the run."""

    out: Path
    """Folder for everything that the run writes."""
    overwrite: bool = False
    """Replace the run in the folder, finished or not. Without it, the command resumes
    an unfinished run with these options."""


@dataclasses.dataclass(frozen=True)
class LogOptions:
    """Logs besides the CSV files of the run."""

    tensorboard: bool = False
    """Write event files for TensorBoard."""
    wandb: str | None = None
    """Project of Weights & Biases to log to; WANDB_MODE=offline needs no account."""


T = TypeVar("T", bound=CommandOptions)


def first_words(argv: Sequence[str]) -> argparse.Namespace:
    """Read the options that decide the defaults of all others."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for name in ("--preset", "--task", "--config"):
        parser.add_argument(name, default=None, nargs="?")
    parser.add_argument("--print-config", action="store_true")
    return parser.parse_known_args(argv)[0]


def parse_flat(kind: type[T], argv: Sequence[str], prog: str, description: str) -> T:
    """Read a command line without sections over its settings file.

    Raises `InputError` for a file that cannot be read and malformed words; exits for
    `--help` and after `--print-config`.
    """
    words = first_words(argv)
    values: dict[str, Any] = {
        x.name: tyro.MISSING
        for x in dataclasses.fields(kind)
        if x.default is dataclasses.MISSING
    }
    if words.print_config:
        values["out"] = Path("unused")
    if words.config is not None:
        hints = typing.get_type_hints(kind)
        known = {k: x for k, x in hints.items() if k not in NO_SETTINGS}
        values |= read_settings(Path(words.config), known)
    options: T = read_words(
        kind,
        argv,
        prog=prog,
        description=description,
        default=kind(**values),
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    if options.print_config:
        left_out = NO_SETTINGS | {"out", "overwrite"}
        kept = {k: v for k, v in vars(options).items() if k not in left_out}
        table = {k: v for k, v in kept.items() if v is not None}
        print(to_toml({prog: table}))
        sys.exit(0)
    return options
