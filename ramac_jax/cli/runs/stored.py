"""The record of a run read back: whole, or one line that names the damaged field."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ramac_jax.errors import InputError, first_line, show

KINDS: Mapping[str, Any] = {
    "status": str,
    "task": str | None,
    "preset": str | None,
    "env_id": str | None,
    "env": str | None,
    "selection": str | None,
    "git_commit": str | None,
    "num_steps": int,
    "seeds": [int],
    "diverged": [{"seed": int, "step": int}],
    "datasets": [{"id": str, "sha256": str}],
    "resumed": [str],
    "options": {},
    "hyperparams": {},
    "evaluation": dict | None,
    "policies": [{"name": str, "diverged": [], "seeds": []}],
    "detection": {},
}
"""What a field of a record is, where it is there: a type, a list of items of one kind,
or an object with these fields."""


def read_record(path: Path) -> dict[str, Any]:
    """Read the record of a run; `InputError` where it is damaged."""
    try:
        record = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {first_line(error)}") from None
    if not isinstance(record, dict):
        raise InputError(f"{path} is no record of a run: it holds no object")
    check_record(record, path)
    return record


def check_record(record: Mapping[str, Any], path: Path) -> None:
    """Raise `InputError` with the first field of another kind than a run writes.

    Args:
      record: of a run.
      path: of the file that holds it.
    """
    for name in record.keys() & KINDS.keys():
        if not fits(record[name], KINDS[name]):
            raise InputError(
                f"{path} is damaged: {name} is {show(record[name])}; restore the file, "
                "or give another run"
            )


def fits(value: Any, kind: Any) -> bool:
    """Whether a value of JSON is of a kind; see `KINDS`."""
    if isinstance(kind, list):
        return isinstance(value, list) and all(fits(x, y) for x in value for y in kind)
    if isinstance(kind, dict):
        whole = isinstance(value, dict) and kind.keys() <= value.keys()
        return whole and all(fits(value[name], of) for name, of in kind.items())
    return isinstance(value, kind) and not isinstance(value, bool)


def seeds_of(record: Mapping[str, Any], population: int) -> list[int]:
    """Return the seeds of a run's agents, their numbers where it names none.

    Raises `InputError` where the record names more seeds or fewer.
    """
    seeds: list[int] = record.get("seeds", list(range(population)))
    if len(seeds) != population:
        raise InputError(
            f"run.json names {len(seeds)} seeds and the checkpoint holds {population} "
            "agents: they are not of one run"
        )
    return seeds
