"""A population in training on disk: asynchronous, checked, the last good one kept."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import filelock
import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.sharding import Mesh

from ramac_jax.devices.hosts import agree
from ramac_jax.devices.mesh import gather
from ramac_jax.population.history import History, fingerprint
from ramac_jax.storage import OTHER_NUMBERS, STATE, member_checksums
from ramac_jax.types import Hyperparams, MetricSums, State, Transition
from ramac_jax.validation import InputError, first_line

CARRY, HISTORY, RECORD = "carry", "history", "record"
KEPT = 2  # checkpoints: the newest, and the one before in case that is damaged
LOCK = ".lock"
NOTHING = "nothing"  # in place of a value that is not there


class Carry(NamedTuple):
    """All that training goes on from; every leaf [P, ...], on the devices."""

    states: State
    metric_sums: MetricSums  # of the updates since the last row of metrics
    key_data: jax.Array  # [P, ...] uint32, of the keys to train with
    hyperparams: Hyperparams


class Saved(NamedTuple):
    """Where a population stands, as a checkpoint has it."""

    step: int  # updates tried
    carry: Carry
    history: History
    written_by: str | None = None  # which machine; None: not read from a file


def lock(folder: Path) -> filelock.BaseFileLock:
    """Hold a folder for this process alone, until it releases the lock or ends.

    Raises `InputError` where another run holds it, or it cannot be written to.
    """
    held = filelock.FileLock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held.acquire(timeout=0)
    except filelock.Timeout:
        raise InputError(
            f"another run is at work in {folder}: wait for it, or give another folder"
        ) from None
    except OSError as error:
        raise InputError(
            f"cannot write to {folder}: {error.strerror}; give another folder"
        ) from None
    return held


def check_settings(path: Path, settings: Mapping[str, Any]) -> None:
    """Raise `InputError` where the settings kept in a file are others, saying which.

    A file that is not there says nothing; names that are only in the file do not count.
    """
    if not path.exists():
        return
    asked = json.loads(json.dumps(settings))
    try:
        held = json.loads(path.read_text())
        shared = {name: held[name] for name in asked if name in held}
        differing = first_difference(shared, asked)
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is damaged: {first_line(error)}") from None
    if differing is not None:
        name, was, now = differing
        if was == NOTHING:
            raise InputError(
                f"{path.parent} holds a run of another version of ramac_jax, which "
                f"told no {name}: give another folder, or finish it there"
            )
        raise InputError(
            f"{path.parent} holds a run with {name} {was}, not {now}: ask for that, "
            "or give another folder"
        )


def keep_settings(path: Path, settings: Mapping[str, Any]) -> None:
    """Write settings to a file in one move."""
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(json.dumps(settings, indent=1) + "\n")
    draft.replace(path)


def first_difference(held: Any, asked: Any, name: str = "") -> tuple | None:
    """The dotted name of the first difference of two JSON values, and both."""
    if isinstance(held, dict) and isinstance(asked, dict):
        for key in dict.fromkeys([*asked, *held]):
            inside = f"{name}.{key}" if name else key
            pair = held.get(key, NOTHING), asked.get(key, NOTHING)
            if (found := first_difference(*pair, inside)) is not None:
                return found
        return None
    if isinstance(held, list) and isinstance(asked, list) and len(held) == len(asked):
        return first_difference(dict(enumerate(held)), dict(enumerate(asked)), name)
    return None if held == asked else (name, shorten(held), shorten(asked))


def shorten(value: Any) -> str:
    """A value of JSON in one short line."""
    if value is NOTHING:
        return value
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def dataset_digest(dataset: Transition) -> str:
    """A hash of every number of a dataset."""
    digest = hashlib.sha256()
    for leaf in dataset:
        array = np.ascontiguousarray(leaf)
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()


def machine(mesh: Mesh) -> str:
    """What can be told of all that the last bits of a run depend on."""
    kinds = ", ".join(sorted({device.device_kind for device in mesh.devices.flat}))
    shares = mesh.devices.shape[1]
    each = f", {shares} for each batch" if shares > 1 else ""
    count = f"{mesh.size} of {jax.device_count()}"
    return f"JAX {jax.__version__} on {count} x {kinds}{each}"


def open_manager(folder: Path) -> ocp.CheckpointManager:
    """Orbax's manager of the checkpoints in a folder, made where it is not there."""
    return ocp.CheckpointManager(
        folder.absolute(),
        item_names=(STATE, CARRY, HISTORY, RECORD),
        options=ocp.CheckpointManagerOptions(
            max_to_keep=KEPT, cleanup_tmp_directories=True
        ),
    )


