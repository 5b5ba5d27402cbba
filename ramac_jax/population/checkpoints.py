"""Checkpoints of a population: asynchronous, atomic and verified."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import orbax.checkpoint as ocp

from ramac_jax.devices.hosts import agree
from ramac_jax.devices.placement import gather
from ramac_jax.errors import InputError, first_line
from ramac_jax.hyperparams import Hyperparams
from ramac_jax.population.history import History, fingerprint
from ramac_jax.storage import OTHER_NUMBERS, STATE, member_checksums
from ramac_jax.types import MetricSums, State

CARRY, HISTORY, RECORD = "carry", "history", "record"
NUM_KEPT = 2  # the newest checkpoint, and the one before in case that is damaged
LONGEST_CAUSE = 200  # characters of another library's message


class Carry(NamedTuple):
    """Everything that training continues from; every leaf [P, ...], on the devices."""

    states: State
    metric_sums: MetricSums
    """Sums over the updates since the last row of metrics."""
    key_data: jax.Array
    """[P, ...] uint32, data of the keys for training."""
    hyperparams: Hyperparams
    active: jax.Array
    """[P] bool; a member whose pretraining diverged is inactive and makes no update."""


class Saved(NamedTuple):
    """The content of a checkpoint."""

    step: int
    """Updates tried."""
    carry: Carry
    history: History
    written_by: str | None = None
    """The machine; None: not read from a checkpoint."""


def open_manager(folder: Path) -> ocp.CheckpointManager:
    """Orbax's manager of the checkpoints in a folder, which is made if needed."""
    return ocp.CheckpointManager(
        folder.absolute(),
        item_names=(STATE, CARRY, HISTORY, RECORD),
        options=ocp.CheckpointManagerOptions(
            max_to_keep=NUM_KEPT, cleanup_tmp_directories=True
        ),
    )


def save(
    manager: ocp.CheckpointManager,
    step: int,
    carry: Carry,
    history: History,
    written_by: str,
) -> None:
    """Start to write a checkpoint, unless the step has one.

    Returns once the carry may be donated; the files follow in the background.

    Args:
      manager: manager of the folder.
      step: updates tried.
      carry: what training continues from.
      history: the history up to this step.
      written_by: the `numerics.machine` that made the numbers.
    """
    if step in manager.all_steps():
        return
    recorded = {
        "history": history._asdict(),
        "checksums": gather(member_checksums(carry)),
    }
    states, others = split(carry)
    manager.save(
        step,
        args=ocp.args.Composite(
            **{
                STATE: ocp.args.PyTreeSave(states),
                CARRY: ocp.args.PyTreeSave(others),
                HISTORY: ocp.args.PyTreeSave(recorded),
                RECORD: ocp.args.JsonSave(
                    {"fingerprint": fingerprint(recorded), "machine": written_by}
                ),
            }
        ),
    )


def split(carry: Carry) -> tuple[State, dict[str, Any]]:
    """The states, stored as in the checkpoint of a policy, and all other fields."""
    others = carry._asdict()
    return others.pop("states"), others


def restore(manager: ocp.CheckpointManager, step: int, like: Carry) -> Saved:
    """Read and verify one checkpoint.

    Raises an error of any class where the checkpoint is damaged; on every host, if it
    is damaged for one of them.
    """
    read = fault = None
    try:
        read = read_shard(Path(manager.directory, str(step)), like)
    except Exception as error:  # damage has as many forms as there are bytes
        fault = error
    (whole,) = agree([fault is None])
    if read is None or not whole:
        raise fault or InputError("another host cannot read its part")
    carry, recorded, written_by = read
    if (gather(member_checksums(carry)) != recorded["checksums"]).any():
        raise InputError(OTHER_NUMBERS)
    return Saved(
        step=step,
        carry=carry,
        history=History(**recorded["history"]),
        written_by=written_by,
    )


def read_shard(folder: Path, like: Carry) -> tuple[Carry, dict[str, Any], str]:
    """Read this host's part of a checkpoint, without communication.

    Returns the carry, the recorded history with its checksums, and the machine.
    """
    reader = ocp.PyTreeCheckpointHandler()

    def read(name: str, like: Any) -> Any:
        placed = jax.tree.map(
            lambda x: ocp.ArrayRestoreArgs(sharding=x.sharding, dtype=x.dtype), like
        )
        arguments = ocp.args.PyTreeRestore(like, restore_args=placed)
        return reader.restore(folder / name, args=arguments)

    states, others = split(like)
    carry = Carry(states=read(STATE, states), **read(CARRY, others))
    recorded = reader.restore(folder / HISTORY, args=ocp.args.PyTreeRestore())
    record = ocp.JsonCheckpointHandler().restore(folder / RECORD)
    if fingerprint(recorded) != record["fingerprint"]:
        raise InputError(OTHER_NUMBERS)
    return carry, recorded, str(record["machine"])


def restore_newest(
    manager: ocp.CheckpointManager, like: Carry, warn: Callable[[str], None]
) -> Saved | None:
    """Read the newest checkpoint that is not damaged; None where there is none at all.

    Args:
      manager: manager of the folder.
      like: shapes, types and placement (`jax.ShapeDtypeStruct`) of the carry.
      warn: called for each damaged checkpoint, which is removed once another one is
        read.

    Raises `InputError` where there are checkpoints and all are damaged, and where this
    user may not read one.
    """
    damaged: dict[int, Exception] = {}
    for step in sorted(manager.all_steps(), reverse=True):
        try:
            saved = restore(manager, step, like)
        except Exception as error:
            if closed := closed_file(Path(manager.directory, str(step))):
                raise InputError(
                    f"cannot read {closed}: permission denied; resume as the user who "
                    "began the run, or give another folder"
                ) from error
            damaged[step] = error
            continue
        for bad, fault in damaged.items():
            warn(
                f"checkpoint {manager.directory / str(bad)} is damaged "
                f"({cause(fault)}): the run resumes from {step}, the one before"
            )
            manager.delete(bad)
        return saved
    if damaged:
        newest = damaged[max(damaged)]
        raise InputError(
            f"every checkpoint in {manager.directory} is damaged "
            f"({cause(newest)}): give another folder, or start anew"
        ) from newest
    return None


def closed_file(folder: Path) -> Path | None:
    """A file that this user may not read, which is no damage; None: there is none."""
    paths = [folder, *folder.rglob("*")]
    return next((x for x in paths if not os.access(x, os.R_OK)), None)


def cause(error: Exception) -> str:
    """The first line of an error, shortened."""
    return first_line(error)[:LONGEST_CAUSE]
