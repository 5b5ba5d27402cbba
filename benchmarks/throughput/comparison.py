"""Ratios of a new measurement to an earlier one."""

import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

import ramac_jax as rj
from ramac_jax.errors import first_line

COMPARED = {
    "agent_updates_per_s": "agent-updates/s",
    "share_of_matrix_rate": "share of matrix rate",
    "compile_s": "compile s",
    "megabytes": "MB",
}
Numbers = dict[tuple[str, int], dict[str, float]]
"""The compared quantities of each case and number of agents."""


def read_earlier(path: Path, cases: Collection[str], sizes: Collection[int]) -> Numbers:
    """Read the compared quantities of some cases and numbers of agents.

    Args:
      path: a file that `--out` wrote.
      cases: names of cases.
      sizes: numbers of agents.

    Raises `InputError` for another file, and for a file without any of these cases and
    numbers of agents.
    """
    try:
        known = numbers(json.loads(path.read_text())["cases"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise rj.InputError(
            f"--compare {path}: not a JSON file that --out of this command wrote "
            f"({type(error).__name__}: {first_line(error)})"
        ) from None
    found = {
        (case, size): row
        for (case, size), row in known.items()
        if case in cases and size in sizes
    }
    if not found:
        held = ", ".join(dict.fromkeys(case for case, _ in known)) or "none"
        raise rj.InputError(
            f"--compare {path}: the file has none of the cases and numbers of agents "
            f"of this run; its cases are {held}"
        )
    return found


def numbers(cases: Mapping[str, Any]) -> Numbers:
    """Return the compared quantities of the cases of a measurement."""
    return {
        (name, int(row["agents"])): {key: float(row[key]) for key in COMPARED}
        for name, found in cases.items()
        for row in found["populations"]
    }


def ratios(then: Numbers, now: Numbers) -> Numbers:
    """Return now / then where both have a row; NaN where then is 0."""
    return {
        key: {
            name: value / then[key][name] if then[key][name] else math.nan
            for name, value in row.items()
        }
        for key, row in now.items()
        if key in then
    }


def comparison_table(path: Path, then: Numbers, now: Numbers) -> Table:
    """Return a table of the ratios, a row for each case and number of agents."""
    table = Table(title=f"now / then; then: {path}")
    table.add_column("case")
    for column in ("agents", *COMPARED.values()):
        table.add_column(column, justify="right")
    for (case, size), row in ratios(then, now).items():
        table.add_row(case, str(size), *(f"{row[name]:.2f}" for name in COMPARED))
    return table