def save(
    manager: ocp.CheckpointManager,
    step: int,
    carry: Carry,
    history: History,
    written_by: str,
) -> None:
    """Begin to save; returns as soon as the devices may go on.

    The last argument tells which `machine` the numbers are of.
    """
    if step in manager.all_steps():
        return
    told = {"history": history._asdict(), "checksums": gather(member_checksums(carry))}
    states, others = parts(carry)
    manager.save(
        step,
        args=ocp.args.Composite(
            **{
                STATE: ocp.args.PyTreeSave(states),
                CARRY: ocp.args.PyTreeSave(others),
                HISTORY: ocp.args.PyTreeSave(told),
                RECORD: ocp.args.JsonSave(
                    {"fingerprint": fingerprint(told), "machine": written_by}
                ),
            }
        ),
    )


def parts(carry: Carry) -> tuple[State, dict[str, Any]]:
    """The states, stored as a policy's checkpoint stores them, and the rest."""
    others = carry._asdict()
    return others.pop("states"), others


def restore(manager: ocp.CheckpointManager, step: int, like: Carry) -> Saved:
    """Read one checkpoint.

    Raises one error or another where it is damaged: on every host, if for any of them.
    """
    read = fault = None
    try:
        read = read_share(Path(manager.directory, str(step)), like)
    except Exception as error:  # damage takes as many forms as there are bytes
        fault = error
    (whole,) = agree([fault is None])
    if read is None or not whole:
        raise fault or InputError("another host cannot read its share")
    carry, told, written_by = read
    if (gather(member_checksums(carry)) != told["checksums"]).any():
        raise InputError(OTHER_NUMBERS)
    return Saved(step, carry, History(**told["history"]), written_by)


def read_share(folder: Path, like: Carry) -> tuple[Carry, dict[str, Any], str]:
    """What this host needs of a checkpoint, without a word to the others."""
    reader = ocp.PyTreeCheckpointHandler()

    def placed(name: str, like: Any) -> Any:
        where = jax.tree.map(
            lambda x: ocp.ArrayRestoreArgs(sharding=x.sharding, dtype=x.dtype), like
        )
        arguments = ocp.args.PyTreeRestore(like, restore_args=where)
        return reader.restore(folder / name, args=arguments)

    states, others = parts(like)
    carry = Carry(states=placed(STATE, states), **placed(CARRY, others))
    told = reader.restore(folder / HISTORY, args=ocp.args.PyTreeRestore())
    record = ocp.JsonCheckpointHandler().restore(folder / RECORD)
    if fingerprint(told) != record["fingerprint"]:
        raise InputError(OTHER_NUMBERS)
    return carry, told, str(record["machine"])


def restore_newest(
    manager: ocp.CheckpointManager, like: Carry, say: Callable[[str], None]
) -> Saved | None:
    """The newest checkpoint that is whole; None where there is none at all.

    Args:
      manager: of the folder.
      like: shapes, types and placement (`jax.ShapeDtypeStruct`) of what was saved.
      say: told of each damaged checkpoint, which is removed once a whole one is found.

    Raises `InputError` where there are checkpoints and all are damaged.
    """
    damaged: dict[int, Exception] = {}
    for step in sorted(manager.all_steps(), reverse=True):
        try:
            saved = restore(manager, step, like)
        except Exception as error:
            damaged[step] = error
            continue
        for bad, cause in damaged.items():
            say(
                f"checkpoint {manager.directory / str(bad)} is damaged "
                f"({first_line(cause)[:200]}): going on from {step}, the one before"
            )
            manager.delete(bad)
        return saved
    if damaged:
        newest = damaged[max(damaged)]
        raise InputError(
            f"every checkpoint in {manager.directory} is damaged "
            f"({first_line(newest)[:200]}): give another folder, or begin anew"
        ) from newest
    return None
