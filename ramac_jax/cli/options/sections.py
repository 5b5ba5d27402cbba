"""Options in sections: one frozen dataclass each, shown as a group of the help.

A command's options are a dataclass whose fields are sections, marked with
`OmitArgPrefixes`. All options have different names, so that the command line, a file of
settings and the record of a run are flat.
"""

import dataclasses
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import tyro

from ramac_jax.cli.options.words import read_words

T = TypeVar("T")


def choices(names: Sequence[str], text: str) -> Any:
    """Describe an option whose value is a name; the help lists the names."""
    return tyro.conf.arg(help=f"{text}: {', '.join(names)}.")


def sections_of(kind: type) -> dict[str, type]:
    """Return the sections of a command's options, by name."""
    return typing.get_type_hints(kind)


def hints_of(kind: type) -> dict[str, Any]:
    """Return the type of every option of a command, by name."""
    return {
        name: hint
        for section in sections_of(kind).values()
        for name, hint in typing.get_type_hints(section).items()
        if not name.startswith("_")
    }


def values_of(section: Any) -> dict[str, Any]:
    """Return the options of one section and their values."""
    if hasattr(section, "_asdict"):
        return dict(section._asdict())
    return {x.name: getattr(section, x.name) for x in dataclasses.fields(section)}


def flatten(options: Any) -> dict[str, dict[str, Any]]:
    """Return section -> option -> value of a command's options."""
    return {
        field.name: values_of(getattr(options, field.name))
        for field in dataclasses.fields(options)
    }


def with_defaults(kind: type[T], values: Mapping[str, Any]) -> T:
    """Return options with these values; an option without any is required."""
    made = {}
    for name, section in sections_of(kind).items():
        known = {x: values[x] for x in typing.get_type_hints(section) if x in values}
        if dataclasses.is_dataclass(section):
            required = {
                x.name: tyro.MISSING
                for x in dataclasses.fields(section)
                if x.default is dataclasses.MISSING
            }
            known = required | known
        made[name] = section(**known)
    return kind(**made)


def parse_sections(
    kind: type[T], argv: Sequence[str], default: T, prog: str, description: str
) -> T:
    """Read a command line; exits for `--help`, `InputError` where it is malformed."""
    return read_words(
        kind,
        argv,
        prog=prog,
        description=description,
        default=default,
        config=(tyro.conf.FlagCreatePairsOff,),
    )
