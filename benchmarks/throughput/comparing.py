"""An earlier measurement beside a new one."""

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
"""What is compared of each case and number of agents."""


def read_earlier(path: Path, cases: Collection[str], sizes: Collection[int]) -> Numbers:
    """What a file of `--out` holds of these cases and numbers of agents.

    Raises `InputError` where it is no such file, or holds none of them.
    """
    try:
        known = numbers(json.loads(path.read_text())["cases"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise rj.InputError(
            f"--compare {path}: no JSON file that this command's --out wrote "
            f"({type(error).__name__}: {first_line(error)})"
        ) from None
    found = {
        (case, size): told
        for (case, size), told in known.items()
        if case in cases and size in sizes
    }
    if not found:
        held = ", ".join(dict.fromkeys(case for case, _ in known)) or "none"
        raise rj.InputError(
            f"--compare {path}: it shares no case and number of agents with what is "
            f"asked for; its cases are {held}"
        )
    return found


def numbers(cases: Mapping[str, Any]) -> Numbers:
    """What is compared, of the cases of a measurement."""
    return {
        (name, int(row["agents"])): {key: float(row[key]) for key in COMPARED}
        for name, found in cases.items()
        for row in found["populations"]
    }


def ratios(then: Numbers, now: Numbers) -> Numbers:
    """Now divided by then, of all that both have; NaN where then was 0."""
    return {
        key: {
            name: value / then[key][name] if then[key][name] else math.nan
            for name, value in told.items()
        }
        for key, told in now.items()
        if key in then
    }


def comparison_table(path: Path, then: Numbers, now: Numbers) -> Table:
    """The ratios, a row for each case and number of agents."""
    table = Table(title=f"now / then, by {path}")
    table.add_column("case")
    for column in ("agents", *COMPARED.values()):
        table.add_column(column, justify="right")
    for (case, size), told in ratios(then, now).items():
        table.add_row(case, str(size), *(f"{told[name]:.2f}" for name in COMPARED))
    return table
