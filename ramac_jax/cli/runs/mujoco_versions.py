"""The MuJoCo versions of runs that a report compares."""

import json
import re
from collections.abc import Sequence

from ramac_jax.cli.runs.evaluated import by_task
from ramac_jax.cli.runs.records import Run

MARGINS_ADDED = (3, 5, 0)
"""From this version of MuJoCo on, the margins of two bodies in contact are added."""
OF_MUJOCO = ("gymnasium.envs.mujoco", "gymnasium_robotics", "ogbench")
"""Packages of environments that MuJoCo simulates, those of the tasks among them."""


def simulator_notes(runs: Sequence[Run]) -> list[str]:
    """Return a sentence for each task whose runs played in several MuJoCo versions."""
    return list(filter(None, map(simulator_note, by_task(runs).values())))


def simulator_note(runs: Sequence[Run]) -> str | None:
    """Return how the MuJoCo versions of the runs of a task differ; None: not at all."""
    names: dict[str, list[str]] = {}
    for run in runs:
        spec = json.loads(run.record["settings"].get("env") or "{}")
        version = run.record.get("versions", {}).get("mujoco")
        if version and str(spec.get("entry_point")).startswith(OF_MUJOCO):
            names.setdefault(version, []).append(run.scored.name)
    if len(names) < 2:
        return None
    versions = sorted(names, key=version_numbers)
    played = " and ".join(f"{x} ({', '.join(names[x])})" for x in versions)
    sides = {version_numbers(x) >= MARGINS_ADDED for x in names}
    why = "another version may compute contacts differently"
    if len(sides) == 2:
        why = (
            f"from {'.'.join(map(str, MARGINS_ADDED))} on a contact begins at the sum "
            "of two margins, so that a Hopper moves differently from the first "
            "touchdown on, and these runs are not comparable"
        )
    return f"{runs[0].task} was played in MuJoCo {played}: {why}; evaluate all in one"


def version_numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, such as (3, 5, 0)."""
    return tuple(map(int, re.findall(r"\d+", version)[:3]))
