"""Files that are whole or absent: strict JSON and text, replaced in one move."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def strict(value: Any) -> Any:
    """Return a value as strict JSON holds it.

    Paths become strings and tuples become lists. JSON has no infinity and no NaN: these
    become the strings "inf", "-inf" and "nan", which `float` reads.
    """
    if isinstance(value, Mapping):
        return {key: strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return str(value) if isinstance(value, Path) else value


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Replace a file by strict JSON in one move."""
    write_text(path, json.dumps(strict(record), indent=2, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Replace a file in one move."""
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(text)
    draft.replace(path)
