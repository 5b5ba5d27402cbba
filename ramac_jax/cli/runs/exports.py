"""What a run says of an exported policy: hashes, figures and where it comes from."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from ramac_jax.cli.runs.acting import acting_of
from ramac_jax.cli.runs.results import EVALUATION, read_evaluation
from ramac_jax.errors import InputError
from ramac_jax.evaluation import summarise
from ramac_jax.evaluation.summary import D4RL_HORIZON

RUN_FIELDS = (
    "task",
    "preset",
    "num_steps",
    "env_id",
    "env",
    "reference",
    "datasets",
    "selection",
    "git_commit",
)
"""Fields of run.json that an export repeats: no path of this machine is among them."""
SETTINGS = ("env_id", "episodes", "horizon", "level", "seed", "acting")


def hashes(run: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return SHA-256 of the checkpoint and of each dataset of a run."""
    checkpoint, folder = hashlib.sha256(), run / "checkpoint"
    for path in sorted(x for x in folder.rglob("*") if x.is_file()):
        checkpoint.update(path.relative_to(folder).as_posix().encode() + b"\0")
        checkpoint.update(hashlib.sha256(path.read_bytes()).digest())
    datasets = {x["id"]: x["sha256"] for x in record.get("datasets", [])}
    return {"checkpoint": checkpoint.hexdigest(), "datasets": datasets}


def describe_run(record: Mapping[str, Any], seed: int, path: Path) -> dict[str, Any]:
    """Return what an export repeats of run.json, for one seed.

    Args:
      record: of the run.
      seed: of the agent.
      path: of run.json.
    """
    kept = {name: record[name] for name in RUN_FIELDS if name in record}
    if (acting := acting_of(record, path)) is not None:
        kept["acting"] = acting._asdict()
    return kept | {"seeds": [seed]}


def describe_evaluation(run: Path, member: int) -> dict[str, Any] | None:
    """Return the figures of one agent of a run, with intervals over its episodes.

    None where the run was not evaluated. Raises `InputError` for a damaged evaluation,
    and for one of other agents.
    """
    if not (run / EVALUATION).exists():
        return None
    record, everyone = read_evaluation(run)
    if not 0 <= member < len(everyone.returns):
        raise InputError(
            f"{run / EVALUATION} is of {len(everyone.returns)} agents, without member "
            f"{member}: run ramac evaluate on the run again"
        )
    settings = record["settings"]
    episodes = jax.tree.map(lambda x: x[member : member + 1], everyone)
    reference = settings.get("reference")
    summary = summarise(
        episodes,
        record["seeds"][member : member + 1],
        level=settings["level"],
        reference=None if reference is None else tuple(reference),
        reference_horizon=settings.get("reference_horizon", D4RL_HORIZON),
    )
    return {
        "settings": {name: settings[name] for name in SETTINGS if name in settings},
        "figures": {k: x for k, x in summary.items() if isinstance(x, dict)},
        "notes": summary["notes"],
        "selection": record.get("selection"),
    }
