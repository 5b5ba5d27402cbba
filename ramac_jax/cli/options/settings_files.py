"""Settings as TOML: what `--config` reads and `--print-config` prints."""

import json
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ramac_jax.errors import InputError, check_names, first_line

NONE = "none"
"""Text that stands for None, which TOML has not."""
WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def read_settings(path: Path, hints: Mapping[str, Any]) -> dict[str, Any]:
    """Read a file of options.

    Args:
      path: TOML, one line NAME = VALUE for each option, by its name in Python.
      hints: the type of each option that may stand there.

    Raises `InputError` for a file that cannot be read, an unknown option and a value of
    another type.
    """
    try:
        table = tomllib.loads(path.read_text())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"cannot read {path}: {first_line(error)}") from None
    check_names(f"option in {path}", table, hints)
    return {name: read_value(path, name, x, hints[name]) for name, x in table.items()}


def read_value(path: Path, name: str, value: Any, hint: Any) -> Any:
    """Return a value of TOML as its option holds it; `InputError` for another type."""
    kinds = [hint]
    if isinstance(hint, types.UnionType):
        kinds = list(typing.get_args(hint))
    for kind in kinds:
        found = convert(value, kind)
        if found is not MISMATCH:
            return found
    wanted = " or ".join(describe(kind) for kind in kinds)
    raise InputError(f"{name} is {value!r} in {path}: give {wanted}")


MISMATCH = object()


def convert(value: Any, kind: Any) -> Any:
    """Return a value of TOML as a type of Python, `MISMATCH` where it is of another."""
    if kind is types.NoneType:
        return None if value == NONE else MISMATCH
    if typing.get_origin(kind) is tuple:
        return convert_list(value, typing.get_args(kind))
    if kind is float and type(value) is int:
        return float(value)
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is str and value == NONE:
        return MISMATCH
    return value if type(value) is kind else MISMATCH


def convert_list(value: Any, kinds: Sequence[Any]) -> Any:
    """Return a list of TOML as a tuple, `MISMATCH` for another type or length.

    Args:
      value: of TOML.
      kinds: the type of each item in order, or one type and `...`.
    """
    if not isinstance(value, list):
        return MISMATCH
    if kinds[-1] is ...:
        kinds = [kinds[0]] * len(value)
    if len(value) != len(kinds):
        return MISMATCH
    items = tuple(map(convert, value, kinds))
    return MISMATCH if any(item is MISMATCH for item in items) else items


def describe(kind: Any) -> str:
    """Return a type in plain words."""
    if kind is types.NoneType:
        return f'"{NONE}"'
    if typing.get_origin(kind) is tuple:
        kinds = typing.get_args(kind)
        if kinds[-1] is ...:
            return f"a list, each item {describe(kinds[0])}"
        return f"a list of {len(kinds)} values, {' and '.join(map(describe, kinds))},"
    return WORDS.get(kind, "a text")


def to_toml(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """Write options, section by section; a section is a comment above its options."""
    parts = []
    for title, options in sections.items():
        lines = [f"{name} = {to_value(value)}" for name, value in options.items()]
        parts.append("\n".join([f"# {title}", *lines]))
    return "\n\n".join(parts)


def to_value(value: Any) -> str:
    """Write one value."""
    if value is None:
        return json.dumps(NONE)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(to_value, value))}]"
    return json.dumps(str(value), ensure_ascii=False)
