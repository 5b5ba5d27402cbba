"""Chunks of members, and the phases of their training with its checkpoints."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orbax.checkpoint as ocp
from jax.sharding import Mesh

from ramac_jax.devices.placement import spread
from ramac_jax.errors import InputError
from ramac_jax.files import disk_fault
from ramac_jax.population import checkpoints, numerics
from ramac_jax.population.callbacks import Callbacks
from ramac_jax.population.checkpoints import Carry, Saved
from ramac_jax.population.history import EMPTY
from ramac_jax.population.members import Members
from ramac_jax.population.programs import Programs
from ramac_jax.population.schedule import Schedule
from ramac_jax.types import Transition

PRETRAINING, TRAINING = "pretraining", "training"


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Members that train together."""

    index: int
    num_chunks: int
    members: Members
    """The last members may be copies that fill the chunk."""
    num_real: int
    """How many of the members, the first ones, are no copies."""
    dataset: Transition
    """On every device."""
    mesh: Mesh
    schedule: Schedule
    callbacks: Callbacks


class Phase(NamedTuple):
    """Pretraining or training."""

    name: str
    num_steps: int
    programs: Programs
    manager: ocp.CheckpointManager | None
    """Manager of the checkpoints of this phase; None: nothing is saved."""


@contextlib.contextmanager
def open_phase(
    name: str, num_steps: int, programs: Programs, folder: Path | None
) -> Iterator[Phase]:
    """A phase whose checkpoints are in a folder of its name; None: not saved.

    Raises `InputError` where the disk is full, read-only or broken.
    """
    if folder is None:
        yield Phase(name=name, num_steps=num_steps, programs=programs, manager=None)
        return
    try:
        with checkpoints.open_manager(folder / name) as manager:
            yield Phase(name, num_steps, programs, manager)
    except Exception as error:
        if isinstance(error, InputError) or (fault := disk_fault(error)) is None:
            raise
        raise InputError(
            f"cannot keep checkpoints in {folder / name}: {fault.reason}; "
            f"{fault.advice}, and the same call resumes the run from its last whole "
            "checkpoint"
        ) from error


def restore_phase(chunk: Chunk, phase: Phase) -> Saved | None:
    """The newest checkpoint of a phase; None where there is none."""
    if phase.manager is None:
        return None
    warn = chunk.callbacks.warn
    saved = checkpoints.restore_newest(phase.manager, phase.programs.like, warn)
    here = numerics.machine(chunk.mesh)
    if saved is None or saved.step >= phase.num_steps or saved.written_by == here:
        return saved
    warn(
        f"{phase.manager.directory} was written by {saved.written_by}, and {here} "
        "resumes it: the last bits differ from those of an uninterrupted run; "
        "where they matter, resume it as before"
    )
    return saved


def init_carry(chunk: Chunk, programs: Programs) -> Carry:
    """Fresh members on the devices."""
    seeds = spread(chunk.members.seed.astype(np.uint32), chunk.mesh)
    hyperparams = spread(chunk.members.hyperparams, chunk.mesh)
    carry: Carry = programs.init(seeds, hyperparams, chunk.dataset)
    return carry


def fresh(chunk: Chunk, programs: Programs) -> Saved:
    """Fresh members at step 0, with an empty history."""
    return Saved(step=0, carry=init_carry(chunk, programs), history=EMPTY)
